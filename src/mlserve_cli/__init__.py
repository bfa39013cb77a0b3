"""The command line of mlserve: on the SDK only."""

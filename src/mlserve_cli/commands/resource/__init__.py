"""Name the backends that services can run on."""

"""Keep the addresses of hubs elsewhere, and choose one."""

"""What a body may be besides JSON, one file each. Loaded by the first request that needs it."""

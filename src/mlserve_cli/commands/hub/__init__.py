"""Start, stop and look at the hub of this machine."""

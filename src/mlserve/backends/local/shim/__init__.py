"""The process that stands between the hub and one program: it outlives the hub, and says how the program ended."""

"""Both directions on one connection: WebSocket."""

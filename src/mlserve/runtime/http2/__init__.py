"""HTTP/2 on the port of HTTP/1.1, for gRPC and for Envoy: loaded when the first client speaks it."""

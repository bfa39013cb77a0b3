"""gRPC: the Open Inference Protocol, health and reflection, on our own HTTP/2. Loaded by the first call."""

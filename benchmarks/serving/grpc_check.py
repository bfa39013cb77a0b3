"""Ask over gRPC once, in an environment with grpcio: `grpc_check.py PORT`, request on stdin, answer on stdout."""

import sys

import grpc

METHOD = "/inference.GRPCInferenceService/ModelInfer"

with grpc.insecure_channel(f"127.0.0.1:{sys.argv[1]}") as channel:
    call = channel.unary_unary(METHOD, request_serializer=None, response_deserializer=None)
    sys.stdout.buffer.write(call(sys.stdin.buffer.read(), timeout=10))

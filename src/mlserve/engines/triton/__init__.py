"""``"processor": "triton"``: NVIDIA's Triton Inference Server, its options checked before anything starts."""

from mlserve.engines.triton.engine import create

__all__ = ["create"]

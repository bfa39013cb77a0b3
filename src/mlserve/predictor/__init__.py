"""Call a deployed service, through the gateway or directly. Light: no hub is needed where the endpoint is known."""

from mlserve.predictor.predictor import Predictor, is_triton

__all__ = ["Predictor", "is_triton"]

"""What a Triton model repository holds, read without running anything."""

from mlserve.inspection.repository.layout import CONFIG, Model, Repository, look

__all__ = ["CONFIG", "Model", "Repository", "look"]

"""PMML compiled to ONNX: the document, its fields, and each of its model elements."""

"""Turn a model of another format into ONNX when it is deployed, where the answers stay what they were.

`python -m mlserve.conversion` does it in a process of its own, in an environment that holds the format's own library.
"""

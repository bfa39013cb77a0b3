"""Keras models read without Keras: the file, the network of layers, and what each layer is in ONNX."""

"""What can be converted: a file for each processor whose models can become ONNX, named as the processor is.

REQUIREMENTS (what the conversion needs besides the processor's own libraries), VERSION (raised when the same model
would now become another one) and EVIDENCE (bytes that tell a file which brings the answers to compare with, so that the
native library is not needed; may be left out) are read by the hub without importing the file. ``convert(source)``
gives `mlserve.conversion.base.Attempt`s, the one to prefer first, and raises CannotConvert.
"""

"""Networks to and from ONNX."""

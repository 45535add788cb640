"""Networks on their way to other libraries and back: ONNX, PyTorch, scikit-learn."""

"""Import from and export to other libraries: ONNX, PyTorch, scikit-learn, C."""

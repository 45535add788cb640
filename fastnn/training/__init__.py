"""Fitting: the loop over epochs, what it calls in between, what it measured, and checkpoints."""

"""Trained networks for other programs, and from them."""

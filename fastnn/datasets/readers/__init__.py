"""Readers of files: one for each kind, and what they share."""

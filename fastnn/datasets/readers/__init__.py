"""Readers for each file format, and shared functions."""

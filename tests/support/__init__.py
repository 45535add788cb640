"""What the tests of several rooms share. pytest finds it: `pythonpath` in pyproject.toml."""

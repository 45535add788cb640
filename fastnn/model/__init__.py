"""A network as a value: its parameters, prediction, evaluation, and saving to files."""

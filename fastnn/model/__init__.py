"""A network as a value: its parameters, what they predict, and the file that keeps them."""

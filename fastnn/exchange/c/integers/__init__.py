"""A network in integer arithmetic, as a C header without floats."""

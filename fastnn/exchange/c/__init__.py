"""Export to C: one header without dependencies."""

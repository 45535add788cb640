"""Networks to C: one header without dependencies."""

"""Training: the loop over epochs, its hooks, the history, and checkpoints."""

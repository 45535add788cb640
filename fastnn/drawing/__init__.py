"""Pictures that need nothing but numbers: the canvas, and the curves of a fit."""

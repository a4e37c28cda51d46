"""Compiled loops of the image library; numpy and numba only."""

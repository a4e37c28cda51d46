"""k210sim: a virtual Kendryte K210 board that behaves as a MaixPy v1 device."""

__version__ = "0.1.0"

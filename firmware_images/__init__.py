"""Recipe of the embedded demo model: how it is trained, quantised, written and measured.

A developer's tool: nothing in `k210sim` imports it, and PyTorch is needed by `train` only.
"""

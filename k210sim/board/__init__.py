"""Composition: which parts make a board, which engine runs on it, power and snapshots.

profiles.py   one frozen description for each board on the market
hardware.py   the parts of one powered or unpowered board
engines.py    the registry of engines; `builtin` is the first
builtin.py    the built-in firmware put together: prompt, runtime, modules
board.py      Board, the public face
"""

"""Lexer, parser and code generator of the MicroPython 1.11 dialect."""

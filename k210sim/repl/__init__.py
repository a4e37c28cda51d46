"""The prompt of the built-in firmware, device side.

    readline.py     one line being edited: cursor, history, completion, auto-indent
    modes.py        friendly prompt, paste mode, raw mode as one state machine fed with bytes
    boot.py         from power-on to the prompt: boot log, start-up script, boot.py, main.py
    wording.py      every text the firmware prints by itself
    interpreter.py  what the prompt asks of the language runtime

Nothing here knows Python's grammar or the host: bytes come from the port, go to the port, and
programs are handed to the interpreter.
"""

"""Where the command `k210sim` and `python -m k210sim` begin: Ctrl-C ends them quietly from here on.

The command line is imported inside, for that is what takes the first tenths of a second.
"""

from __future__ import annotations

import os

from k210sim.errors import EXIT_INTERRUPTED


def main() -> None:
    """Run the command line; does not return."""
    try:
        from k210sim.cli.main import main as run

        run()
    except KeyboardInterrupt:
        os._exit(EXIT_INTERRUPTED)


if __name__ == "__main__":
    main()

"""`python -m k210sim`: the same as the command `k210sim`."""

from k210sim.cli.main import main

main()

"""`python -m ganbench` is the program `ganbench`."""

from ganbench.cli import main

main()

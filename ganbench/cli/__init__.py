"""The command line. Nothing heavy is imported until a command needs it: `ganbench --help` and `ganbench list` run without torch."""

from ganbench.cli.app import main

__all__ = ["main"]

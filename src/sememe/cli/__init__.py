"""The commands: parse, call, print."""

from sememe.cli.main import main

__all__ = ["main"]

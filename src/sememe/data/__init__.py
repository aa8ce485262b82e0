"""Labelled data: which kind a table holds, its rows by number, and what is held out."""

from sememe.data.examples import Example, Examples, load
from sememe.data.reading import Data
from sememe.data.splitting import hold_out, split

__all__ = ["Data", "Example", "Examples", "hold_out", "load", "split"]

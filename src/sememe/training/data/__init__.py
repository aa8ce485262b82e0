"""Training data: which kind a table holds, its rows by number, what is held out, the batches."""

from sememe.training.data.batches import Batch, Batches, Rows
from sememe.training.data.examples import Example, Examples, load
from sememe.training.data.splitting import split

__all__ = ["Batch", "Batches", "Example", "Examples", "Rows", "load", "split"]

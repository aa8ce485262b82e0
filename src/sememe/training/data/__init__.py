"""Training data: which kind a table holds, its rows by number, what is held out, the batches."""

from sememe.training.data.batches import Batch, Batches, Rows
from sememe.training.data.examples import Example, Examples, load
from sememe.training.data.label_pairs import LabelPairs
from sememe.training.data.sources import Data
from sememe.training.data.splitting import hold_out, split

__all__ = [
    "Batch",
    "Batches",
    "Data",
    "Example",
    "Examples",
    "LabelPairs",
    "Rows",
    "hold_out",
    "load",
    "split",
]

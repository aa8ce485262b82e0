"""Find, read and write checkpoints: model directories in the sentence-transformers layout."""

from sememe.checkpoint.files import Weights
from sememe.checkpoint.find import DEFAULT_MODEL, find
from sememe.checkpoint.modules import Scoring
from sememe.checkpoint.pull import pull
from sememe.checkpoint.read import Checkpoint, read
from sememe.checkpoint.write import write

__all__ = ["DEFAULT_MODEL", "Checkpoint", "Scoring", "Weights", "find", "pull", "read", "write"]

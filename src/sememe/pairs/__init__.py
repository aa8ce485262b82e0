"""Near-duplicates and paraphrases: which texts mean (nearly) the same."""

from sememe.pairs.result import Dropped, Group, Pairs
from sememe.pairs.search import find_pairs

__all__ = ["Dropped", "Group", "Pairs", "find_pairs"]

"""Near-duplicates and paraphrases: which texts mean (nearly) the same."""

from sememe.pairs.finding import find_pairs, pair_vectors
from sememe.pairs.result import Dropped, Group, Pairs

__all__ = ["Dropped", "Group", "Pairs", "find_pairs", "pair_vectors"]

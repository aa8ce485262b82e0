"""Near-duplicates and paraphrases: which texts mean (nearly) the same."""

from sememe.pairs.finding import find_pairs, pair_vectors
from sememe.pairs.result import Group, Pairs

__all__ = ["Group", "Pairs", "find_pairs", "pair_vectors"]

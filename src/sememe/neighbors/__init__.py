"""Nearest neighbours: exact, among many vectors, over small ones; and all pairs that are close."""

from sememe.neighbors.approximate import self_join
from sememe.neighbors.close import ClosePairs, closer_than, closest
from sememe.neighbors.exact import Neighbors, merged, nearest, scan
from sememe.neighbors.small import nearest_small
from sememe.neighbors.vectors import checked, unit

__all__ = [
    "ClosePairs",
    "Neighbors",
    "checked",
    "closer_than",
    "closest",
    "merged",
    "nearest",
    "nearest_small",
    "scan",
    "self_join",
    "unit",
]

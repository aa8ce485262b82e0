"""Nearest neighbours: exact, or among many vectors; and all pairs that are close."""

from sememe.neighbors.approximate import self_join
from sememe.neighbors.close import ClosePairs, closer_than, closest
from sememe.neighbors.exact import (
    Neighbors,
    as_vectors,
    merge_neighbors,
    nearest,
    normalized,
    scan,
    unit_rows,
)

__all__ = [
    "ClosePairs",
    "Neighbors",
    "as_vectors",
    "closer_than",
    "closest",
    "merge_neighbors",
    "nearest",
    "normalized",
    "scan",
    "self_join",
    "unit_rows",
]

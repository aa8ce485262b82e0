"""Nearest neighbours: exact, or among many vectors; and all pairs that are close."""

from sememe.neighbors.approximate import self_join as self_join
from sememe.neighbors.close import ClosePairs as ClosePairs
from sememe.neighbors.close import closer_than as closer_than
from sememe.neighbors.close import closest as closest
from sememe.neighbors.exact import Neighbors as Neighbors
from sememe.neighbors.exact import as_vectors as as_vectors
from sememe.neighbors.exact import merge_neighbors as merge_neighbors
from sememe.neighbors.exact import nearest as nearest
from sememe.neighbors.exact import normalized as normalized
from sememe.neighbors.exact import scan as scan
from sememe.neighbors.exact import unit_rows as unit_rows

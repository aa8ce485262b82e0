"""Nearest neighbours: exact, approximate among many vectors, in two stages over small ones."""

from sememe.neighbors.approximate import self_join
from sememe.neighbors.exact import Neighbors, nearest, scan
from sememe.neighbors.small import nearest_small
from sememe.neighbors.vectors import checked, unit

__all__ = ["Neighbors", "checked", "nearest", "nearest_small", "scan", "self_join", "unit"]

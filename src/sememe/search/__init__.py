"""Texts found by meaning, next week too."""

from sememe.search.hits import Hit
from sememe.search.index import Index
from sememe.search.store import Row

__all__ = ["Hit", "Index", "Row"]

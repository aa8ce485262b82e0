"""Texts indexed once, and searched by meaning, by words, or by both."""

from sememe.search.index import Index
from sememe.search.ranking import Hit, Hits
from sememe.search.rows import Row

__all__ = ["Hit", "Hits", "Index", "Row"]

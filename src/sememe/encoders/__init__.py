"""Encoders: sentences to vectors."""

from sememe.encoders.bi import BiEncoder

__all__ = ["BiEncoder"]

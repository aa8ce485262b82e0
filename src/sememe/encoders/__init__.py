"""Encoders: sentences to vectors, pairs of sentences to scores."""

from sememe.encoders.bi import BiEncoder
from sememe.encoders.cross import CrossEncoder, RankedDocument, Ranking
from sememe.encoders.opening import StaticEncoder
from sememe.encoders.quantization import quantize

__all__ = ["BiEncoder", "CrossEncoder", "RankedDocument", "Ranking", "StaticEncoder", "quantize"]

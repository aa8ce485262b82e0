"""Encoders: sentences to vectors, pairs of sentences to scores."""

from sememe.encoders.bi import BiEncoder
from sememe.encoders.cross import CrossEncoder, Hit
from sememe.encoders.quantization import quantize
from sememe.encoders.static import StaticEncoder

__all__ = ["BiEncoder", "CrossEncoder", "Hit", "StaticEncoder", "quantize"]

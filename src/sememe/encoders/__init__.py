"""Encoders: sentences to vectors."""

from sememe.encoders.bi import BiEncoder
from sememe.encoders.quantization import quantize

__all__ = ["BiEncoder", "quantize"]

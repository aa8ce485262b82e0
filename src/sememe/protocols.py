"""The one method that rooms need from an encoder or a scorer: sememe's own, or yours."""

import os
from collections.abc import Sequence
from typing import Any, Protocol, TypeAlias


class Encoder(Protocol):
    """Turns texts into vectors: a `BiEncoder`, or your own."""

    def encode(self, texts: list[str], /) -> Any:
        """Vectors, float (n, dim), one row a text."""


EncoderLike: TypeAlias = Encoder | str | os.PathLike[str]
"""An encoder, or a bi-encoder's name or folder."""


class Scorer(Protocol):
    """Scores pairs of texts: a `CrossEncoder`, or your own."""

    def score(self, pairs: Sequence[tuple[str, str]], /) -> Any:
        """Scores, float (n,), higher for texts that are more similar, or for better answers."""

"""What rooms ask of one another's objects: yours are as good as sememe's, if they can do this."""

from collections.abc import Sequence
from typing import Any, Protocol


class Encoder(Protocol):
    """Turns texts into vectors: a `BiEncoder`, or your own."""

    def encode(self, texts: list[str], /) -> Any:
        """Vectors, float (n, dim), one row a text."""


class Scorer(Protocol):
    """Scores pairs of texts: a `CrossEncoder`, or your own."""

    def score(self, pairs: Sequence[tuple[str, str]], /) -> Any:
        """Scores, float (n,), the higher the more alike, or the better the answer."""

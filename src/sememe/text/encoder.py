"""What is asked of an encoder by whoever needs nothing but vectors."""

from typing import Any, Protocol


class Encoder(Protocol):
    """Anything that turns texts into vectors, float (n, dim): a `BiEncoder`, or your own."""

    def encode(self, texts: list[str], /) -> Any:
        """One row a text."""

"""The contract of an engine: batches of token ids go in, arrays come out."""

from collections.abc import Iterable, Iterator
from typing import Protocol

import numpy as np
import numpy.typing as npt

from sememe.text import Batch

Array = npt.NDArray[np.float32]


class Engine(Protocol):
    """A loaded model. Safe to be run from any number of threads at once.

    Attributes:
        precision: what it computes in: f32, bf16 or int8.
        streams: how many batches it computes at the same time.
        dim: the size of a vector.
        identity: changes when the same weights would give other vectors.
    """

    precision: str
    streams: int
    dim: int
    identity: list[str]

    def run(self, batches: Iterable[Batch]) -> Iterator[tuple[Batch, Array]]:
        """Compute batches, some ahead of the one that is yielded, in their order.

        Yields float32 (b, dim), or (b, longest, hidden) from an engine without a pooling; no
        value in it depends on the other texts of its batch beyond rounding.
        """
        ...

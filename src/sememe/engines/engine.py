"""The contract of an engine: batches of token ids go in, arrays come out."""

from collections.abc import Iterable, Iterator
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from sememe.checkpoint.modules import Pooling
from sememe.text import Batch

Array = npt.NDArray[np.float32]

Output = Pooling | Literal["tokens", "scores"]
"""What an engine gives: a pooled vector a text, all token vectors, or a cross-encoder's logits."""


def output_name(output: Output) -> str:
    """An output's name in files and messages: its poolings joined by +, tokens or scores."""
    return "+".join(output.modes) if isinstance(output, Pooling) else output


class Engine(Protocol):
    """A loaded model. Safe to be run from any number of threads at once.

    A new engine is a class whose arguments are (checkpoint, output, *, precision, device,
    trust_remote_code), which has these attributes and `decisions`, a dict of what it chose among
    its arguments, with which a forked process opens the same engine again; and a line in
    `sememe.engines.open.ENGINES`.

    Attributes:
        name: openvino, torch or static.
        precision: what it computes in: f32, bf16 or int8.
        streams: how many batches it computes at the same time.
        dim: the size of a vector, or the number of scores.
        budget: tokens of a batch, padding included. The same for every job: how a text is padded
            decides its last bits, and the same texts are to give the same vectors tomorrow.
        identity: changes when the same weights would give other vectors.
    """

    name: str
    precision: str
    streams: int
    dim: int
    budget: int
    identity: list[str]

    def run(self, batches: Iterable[Batch]) -> Iterator[tuple[Batch, Array]]:
        """Compute batches, some ahead of the one that is yielded, in their order.

        Yields float32 (b, dim), or (b, longest, hidden) from an engine of token vectors; no
        value in it depends on the other texts of its batch beyond rounding.
        """
        ...

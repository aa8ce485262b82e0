"""The engine of static encoders: the mean of a text's token vectors, at the speed of memory."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from sememe.checkpoint import Checkpoint
from sememe.engines.engine import Array, Output
from sememe.engines.ranges import Fidelity, Ranges
from sememe.errors import InputError
from sememe.text import UNKNOWN, Batch


class StaticEngine:
    """A table of token vectors; see `sememe.engines.Engine` for the contract."""

    name = "static"
    precision = "f32"
    streams = 1

    def __init__(
        self,
        checkpoint: Checkpoint,
        output: Output,
        *,
        precision: str = "auto",
        device: str | None = None,
        trust_remote_code: bool = False,
    ) -> None:
        del trust_remote_code  # there is none
        if checkpoint.static is None:
            raise InputError(
                f"{checkpoint.directory} is a {checkpoint.kind}, not a static encoder."
            )
        for argument, value, choices in (
            ("precision", precision, ("auto", "f32")),
            ("device", device, (None, "cpu")),
            ("pooling", getattr(output, "modes", ("mean",)), (("mean",),)),
        ):
            if value not in choices:
                raise InputError(
                    f"{argument}={value!r}: {checkpoint.directory} is a static encoder, a mean of "
                    f"token vectors in f32; leave {argument}= out."
                )
        self.identity = ["static 1"]
        self.decisions: dict[str, Any] = {}
        self._table = checkpoint.static.table
        self._gives_tokens = output == "tokens"
        self.dim = self._table.shape[1]
        # Token vectors are written out, one by one; a mean reads them where they are.
        self.budget = 2**13 if self._gives_tokens else 2**17

    def run(self, batches: Iterable[Batch]) -> Iterator[tuple[Batch, Array]]:
        """Compute batches in their order."""
        for batch in batches:
            is_token = np.arange(batch.ids.shape[1]) < batch.lengths[:, None]
            counts = is_token & (batch.ids != UNKNOWN)
            if self._gives_tokens:
                states: Array = self._table[batch.ids]
                states[~counts] = 0
                yield batch, states
                continue
            tokens = counts.sum(axis=1)
            columns, ends = batch.ids[counts], np.concatenate([[0], np.cumsum(tokens)])
            shape = (len(tokens), len(self._table))
            ones = np.ones(len(columns), np.float32)
            sums = csr_array((ones, columns, ends), shape=shape) @ self._table
            yield batch, np.asarray(sums / np.maximum(tokens, 1)[:, None].astype(np.float32))


def table_ranges(table: Array) -> Ranges:
    """The ranges of int8 vectors: no mean has a larger component than the largest token's.

    Of vectors of length 1, nearly none has; what lies beyond is clipped.
    """
    largest, lengths = np.abs(table).max(axis=1), np.linalg.norm(table, axis=1)
    unit = float((largest / np.maximum(lengths, 1e-12)).max())
    return Ranges({}, unit, float(largest.max()), Fidelity(1, 1, 0, "the table itself"))

"""The engine of static encoders: the mean of a text's token vectors, at the speed of memory."""

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from sememe.checkpoint import Checkpoint
from sememe.engines.engine import Array, Output
from sememe.engines.ranges import Fidelity, Ranges
from sememe.errors import InputError
from sememe.text import UNKNOWN, Batch

_VERSION = "static 1"


class StaticEngine:
    """A table of token vectors; see `sememe.engines.Engine` for the contract.

    Raises:
        InputError: the checkpoint is of another kind, or is to be computed in another way.
        CheckpointError: a table that cannot be read.
    """

    precision = "f32"
    streams = 1

    def __init__(
        self,
        checkpoint: Checkpoint,
        output: Output,
        *,
        engine: str = "auto",
        precision: str = "auto",
        device: str | None = None,
    ) -> None:
        if checkpoint.static is None:
            raise InputError(
                f"{checkpoint.directory} is a {checkpoint.kind}, not a static encoder: it has no "
                "table of token vectors."
            )
        for argument, value, known in (
            ("engine", engine, ("auto", "static")),
            ("precision", precision, ("auto", "f32")),
            ("device", device, (None, "cpu")),
            ("pooling", getattr(output, "modes", ("mean",)), (("mean",),)),
        ):
            if value not in known:
                raise InputError(
                    f"{argument}={value!r}: {checkpoint.directory} is a static encoder, a mean of "
                    f"token vectors in f32; leave {argument}= out."
                )
        self._table = checkpoint.static.table
        self.name, self.identity = "static", [_VERSION]
        self._tokens = output == "tokens"
        self.dim = self._table.shape[1]
        # Token vectors are written out, one by one; a mean reads them where they are.
        self.budget = 2**13 if self._tokens else 2**17

    def run(self, batches: Iterable[Batch]) -> Iterator[tuple[Batch, Array]]:
        """Compute batches in their order."""
        for batch in batches:
            yield batch, self._states(batch) if self._tokens else self._means(batch)

    def _means(self, batch: Batch) -> Array:
        known = _known(batch)
        counts = known.sum(axis=1)
        ids, ends = batch.ids[known], np.concatenate([[0], np.cumsum(counts)])
        shape = (len(counts), len(self._table))
        sums = csr_array((np.ones(len(ids), np.float32), ids, ends), shape=shape) @ self._table
        return np.asarray(sums / np.maximum(counts, 1)[:, None].astype(np.float32))

    def _states(self, batch: Batch) -> Array:
        states: Array = self._table[batch.ids]
        states[~_known(batch)] = 0
        return states


def table_ranges(table: Array) -> Ranges:
    """The ranges of int8 vectors: no mean has a larger component than the largest token's.

    Of vectors of length 1, nearly none has; what lies beyond is clipped.
    """
    largest, lengths = np.abs(table).max(axis=1), np.linalg.norm(table, axis=1)
    unit = float((largest / np.maximum(lengths, 1e-12)).max())
    return Ranges({}, unit, float(largest.max()), Fidelity(1, 1, 0, "the table itself"))


def _known(batch: Batch) -> npt.NDArray[np.bool_]:
    """Where there is a token of the text, and not an unknown one."""
    real = np.arange(batch.ids.shape[1]) < batch.lengths[:, None]
    return np.asarray(real & (batch.ids != UNKNOWN))

"""The engine of static encoders: the mean of a text's token vectors, at the speed of memory."""

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from sememe.checkpoint import Checkpoint
from sememe.checkpoint.static import Table
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
        self.identity = [_VERSION]
        self._tokens = output == "tokens"
        self.dim = self._table.vectors.shape[1]
        # Token vectors are written out, one by one; a mean reads them where they are.
        self.budget = 2**13 if self._tokens else 2**17

    def run(self, batches: Iterable[Batch]) -> Iterator[tuple[Batch, Array]]:
        """Compute batches in their order."""
        for batch in batches:
            yield batch, self._states(batch) if self._tokens else self._means(batch)

    def _means(self, batch: Batch) -> Array:
        known = _known(batch)
        counts = known.sum(axis=1)
        rows, weights = self._table.at(batch.ids[known])
        ends = np.concatenate([[0], np.cumsum(counts)])
        bags = csr_array((weights, rows, ends), shape=(len(ends) - 1, len(self._table.vectors)))
        sums = bags @ self._table.vectors
        return np.asarray(sums / np.maximum(counts, 1)[:, None].astype(np.float32))

    def _states(self, batch: Batch) -> Array:
        known = _known(batch)
        rows, weights = self._table.at(batch.ids[known])
        states = np.zeros((*batch.ids.shape, self.dim), np.float32)
        states[known] = self._table.vectors[rows] * weights[:, None]
        return states


def table_ranges(table: Table) -> Ranges:
    """The ranges of int8 vectors: no mean has a larger component than the largest token's.

    Of vectors of length 1, nearly none has; what lies beyond is clipped.
    """
    largest = np.abs(table.vectors).max(axis=1)
    lengths = np.linalg.norm(table.vectors, axis=1)
    unit = float((largest / np.maximum(lengths, 1e-12)).max())
    weight = 1.0 if table.weights is None else float(np.abs(table.weights).max())
    return Ranges({}, unit, float(largest.max()) * weight, Fidelity(1, 1, 0, "the table itself"))


def _known(batch: Batch) -> npt.NDArray[np.bool_]:
    """Where there is a token of the text, and not an unknown one."""
    real = np.arange(batch.ids.shape[1]) < batch.lengths[:, None]
    return np.asarray(real & (batch.ids != UNKNOWN))

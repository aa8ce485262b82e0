"""Run batches through a torch module, on the device it lies on."""

import os
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import replace
from threading import Lock
from typing import Any

import torch

from sememe.checkpoint import Checkpoint
from sememe.checkpoint.files import sha256
from sememe.engines.engine import Array, Output
from sememe.engines.torch.device import choose_device, choose_precision
from sememe.engines.torch.encoder import Encoder, probe
from sememe.engines.torch.flat import flattened
from sememe.engines.torch.head import Tensor
from sememe.engines.torch.load import load_transformer
from sememe.errors import CheckpointError, InputError
from sememe.processes import native_code
from sememe.text import Batch

# Raised whenever a change to this engine would change its vectors.
_VERSION = "torch-1"
_PROCESS = os.getpid()
_BUDGETS = {"cpu": 1024, "mps": 16_384, "cuda": 16_384}


class TorchEngine:
    """An encoder in torch; see `sememe.engines.Engine` for the contract.

    One batch is computed at a time, whoever asks, with all of torch's threads or on the GPU.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        output: Output,
        *,
        precision: str,
        device: str | None = None,
        trust_remote_code: bool = False,
    ) -> None:
        if os.getpid() != _PROCESS:  # torch's threads have stayed in the parent
            torch.set_num_threads(1)
        self.device = choose_device(device)
        self.precision, dtype = choose_precision(precision, self.device)
        self.budget, self.streams = _BUDGETS[self.device.type], 1
        self.name = "torch"
        self.identity = [_VERSION, self.precision]
        if trust_remote_code:
            self.identity += [sha256(path) for path in sorted(checkpoint.transformer.glob("*.py"))]
        transformer = load_transformer(
            checkpoint, output, dtype, trust_remote_code=trust_remote_code
        ).to(self.device)
        size = _tried(checkpoint, transformer, self.precision)
        if self.device.type == "cuda" and self.precision != "f32":
            transformer = flattened(transformer)
        self._encoder = Encoder(checkpoint, output, transformer, size).to(self.device).eval()
        self.dim = self._encoder.dim
        self._lock = Lock()

    def run(self, batches: Iterable[Batch]) -> Iterator[tuple[Batch, Array]]:
        """Compute batches in their order, one ahead of the one that is yielded."""
        begun: deque[tuple[Batch, Tensor]] = deque()
        for batch in batches:
            begun.append((batch, self._begin(batch)))
            # A GPU computes a batch while the one before is fetched and the next one is packed.
            if len(begun) > 1:
                done, found = begun.popleft()
                yield done, found.cpu().numpy()
        for done, found in begun:
            yield done, found.cpu().numpy()

    def _begin(self, batch: Batch) -> Tensor:
        """The values of a batch, on the device; where memory runs out, half by half."""
        try:
            return self._compute(batch)
        except RuntimeError as error:  # torch.OutOfMemoryError on cuda; on mps it has no class
            if "out of memory" not in str(error):
                raise
        # Outside of the except, where the error would keep what was computed before it.
        half = len(batch.rows) // 2
        if not half:
            raise InputError(
                f"{self.device} has no memory left for one text of {batch.ids.shape[1]:,} tokens; "
                'free some, or take a narrower precision= or device="cpu".'
            )
        return torch.cat(
            [self._begin(_part(batch, part)) for part in (slice(half), slice(half, None))]
        )

    def _compute(self, batch: Batch) -> Tensor:
        fed = [batch.ids, batch.lengths]
        # Where all are of the first type, some models are to be told of none.
        if batch.second is not None and (batch.second < batch.lengths).any():
            fed.append(batch.second)
        moved = [torch.from_numpy(x).to(self.device) for x in fed]
        with native_code(), self._lock, torch.inference_mode():
            return self._encoder(*moved, skip=batch.skip)


def _part(batch: Batch, part: slice) -> Batch:
    second = None if batch.second is None else batch.second[part]
    rows, ids, lengths = batch.rows[part], batch.ids[part], batch.lengths[part]
    return replace(batch, rows=rows, ids=ids, lengths=lengths, second=second)


def _tried(checkpoint: Checkpoint, transformer: Any, precision: str) -> int:
    """The size of what the transformer gives; CheckpointError if that is nothing to work with."""
    try:
        with torch.inference_mode():
            found = transformer(**probe(transformer, 3))[0]
    except Exception as error:
        raise CheckpointError(
            f"{checkpoint.transformer}: {type(transformer).__name__} gives no token vectors or "
            f"scores of token ids alone ({error}), so it is no sentence encoder."
        ) from error
    if not found.isfinite().all():
        raise CheckpointError(
            f"{checkpoint.transformer}: in {precision} this model computes a NaN or an infinity; "
            "its weights are damaged, or need a wider precision."
        )
    return int(found.shape[-1])

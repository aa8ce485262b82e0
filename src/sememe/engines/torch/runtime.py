"""Choose a device and a precision, and run batches through a torch module there."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from threading import Lock
from typing import Any

import torch

from sememe.arguments import one_of
from sememe.checkpoint import Checkpoint
from sememe.checkpoint.files import sha256
from sememe.engines.engine import Array, Output
from sememe.engines.processor import announce, features
from sememe.engines.torch.one_token import read_one_token
from sememe.engines.torch.speed import unpadded
from sememe.engines.torch.transformer import Tensor, TransformerWithHead, load_transformer, probe
from sememe.errors import CheckpointError, InputError
from sememe.processes import native_code
from sememe.text import Batch

# Raised whenever a change to this engine would change its vectors.
_VERSION = "torch-1"
_PROCESS = os.getpid()
_BUDGETS = {"cpu": 1024, "mps": 16_384, "cuda": 16_384}

_DTYPES = {"f32": torch.float32, "bf16": torch.bfloat16, "f16": torch.float16}
_BF16 = {"avx512_bf16", "amx_bf16", "bf16"}


def choose_device(device: str | None) -> torch.device:
    """A device by its name, else InputError; None is cuda or mps if there is one, else the cpu."""
    devices = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    devices += ["mps", "cpu"] if torch.backends.mps.is_available() else ["cpu"]
    name = devices[0] if device is None else "cuda:0" if device == "cuda" else device
    if name not in devices:
        raise InputError(f"device={name!r} is not there; there are: {', '.join(devices)}.")
    if name.startswith("cuda") and torch.cuda._is_in_bad_fork():
        raise InputError(
            f"device={name!r}: a forked process cannot use the GPU that its parent uses; start "
            'processes by multiprocessing.get_context("spawn").'
        )
    return torch.device(name)


def choose_precision(precision: str, device: torch.device) -> tuple[str, torch.dtype]:
    """f32, bf16 or f16, and its type, else InputError; `auto` says once what it took."""
    if precision == "int8":
        raise InputError(
            f'precision="int8" is for engine="openvino"; torch computes in {", ".join(_DTYPES)}.'
        )
    one_of("precision", precision, ("auto", *_DTYPES))
    if precision == "f16" and device.type == "cpu":
        raise InputError('precision="f16" is for GPUs; on the cpu there are f32 and bf16.')
    if precision == "auto":
        precision, why = narrowest(device)
        announce(f"torch-{precision}", precision, why)
    return precision, _DTYPES[precision]


def narrowest(device: torch.device) -> tuple[str, str]:
    """The narrowest precision that is known to be good on a device, and why."""
    if device.type == "cuda":
        has_bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
        return ("bf16", "this GPU has it") if has_bf16 else ("f16", "this GPU has no bf16")
    if device.type == "cpu" and _BF16 & features():
        return "bf16", "this processor has bfloat16 products"
    return "f32", f"nothing narrower is known to be good on this {device.type}"


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
        self.decisions = {"precision": self.precision, "device": str(self.device)}
        self.budget = _BUDGETS[self.device.type]
        self.streams = 1
        self.name = "torch"
        self.identity = [_VERSION, self.precision]
        if trust_remote_code:
            self.identity += [sha256(path) for path in sorted(checkpoint.transformer.glob("*.py"))]
        transformer = load_transformer(
            checkpoint, output, dtype, trust_remote_code=trust_remote_code
        ).to(self.device)
        size = _output_size(checkpoint, transformer, self.precision)
        if self.device.type == "cuda" and self.precision != "f32":
            transformer = unpadded(transformer)
        module = TransformerWithHead(checkpoint, output, transformer, size)
        self._module = module.to(self.device).eval()
        read_one_token(self._module, output)
        self.dim = module.dim
        self._lock = Lock()

    def run(self, batches: Iterable[Batch]) -> Iterator[tuple[Batch, Array]]:
        """Compute batches in their order, one ahead of the one that is yielded."""
        previous: tuple[Batch, Tensor] | None = None
        for batch in batches:
            # A GPU computes a batch while the one before is fetched and the next one is packed.
            current = batch, self._begin(batch)
            if previous is not None:
                yield previous[0], previous[1].cpu().numpy()
            previous = current
        if previous is not None:
            yield previous[0], previous[1].cpu().numpy()

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
        names = ["rows", "ids", "lengths"] + (["second"] if batch.second is not None else [])
        parts = [
            replace(batch, **{name: getattr(batch, name)[part] for name in names})
            for part in (slice(half), slice(half, None))
        ]
        return torch.cat([self._begin(part) for part in parts])

    def _compute(self, batch: Batch) -> Tensor:
        arrays = [batch.ids, batch.lengths]
        # Where all tokens are of the first type, some models must not be given types.
        if batch.second is not None and (batch.second < batch.lengths).any():
            arrays.append(batch.second)
        moved = [torch.from_numpy(x).to(self.device) for x in arrays]
        with native_code(), self._lock, torch.inference_mode():
            return self._module(*moved, skip=batch.skip)


def _output_size(checkpoint: Checkpoint, transformer: Any, precision: str) -> int:
    """The size of what the transformer gives; CheckpointError if that is nothing to work with."""
    try:
        with torch.inference_mode():
            result = transformer(**probe(transformer, 3))[0]
    except Exception as error:
        raise CheckpointError(
            f"{checkpoint.transformer}: {type(transformer).__name__} gives no token vectors or "
            f"scores of token ids alone ({error}), so it is no sentence encoder."
        ) from error
    if not result.isfinite().all():
        raise CheckpointError(
            f"{checkpoint.transformer}: in {precision} this model computes a NaN or an infinity; "
            "its weights are damaged, or need a wider precision."
        )
    return int(result.shape[-1])

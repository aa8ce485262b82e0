"""The ranges that int8 needs, kept by the hash of a checkpoint's weights.

`openvino/int8.py` measures them, once a checkpoint. Those of the default model are shipped; those
of `sememe quantize` are in the cache, and go first.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sememe.cache import cache_directory
from sememe.errors import CheckpointError
from sememe.tables import replacing

_FORMAT = "1"
_SHIPPED = Path(__file__).parent / "shipped"


@dataclass(frozen=True)
class InputRange:
    """What goes into a matrix product: each channel's smoothing, and what 0 and 255 stand for.

    `smoothing`, float32 (inside,), is what each channel is divided by before it is rounded.
    """

    smoothing: npt.NDArray[np.float32]
    low: float
    high: float


@dataclass(frozen=True)
class Fidelity:
    """How near int8 is to float32, on calibration texts that were held back.

    `mean` and `least` are cosines of vectors (`measure`). Of a cross-encoder's logits they are
    their correlation, and 1 less the largest difference in standard deviations.
    """

    mean: float
    least: float
    texts: int
    source: str
    measure: str = "cosine"

    def __str__(self) -> str:
        if self.measure == "cosine":
            return f"cosine {self.mean:.4f} on average, {self.least:.4f} at least"
        farthest = f"{1 - self.least:.2f} standard deviations at most"
        return f"correlation of logits {self.mean:.4f}, apart by {farthest}"


@dataclass(frozen=True)
class Ranges:
    """All ranges of one checkpoint, by the name of the first weight that each input meets.

    `unit` and `pooled` are the largest component of a vector of length 1, and as the pooling gives
    it. They and the fidelity were measured on `output` (see `output_name`).
    """

    inputs: dict[str, InputRange]
    unit: float
    pooled: float
    fidelity: Fidelity
    output: str = "mean"

    @cached_property
    def digest(self) -> str:
        """16 hexadecimal digits over all the ranges."""
        digest = hashlib.sha256(np.array([self.unit, self.pooled], np.float64).tobytes())
        for name, measured in sorted(self.inputs.items()):
            digest.update(name.encode())
            digest.update(np.array([measured.low, measured.high], np.float64).tobytes())
            digest.update(measured.smoothing.tobytes())
        return digest.hexdigest()[:16]


def find_ranges(weights_sha256: str) -> Ranges | None:
    """The ranges for these weights, from the cache or shipped; None if they were never measured."""
    for path in (_cached(weights_sha256), _SHIPPED / f"{weights_sha256}.safetensors"):
        if path.is_file():
            return _read(path)
    return None


def save_ranges(weights_sha256: str, ranges: Ranges) -> Path:
    """Keep ranges in the cache; returns the file, which appears complete or not at all."""
    from safetensors.numpy import save_file

    path = _cached(weights_sha256)
    path.parent.mkdir(parents=True, exist_ok=True)
    metadata = {
        "format": _FORMAT,
        "unit": ranges.unit,
        "pooled": ranges.pooled,
        "fidelity": asdict(ranges.fidelity),
        "output": ranges.output,
        "bounds": {name: [x.low, x.high] for name, x in ranges.inputs.items()},
    }
    tensors = {name: x.smoothing for name, x in ranges.inputs.items()}
    with replacing(path) as temporary:
        save_file(tensors, temporary, metadata={"sememe": json.dumps(metadata)})
    return path


def _cached(weights_sha256: str) -> Path:
    return cache_directory() / "ranges" / f"{weights_sha256}.safetensors"


def _read(path: Path) -> Ranges:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            metadata: dict[str, Any] = json.loads((file.metadata() or {})["sememe"])
            if metadata["format"] != _FORMAT:
                raise CheckpointError(
                    f"{path}: these ranges have format {metadata['format']!r}, and this version of "
                    f"sememe reads {_FORMAT!r}. Make them again: sememe quantize MODEL"
                )
            inputs = {
                name: InputRange(file.get_tensor(name), low, high)
                for name, (low, high) in metadata["bounds"].items()
            }
            fidelity = Fidelity(**metadata["fidelity"])
            output = metadata.get("output", "mean")
            return Ranges(inputs, metadata["unit"], metadata["pooled"], fidelity, output)
    except CheckpointError:
        raise
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"{path}: these ranges cannot be read ({error}). Delete the file and make them again: "
            "sememe quantize MODEL"
        ) from None

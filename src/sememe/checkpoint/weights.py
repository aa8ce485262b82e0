"""A checkpoint's tensors, from one safetensors file or many, as float32 arrays.

Files are mapped, not read: a float32 tensor costs no copy until it is used.
"""

import hashlib
import json
import struct
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sememe.checkpoint.files import inside, lfs_pointer, read_json, sha256
from sememe.checkpoint.scoring import names_classifier
from sememe.errors import CheckpointError

Array = npt.NDArray[np.float32]

_NUMPY_TYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"}
_INTEGERS = {"I8": "<i1", "I32": "<i4", "I64": "<i8"}
_SINGLE, _INDEX = "model.safetensors", "model.safetensors.index.json"


class Weights:
    """The tensors of one module directory, or of one file, by name.

    Raises:
        CheckpointError: there are none, they are pickled, cut off, or of another shape or type
            than asked for; the message names the file and the tensor.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._entries: dict[str, tuple[Path, str, tuple[int, ...], int]] = {}
        for file in self.files:
            self._entries |= _header(file)

    @cached_property
    def files(self) -> list[Path]:
        """The safetensors files, in the order of their names."""
        if self.directory.is_file():
            return [self.directory]
        if (self.directory / _SINGLE).is_file():
            return [self.directory / _SINGLE]
        if (self.directory / _INDEX).is_file():
            shards = read_json(self.directory / _INDEX).get("weight_map")
            if not isinstance(shards, dict) or not shards:
                raise CheckpointError(f"{self.directory / _INDEX}: there is no weight_map in it.")
            return [
                inside(self.directory, name, said_by=self.directory / _INDEX)
                for name in sorted({str(name) for name in shards.values()})
            ]
        raise CheckpointError(self._why_none())

    def _why_none(self) -> str:
        pickles = sorted([*self.directory.glob("*.bin"), *self.directory.glob("*.pt")])
        if not pickles:
            return (
                f"{self.directory}: there are no weights (no {_SINGLE} and no {_INDEX}). Where a "
                "model has only a pickle (pytorch_model.bin), that is neither fetched nor opened."
            )
        config = self.directory / "config.json"
        scores = config.is_file() and names_classifier(read_json(config))
        kind = "CrossEncoder" if scores else "SentenceTransformer"  # which has no head for scores
        return (
            f"{pickles[0]}: these weights are a pickle, which can run code when it is opened, so "
            "sememe doesn't. If you trust it, convert it once: python -c 'from "
            f'sentence_transformers import {kind} as S; S("OLD").save("NEW")\''
        )

    def __contains__(self, name: str) -> bool:
        return name in self._entries

    @property
    def names(self) -> list[str]:
        """The names of all tensors."""
        return list(self._entries)

    def prefix(self, suffix: str) -> str:
        """What stands before `suffix` in a tensor's name: different tools save different prefixes.

        Raises:
            CheckpointError: no tensor's name ends with `suffix`.
        """
        found = sorted(n.removesuffix(suffix) for n in self.names if n.endswith(suffix))
        if not found:
            raise CheckpointError(f"{self.files[0]}: there is no tensor {suffix!r}, in any prefix.")
        return found[0]

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of a tensor; CheckpointError if it is missing."""
        if name not in self._entries:
            raise CheckpointError(f"{self.files[0]}: the tensor {name!r} is missing.")
        return self._entries[name][2]

    def get(self, name: str, shape: Sequence[int], *, integers: bool = False) -> Array:
        """Return a tensor as float32, after checking that it has the shape the config implies.

        Only with `integers` may it be stored as whole numbers; in a transformer, those would need
        a scale that nobody applies.
        """
        found = self.shape(name)
        file, kind, _, start = self._entries[name]
        types = _NUMPY_TYPES | _INTEGERS if integers else _NUMPY_TYPES
        if found != tuple(shape):
            raise CheckpointError(
                f"{file}: the tensor {name!r} has shape {list(found)}, but the config implies "
                f"{list(shape)}; the weights and the config are not of the same model."
            )
        if kind not in types:
            raise CheckpointError(
                f"{file}: the tensor {name!r} is stored as {kind}; read are {', '.join(types)}."
            )
        # Copy-on-write: OpenVINO shares only arrays that it could write to.
        raw = np.memmap(file, dtype=types[kind], mode="c", offset=start, shape=found)
        if kind == "BF16":
            values = (raw.astype(np.uint32) << 16).view(np.float32)
        else:
            values = np.asarray(raw, dtype=np.float32)
        # A NaN or an infinity survives into the sum, and would into every vector.
        if not np.isfinite(values.sum(dtype=np.float64)):
            raise CheckpointError(
                f"{file}: the tensor {name!r} has a NaN or an infinity in it; the model was saved "
                "after its training had failed, or the file is damaged: download it again."
            )
        return values

    @cached_property
    def sha256(self) -> str:
        """The SHA-256 of the file, or of the SHA-256s of many, as hexadecimal digits."""
        if len(self.files) == 1:
            return sha256(self.files[0])
        digest = hashlib.sha256()
        for path in self.files:
            digest.update(bytes.fromhex(sha256(path)))
        return digest.hexdigest()


def _header(path: Path) -> dict[str, tuple[Path, str, tuple[int, ...], int]]:
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise CheckpointError(f"{path}: this part of the weights is missing; download it again.")
    try:
        pointer = lfs_pointer(path)
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror}).") from None
    if pointer:
        raise CheckpointError(pointer)
    try:
        # The library checks that header and data agree; its own reader knows no bfloat16 in numpy.
        with safe_open(path, framework="numpy"):
            pass
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"{path}: not a whole safetensors file ({error}); it may be cut off: download it again."
        ) from None
    with path.open("rb") as file:
        (size,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(size))
    header.pop("__metadata__", None)
    return {
        name: (path, t["dtype"], tuple(t["shape"]), 8 + size + t["data_offsets"][0])
        for name, t in header.items()
    }

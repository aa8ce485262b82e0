"""Open what a checkpoint names, only inside the checkpoint: JSON, modules, and tensors as float32.

Files are mapped, not read: a float32 tensor costs no copy until it is used.
"""

import hashlib
import json
import mmap
import struct
from collections.abc import Mapping, Sequence
from functools import cache, cached_property
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from sememe.errors import CheckpointError

Array = npt.NDArray[np.float32]

SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"
"""Weights in one file, and the list of those in many."""

_LARGEST = 1e30  # no number of a config becomes infinite in float32
_NUMPY_TYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"}
_INTEGERS = {"I8": "<i1", "I32": "<i4", "I64": "<i8"}


def read_json(path: Path, *, optional: bool = False) -> dict[str, Any]:
    """Read a JSON object; CheckpointError says the file, line and column of what is wrong.

    Without a file it is empty, where that is `optional`.
    """
    if optional and not path.is_file():
        return {}
    content = _load(path)
    if not isinstance(content, dict):
        kind = type(content).__name__
        raise CheckpointError(f"{path}: a JSON object was expected, not a {kind}.")
    return content


class ListedModule(NamedTuple):
    """An entry of modules.json: its type, the type's last name, and its folder."""

    type: object
    kind: str
    folder: Path


def listed_modules(directory: Path) -> list[ListedModule]:
    """What modules.json lists, which must be there; errors as `read_json`'s."""
    path = directory / "modules.json"
    entries = _load(path)
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise CheckpointError(f"{path}: a JSON list of objects was expected.")
    return [
        ListedModule(
            type=entry.get("type"),
            kind=str(entry.get("type", "")).rsplit(".", 1)[-1],
            folder=inside(directory, str(entry.get("path", "")), source=path),
        )
        for entry in entries
    ]


def names_classifier(config: Mapping[str, Any]) -> bool:
    """Whether a config.json says that its model is a Hugging Face sequence classifier."""
    names = config.get("architectures")
    return isinstance(names, list) and str(*names[:1]).endswith("ForSequenceClassification")


def _load(path: Path) -> object:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise CheckpointError(f"{path}, {where}: not valid JSON ({error.msg}).") from None
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: cannot be read ({error}).") from None


def lfs_pointer(path: Path) -> str:
    """What to do where a file is only git-lfs' pointer to the real one; "" where it is not."""
    with path.open("rb") as file:
        if not file.read(40).startswith(b"version https://git-lfs"):
            return ""
    return (
        f"{path} is a git-lfs pointer, not the file itself: run git lfs install, and then git lfs "
        f"pull in {path.parent}."
    )


def sha256(path: Path) -> str:
    """The SHA-256 of a file, as hexadecimal digits; of one that did not change, from memory."""
    stat = path.stat()
    return _sha256(path.resolve(), stat.st_size, stat.st_mtime_ns)


@cache
def _sha256(path: Path, size: int, _changed: int) -> str:
    if not size:  # nothing can be mapped
        return hashlib.sha256().hexdigest()
    # Mapped, it is hashed in one call that lets other threads run; in pieces, each would wait.
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return hashlib.sha256(content).hexdigest()


def inside(directory: Path, name: str, *, source: Path) -> Path:
    """Join a path that a file of the checkpoint names, refusing any that leaves the checkpoint."""
    posix, windows = PurePosixPath(name), PureWindowsPath(name)
    outside = posix.is_absolute() or windows.drive or windows.root or ".." in windows.parts
    if outside or "\0" in name:
        raise CheckpointError(
            f"{source}: the path {name!r} leads out of the checkpoint; it is not followed."
        )
    return directory / posix


class Config:
    """A JSON object of a file, each key checked, each error naming the file and the key."""

    def __init__(self, file: Path | str, values: Mapping[str, Any]) -> None:
        self.file = str(file)
        self.values = values

    def part(self, key: str) -> "Config":
        """The object at a key; an empty one where there is none."""
        values = self.values.get(key) or {}
        if not isinstance(values, dict):
            raise CheckpointError(f"{self.file}: {key} is {values!r}; an object is needed.")
        return Config(f"{self.file}: {key}", values)

    def one_of(self, key: str, choices: Sequence[str], default: str | None) -> Any:
        """One of some names; the default where there is none."""
        value = self.values.get(key) or default
        if value not in (default, *choices):
            raise CheckpointError(
                f"{self.file}: {key} is {value!r}; known are {', '.join(choices) or 'none'}."
            )
        return value

    def size(self, key: str, default: int | None = None) -> int:
        """A positive whole number; one without a default must be there."""
        value = self.values.get(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise CheckpointError(f"{self.file}: {key} is {value!r}; a positive number is needed.")
        return value

    def number(self, key: str, default: float) -> float:
        """A positive number."""
        value = self.values.get(key, default)
        if not isinstance(value, int | float) or not 0 < value < _LARGEST:
            raise CheckpointError(f"{self.file}: {key} is {value!r}; a positive number is needed.")
        return float(value)

    def text(self, key: str, default: str) -> str:
        """A name."""
        return str(self.values.get(key, default))

    def flag(self, key: str) -> bool:
        """Whether something is on; what has no key is off."""
        return bool(self.values.get(key))

    def layers(self, key: str, weights: "Weights", tensor: str) -> int:
        """The number of layers, where there is no `tensor`, a pattern, of one more."""
        count = self.size(key)
        if (more := tensor.format(count)) in weights:
            raise CheckpointError(f"{self.file}: {key} is {count}, but there is a tensor {more!r}.")
        return count

    def must_be(self, key: str, value: object) -> None:
        """Refuse a setting that the graph does not implement."""
        actual = self.values.get(key)
        if actual is not None and actual != value:
            raise CheckpointError(f"{self.file}: {key} is {actual!r}; only {value!r} is read.")

    def must_divide(self, key: str, other: str) -> None:
        """Refuse two sizes that do not go together."""
        if self.size(other) % self.size(key):
            raise CheckpointError(
                f"{self.file}: {other} ({self.size(other)}) is no multiple of "
                f"{key} ({self.size(key)})."
            )


def weight_files(directory: Path) -> list[Path]:
    """The safetensors files of a folder, or those that its index lists; the file itself, of one."""
    if directory.is_file():
        return [directory]
    if (directory / SINGLE).is_file():
        return [directory / SINGLE]
    if not (directory / INDEX).is_file():
        return []
    shards = read_json(directory / INDEX).get("weight_map")
    if not isinstance(shards, dict) or not shards:
        raise CheckpointError(f"{directory / INDEX}: there is no weight_map in it.")
    names = sorted({str(name) for name in shards.values()})
    return [inside(directory, name, source=directory / INDEX) for name in names]


class Weights:
    """The tensors of a module's folder, or of one file, by name; errors name file and tensor."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._entries: dict[str, tuple[Path, str, tuple[int, ...], int]] = {}
        for file in self.files:
            self._entries |= _header(file)

    @cached_property
    def files(self) -> list[Path]:
        """The safetensors files, in the order of their names."""
        files = weight_files(self.directory)
        if files:
            return files
        raise CheckpointError(self._why_none())

    def _why_none(self) -> str:
        pickles = sorted([*self.directory.glob("*.bin"), *self.directory.glob("*.pt")])
        if not pickles:
            return (
                f"{self.directory}: there are no weights (no {SINGLE} and no {INDEX}). Where a "
                "model has only a pickle (pytorch_model.bin), that is neither fetched nor opened."
            )
        config = read_json(self.directory / "config.json", optional=True)
        # SentenceTransformer has no head for scores.
        kind = "CrossEncoder" if names_classifier(config) else "SentenceTransformer"
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
        """What stands before `suffix` in a tensor's name; CheckpointError if none ends with it."""
        prefixes = sorted(n.removesuffix(suffix) for n in self.names if n.endswith(suffix))
        if not prefixes:
            raise CheckpointError(f"{self.files[0]}: there is no tensor {suffix!r}, in any prefix.")
        return prefixes[0]

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
        stored = self.shape(name)
        file, kind, _, start = self._entries[name]
        types = _NUMPY_TYPES | _INTEGERS if integers else _NUMPY_TYPES
        if stored != tuple(shape):
            raise CheckpointError(
                f"{file}: the tensor {name!r} has shape {list(stored)}, but the config implies "
                f"{list(shape)}; the weights and the config are not of the same model."
            )
        if kind not in types:
            raise CheckpointError(
                f"{file}: the tensor {name!r} is stored as {kind}; read are {', '.join(types)}."
            )
        # Copy-on-write: OpenVINO shares only arrays that it could write to.
        raw = np.memmap(file, dtype=types[kind], mode="c", offset=start, shape=stored)
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

"""Teachers: what gives scores or vectors, one or several, by name, as objects or from a file."""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np

from sememe.arguments import shown
from sememe.checkpoint import read
from sememe.costs import warn_of_duration
from sememe.encoders import BiEncoder, CrossEncoder
from sememe.encoders.opening import encoded
from sememe.encoders.stored import vector_column
from sememe.errors import InputError
from sememe.jobs import Job
from sememe.neighbors import as_vectors, normalized
from sememe.tables import read_table
from sememe.training.lessons import Floats, Task

_SHARD = 8192  # texts whose vectors are saved together


@dataclass(frozen=True)
class _Encoders:
    """Several encoders as one: their unit vectors behind each other."""

    encoders: Sequence[Any]

    def encode(self, texts: list[str], *, progress: bool | None = None) -> Floats:
        return np.hstack([normalized(encoded(each, texts, progress)) for each in self.encoders])


@dataclass(frozen=True)
class _CrossEncoders:
    """Several cross-encoders as one: the mean of their logits."""

    scorers: Sequence[CrossEncoder]

    @property
    def fingerprint(self) -> str:
        return "+".join(each.fingerprint for each in self.scorers)

    def score(self, pairs: Any, *, raw: bool = True, progress: bool | None = None) -> Floats:
        scores = [each.score(pairs, raw=raw, progress=progress) for each in self.scorers]
        return np.asarray(np.mean(scores, axis=0), np.float32)


def open_teacher(teacher: Any) -> Any:
    """What has `.score`, what has `.encode`, or vectors, float (n, dim).

    Args:
        teacher: that itself; a model's name; a file of vectors, x.npy or x.parquet with a column
            `vector`; or a list of models, either cross-encoders or encoders.

    Raises:
        InputError: a list of both kinds, or a file that cannot be read.
    """
    models = teacher if isinstance(teacher, list | tuple) else []
    if models and not isinstance(models[0], list | tuple):
        several = [open_teacher(each) for each in teacher]
        if all(isinstance(each, CrossEncoder) for each in several):
            return _CrossEncoders(several)
        if all(callable(getattr(each, "encode", None)) for each in several):
            return _Encoders(several)
        raise InputError(
            "several teachers must all be cross-encoders, or all bi-encoders; vectors made "
            "elsewhere are one teacher, so join them into one array."
        )
    if not isinstance(teacher, str | os.PathLike):
        if isinstance(teacher, type) or not (is_model(teacher) or np.ndim(teacher)):
            raise InputError(
                f"teacher={shown(teacher)} gives neither scores nor vectors: give a model or its "
                "name, vectors, or a file of vectors (x.npy, x.parquet)."
            )
        return teacher if is_model(teacher) else as_vectors(teacher, name="teacher's vectors")
    path = Path(teacher)
    if path.suffix.lower() == ".parquet":
        column = read_table(path).column("vector")
        rows, vectors = vector_column(path, column)
        if len(rows) < len(column):
            missing = next(row for row in range(len(column)) if row not in {*rows})
            raise InputError(f"{path} has no vector in row {missing}: every text needs one.")
        return vectors
    if path.suffix.lower() != ".npy":
        return (CrossEncoder if read(teacher).scoring else BiEncoder)(teacher)
    if not path.is_file():
        raise InputError(f"there is no file {path}")
    try:
        vectors = np.load(path)
    except (OSError, ValueError):
        raise InputError(
            f"{path} cannot be read: give an array of numbers, as numpy.save writes it."
        ) from None
    return as_vectors(vectors, name=f"vectors of {path}")


def is_model(teacher: Any) -> bool:
    """Whether it scores pairs or encodes texts."""
    return any(callable(getattr(teacher, name, None)) for name in ("score", "encode"))


def identity(teacher: Any) -> str:
    """By which an interrupted run knows its teacher again."""
    if isinstance(teacher, np.ndarray):
        return blake2b(np.ascontiguousarray(teacher).tobytes(), digest_size=16).hexdigest()
    several = getattr(teacher, "encoders", [teacher])
    return "+".join(getattr(each, "fingerprint", type(each).__name__) for each in several)


def teacher_vectors(task: Task, dim: int | None) -> tuple[Floats, Floats]:
    """Unit vectors, float32 (n, size), of the texts that teach, and of those held out.

    Raises:
        InputError: vectors of another number of rows, with a NaN, all alike, or shorter than `dim`.
        JobError: they cannot be kept, as on a full disk.
    """
    teacher = task.teacher
    if callable(getattr(teacher, "encode", None)):
        encode = partial(encoded, teacher, progress=task.progress)
        vectors = kept_vectors(encode, task.texts + task.held, task.job)
    else:
        if len(teacher) != len(task.passed):
            raise InputError(
                f"the teacher has {len(teacher):,} vectors, and there are {len(task.passed):,} "
                "texts: give one vector a text, in their order."
            )
        vectors = teacher[np.concatenate(task.rows)]
    if np.ptp(vectors, axis=0).max() < 1e-6:
        raise InputError("the teacher gives every text the same vector: there is nothing to learn.")
    check_dim(dim, vectors.shape[1])
    first, second = np.split(normalized(vectors), [len(task.rows[0])])
    return first, second


def check_dim(dim: int | None, size: int) -> None:
    """Raise InputError for a student's size that is more than its teacher's."""
    if dim is not None and dim > size:
        raise InputError(f"dim={dim}: the teacher's vectors have {size} components.")


def kept_vectors(encode: Callable[[list[str]], Any], texts: list[str], job: Job) -> Floats:
    """Vectors, float32 (n, dim), of which every shard is kept as soon as it is there."""
    parts = [texts[start : start + _SHARD] for start in range(0, len(texts), _SHARD)]
    began = time.monotonic()
    for number, part in enumerate(parts):
        if job.has(number, part):
            continue
        vectors = as_vectors(encode(part), name="encoder's vectors")
        if len(vectors) != len(part):
            raise InputError(f"the encoder gave {len(vectors):,} vectors for {len(part):,} texts.")
        job.write(number, part, ".npy", partial(np.save, arr=vectors))
        if number == 0:
            seconds = (time.monotonic() - began) * (len(texts) / len(part) - 1)
            warn_of_duration(f"{len(texts):,} vectors", seconds)
    return np.concatenate([np.load(path) for path in job.finish(len(parts))])

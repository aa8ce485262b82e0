"""Distil: a teacher's judgement in a student's vectors, from texts alone, in closed form.

From a cross-encoder: the map that a cascade fits to its scores becomes part of the student's own
checkpoint. From an encoder, or from vectors made elsewhere: a static student, a vector a token.
Both are judged on texts that taught nothing, and neither needs torch.
"""

import json
import os
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sememe.arguments import one_of, shown, whole_number
from sememe.cascade import Cascade, teach
from sememe.cascade.scores import Reader
from sememe.checkpoint import DEFAULT_MODEL, Checkpoint, read, write
from sememe.checkpoint.modules import Dense, Normalize
from sememe.checkpoint.write import check_target, new_folder
from sememe.costs import Budget
from sememe.encoders import BiEncoder, CrossEncoder
from sememe.encoders.opening import as_encoder, encoded
from sememe.encoders.vocabulary import Vocabulary
from sememe.errors import CostWarning, InputError
from sememe.evaluation.measures import Measurement
from sememe.evaluation.metrics import spearman
from sememe.evaluation.outcome import (
    ON_REQUEST,
    Choice,
    History,
    Outcome,
    report_choices,
    write_outcome,
)
from sememe.neighbors import as_vectors, nearest, normalized, self_join
from sememe.neighbors.communities import neighborhood_size
from sememe.protocols import Encoder, Scorer
from sememe.text import check_texts
from sememe.training.static_student import (
    fit_tokens,
    frequency_weights,
    principal_axes,
    student_vectors,
)

Floats = NDArray[np.float32]
Rows = NDArray[np.int64]

HOWS = ("auto", "map", "static")

_FEWEST = 200
_HELD_OUT, _MOST_HELD_OUT = 0.1, 2000
_NEAREST = 3  # neighbours of each text held out that a cross-encoder judges
_TOKENS_READ = 512
_WORDS = ("by the student", "by the same vectors untaught", "what you had")


def distill(
    texts: Sequence[str],
    output: str | os.PathLike[str],
    *,
    teacher: Encoder | Scorer | str | os.PathLike[str] | Floats,
    student: BiEncoder | str | os.PathLike[str] = DEFAULT_MODEL,
    how: str = "auto",
    budget: Budget | str | int = "3n",
    dim: int | None = None,
    seed: int = 0,
    progress: bool | None = None,
) -> Outcome:
    """Give a student a teacher's judgement, from texts without labels, in a minute or so.

    A tenth of the texts, 2,000 at the most, teaches nothing: on pairs of these the student's
    cosines are compared with the teacher's judgement, beside those of the student before.

    Args:
        texts: at least 200 different ones, such as the student will read.
        output: a new or empty folder for the student, which `BiEncoder` and sentence-transformers
            open; training.json there says how good it is.
        teacher: a cross-encoder or anything with `.score(pairs)`; a bi-encoder or anything with
            `.encode(texts)`; the name of either; or vectors, float (n, size), a row a text.
        student: the bi-encoder that learns. A static student takes its tokens.
        how: "map", from a cross-encoder: the student, and a Dense module behind it that moves its
            vectors (docs/cascade.md has the method; its trust in the teacher decides whether there
            is a student at all). "static", from vectors: a mean of token vectors, hundreds of
            times as fast as a transformer, fitted by least squares; the layout is model2vec's.
            "auto" goes by the teacher.
        budget: how many pairs the cross-encoder may read: "3n", a number, a time, or "all".
        dim: the size of a static student's vectors; None is the teacher's.
        seed: of which texts are held out.
        progress: as everywhere.

    Returns:
        Outcome: its `verdict`, Spearman's correlation with the teacher `before` and `after`, with
        95 % intervals, and their paired `comparison`.

    Raises:
        InputError: too few texts, a teacher that cannot teach (it gives NaN, a constant, or is not
            trusted), an option that does not fit; nothing is written.
        CheckpointError: the student cannot be written, as on a full disk.

    Example:
        >>> done = distill(texts, "my-student", teacher="my-cross-encoder")   # doctest: +SKIP
        >>> print(done.verdict)                                               # doctest: +SKIP
        Better: Spearman with the teacher 81.2 (79.0 to 83.1) by the student, 70.3 (67.6 to 72.8) …
    """
    one_of("how", how, HOWS)
    target = check_target(output)
    texts, source = check_texts(texts), _opened(teacher)
    scores = callable(getattr(source, "score", None))
    way = ("map" if scores else "static") if how == "auto" else how
    if (way == "map") != scores:
        raise InputError(
            f"how={how!r} does not fit this teacher: a map is taught by scores (a cross-encoder), "
            "a static student by vectors (a bi-encoder)."
        )
    if dim is not None:
        whole_number("dim", dim)
        if way == "map":
            raise InputError(f"dim={dim}: a map keeps the student's size; leave dim= out.")
    lessons = _Texts.split(texts, seed)
    encoder = as_encoder(student)
    if not isinstance(encoder, BiEncoder):
        raise InputError(f"student={shown(student)} is no BiEncoder, whose checkpoint is needed.")
    if way == "map" and (encoder.engine == "static" or encoder._checkpoint.truncate_dim):
        raise InputError(
            f"{encoder.model} is static, or cuts its vectors: it has no place for a map behind it. "
            "Give a transformer whose vectors are whole."
        )
    if way == "map":
        result = _map(lessons, source, encoder, budget, progress)
    else:
        result = _static(lessons, source, encoder, dim, progress)
    why = ON_REQUEST if way == how else f"the teacher gives {'scores' if scores else 'vectors'}"
    choices = [Choice("how", way, why), *result.choices]
    report_choices(choices)
    title = f"{Path(encoder.model).name}, taught from {len(lessons.train):,} texts"
    outcome = Outcome(
        target, title, choices, encoder.precision, History(), result.before, result.after,
        words=_WORDS, sample="held out",
    )  # fmt: skip
    with new_folder(target) as folder:
        result.write(folder)
        write_outcome(outcome, folder)
    return outcome


@dataclass(frozen=True)
class _Texts:
    """Different texts: those that teach, and those held out, as rows of what the user passed."""

    texts: list[str]
    train: Rows
    held: Rows

    @classmethod
    def split(cls, texts: list[str], seed: int) -> "_Texts":
        first = {text: row for row, text in reversed(list(enumerate(texts))) if text.strip()}
        rows = np.array(sorted(first.values()), np.int64)
        if len(rows) < _FEWEST:
            raise InputError(
                f"{len(rows)} different texts are too few to distil from: give at least {_FEWEST}, "
                "and better some thousands, such as the student will read."
            )
        rows = np.random.default_rng(seed).permutation(rows)
        held = min(_MOST_HELD_OUT, round(_HELD_OUT * len(rows)))
        return cls(texts, np.sort(rows[held:]), np.sort(rows[:held]))

    def of(self, rows: Rows) -> list[str]:
        return [self.texts[row] for row in rows]


@dataclass(frozen=True)
class _Result:
    """A student that can be written, and how it agrees with the teacher, before and after."""

    before: Measurement
    after: Measurement
    choices: list[Choice]
    write: Callable[[Path], None]


def _map(
    lessons: _Texts, teacher: Scorer, student: BiEncoder, budget: Any, progress: bool | None
) -> _Result:
    """The student's own checkpoint with the cascade's map behind it."""
    vectors, held = (
        normalized(np.asarray(encoded(student, lessons.of(rows), progress), np.float32))
        for rows in (lessons.train, lessons.held)
    )
    neighbors = self_join(vectors, neighborhood_size(len(vectors)), progress)
    cascade = teach(lessons.of(lessons.train), vectors, neighbors, teacher, budget, progress)
    if cascade.map is None:
        raise InputError(f"There is no student. {cascade.report.why}")
    first, second = _pairs(held)
    reader = Reader(teacher, lessons.of(lessons.held), Budget.parse("all"), len(first), progress)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CostWarning)  # of a tenth of what was said already
        judgement = reader.read(first, second)
    checkpoint = student._checkpoint

    def save(folder: Path) -> None:
        _write_map(checkpoint, cascade, folder)

    moved = cascade.map.move(held)
    before, after = (
        _fidelity((each[first] * each[second]).sum(1), judgement) for each in (held, moved)
    )
    return _Result(before, after, [Choice("trust", "yes", cascade.report.why)], save)


def _write_map(checkpoint: Checkpoint, cascade: Cascade, folder: Path) -> None:
    """Normalize, Dense and Normalize behind the student's own modules: one matrix, and a bias.

    `LinearMap.move` normalises before it multiplies; only the length of a product depends on that,
    and the last module normalises.
    """
    linear_map = cascade.map
    assert linear_map is not None
    size = len(linear_map.mean)
    place = Path("map")
    dense = Dense(place, size, size, True, "Identity")
    head = [*checkpoint.head]
    if not head or not isinstance(head[-1], Normalize):
        head.append(Normalize())
    changed = replace(checkpoint, head=(*head, dense, Normalize()))
    tensors = {
        "linear.weight": linear_map.root,
        "linear.bias": -(linear_map.root @ linear_map.mean),
    }
    write(changed, folder, {place: tensors})


def _static(
    lessons: _Texts,
    teacher: Encoder | Floats,
    student: BiEncoder,
    dim: int | None,
    progress: bool | None,
) -> _Result:
    """A table of token vectors, in model2vec's layout."""
    train, held = (
        _targets(teacher, lessons, rows, progress) for rows in (lessons.train, lessons.held)
    )
    if dim is not None and dim > train.shape[1]:
        raise InputError(f"dim={dim}: the teacher's vectors have {train.shape[1]} components.")
    vocabulary = Vocabulary(student)
    start = vocabulary.vectors() * frequency_weights(vocabulary.size)[:, None]
    if vocabulary.unknown is not None:
        start[vocabulary.unknown] = 0
    shares = vocabulary.shares(lessons.of(lessons.train))
    table = fit_tokens(shares, start, train)
    if dim is not None:
        table = table @ principal_axes(student_vectors(shares, table), dim)
    held_shares = vocabulary.shares(lessons.of(lessons.held))
    first, second = _pairs(held)
    judgement = (held[first] * held[second]).sum(1)
    before, after = (
        _fidelity((each[first] * each[second]).sum(1), judgement)
        for each in (student_vectors(held_shares, start), student_vectors(held_shares, table))
    )

    def save(folder: Path) -> None:
        _write_static(folder, vocabulary, table, student.model)

    size = Choice("dim", table.shape[1], "the teacher's" if dim is None else ON_REQUEST)
    return _Result(before, after, [size], save)


def _write_static(folder: Path, vocabulary: Vocabulary, table: Floats, student: str) -> None:
    from safetensors.numpy import save_file

    folder.mkdir()
    tensors = {"embeddings": np.ascontiguousarray(table)}
    if vocabulary.has_gaps:  # model2vec takes the number of tokens for the highest id
        tensors["mapping"] = np.arange(vocabulary.size)
    save_file(tensors, folder / "model.safetensors")
    vocabulary.tokenizer.save(str(folder / "tokenizer.json"))
    config = {
        "model_type": "model2vec", "architectures": ["StaticModel"], "tokenizer_name": student,
        "hidden_dim": table.shape[1], "seq_length": _TOKENS_READ, "max_length": _TOKENS_READ,
        "normalize": True,
    }  # fmt: skip
    kinds = {".": "StaticEmbedding", "1_Normalize": "Normalize"}
    modules = [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for i, (path, kind) in enumerate(kinds.items())
    ]
    for name, content in (("config.json", config), ("modules.json", modules)):
        (folder / name).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    (folder / "1_Normalize").mkdir()


def _opened(teacher: Any) -> Any:
    """A teacher by its name: a cross-encoder, or a bi-encoder."""
    if isinstance(teacher, str | os.PathLike):
        return (CrossEncoder if read(teacher).scoring else BiEncoder)(teacher)
    return teacher


def _targets(teacher: Any, lessons: _Texts, rows: Rows, progress: Any) -> Floats:
    """The teacher's unit vectors of some texts."""
    if callable(getattr(teacher, "encode", None)):
        vectors = as_vectors(encoded(teacher, lessons.of(rows), progress), name="teacher's vectors")
    else:
        vectors = as_vectors(teacher, name="teacher")
        if len(vectors) != len(lessons.texts):
            raise InputError(
                f"teacher holds {len(vectors):,} vectors for {len(lessons.texts):,} texts: give a "
                "row a text."
            )
        vectors = vectors[rows]
    if np.ptp(vectors, axis=0).max() < 1e-6:
        raise InputError("the teacher gives every text the same vector: there is nothing to learn.")
    return normalized(vectors)


def _pairs(vectors: Floats) -> tuple[Rows, Rows]:
    """Pairs of rows to judge by: of each the nearest others, and as many at random."""
    others = nearest(vectors, _NEAREST).indices.astype(np.int64)
    first = np.repeat(np.arange(len(vectors)), _NEAREST)
    steps = np.random.default_rng(0).integers(1, len(vectors), len(first))
    random = (first + steps) % len(vectors)
    return np.concatenate([first, first]), np.concatenate([others.ravel(), random])


def _fidelity(cosines: Any, judgement: Any) -> Measurement:
    if np.ptp(judgement) == 0:
        raise InputError("the teacher judges all pairs alike: there is nothing to learn from it.")
    return Measurement("Spearman with the teacher", spearman, cosines, (judgement,))

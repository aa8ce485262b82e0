"""What a student learns from, and what it is judged by: texts held out, and their teacher's word.

That a student agrees with its teacher is *fidelity*; whether it is better, only labels say.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sememe.cascade import CascadeReport, LinearMap
from sememe.cascade.report import UNMOVED
from sememe.checkpoint import Checkpoint, write
from sememe.checkpoint.modules import Dense, Normalize
from sememe.costs import Budget, duration
from sememe.data import Examples, load
from sememe.encoders import BiEncoder
from sememe.errors import InputError, SememeWarning, warn
from sememe.evaluation.measures import Measurement, measure_bi, measure_cross
from sememe.evaluation.outcome import Choice, History
from sememe.evaluation.systems import EncoderSystem
from sememe.jobs import Job
from sememe.neighbors import nearest
from sememe.protocols import Encoder

Floats = NDArray[np.float32]
Rows = NDArray[np.int64]

_FEWEST = 200
_HELD_OUT, _MOST_HELD_OUT = 0.1, 2000
NEAREST = 3  # neighbours of each text held out that the teacher judges, and others at random
_TIMED = 200  # texts that tell how fast an encoder is
_TIE = 1e-6  # two judgements that lie no farther apart have no order
_DOUBTS = {"not better": "it may do harm", "perhaps better": "these labels do not tell them apart"}


def split(texts: list[str], seed: int, kind: str = "texts") -> tuple[Rows, Rows]:
    """The rows of different texts: of those that teach, and of those held out, a tenth.

    Raises:
        InputError: fewer than 200 different texts, which the message calls `kind`.
    """
    first = {text: row for row, text in reversed(list(enumerate(texts))) if text.strip()}
    rows = np.array(sorted(first.values()), np.int64)
    if len(rows) < _FEWEST:
        raise InputError(
            f"Distilling needs at least {_FEWEST} different {kind}, and better some thousands, "
            f"such as the student will read; there are {len(rows)}."
        )
    rows = np.random.default_rng(seed).permutation(rows)
    held = min(_MOST_HELD_OUT, round(_HELD_OUT * len(rows)))
    return np.sort(rows[held:]), np.sort(rows[:held])


@dataclass(frozen=True)
class Task:
    """Who teaches whom, from which texts.

    Attributes:
        passed: the texts as the user passed them; of a search, the queries.
        rows: of different ones: those that teach, and those held out.
        teacher: what has `.score(pairs)` or `.encode(texts)`, or vectors, float (n, dim).
        student: the bi-encoder that learns, or whose tokens are taken.
        job: where the teacher's vectors and the state of training are kept.
        budget: how many pairs a cross-encoder may read, or how long training may take.
        corpus: of a search, what the queries are asked of; else None.
    """

    passed: list[str]
    rows: tuple[Rows, Rows]
    teacher: Any
    student: BiEncoder
    job: Job
    budget: Budget
    seed: int
    progress: bool | None
    corpus: list[str] | None = None

    @property
    def texts(self) -> list[str]:
        """Those that teach."""
        return [self.passed[row] for row in self.rows[0]]

    @property
    def held(self) -> list[str]:
        """Those held out."""
        return [self.passed[row] for row in self.rows[1]]

    @property
    def opening(self) -> dict[str, Any]:
        """How the student was opened, as far as that fits others of its architecture."""
        return {name: self.student._arguments[name] for name in ("device", "trust_remote_code")}

    @property
    def checkpoint(self) -> Checkpoint:
        """The student's, with the pooling that it was opened with."""
        student = self.student
        return replace(student._checkpoint, pooling=student._pooling, scoring=None)


@dataclass(frozen=True)
class Student:
    """A student that can be written.

    Attributes:
        before: the encoder that it was before it was taught.
        write: writes it to a new folder.
        exam: pairs of texts held out, with the teacher's judgement.
        precision: what training computed in.
    """

    before: Encoder
    choices: list[Choice]
    write: Callable[[Path], None]
    exam: Examples
    history: History = field(default_factory=History)
    precision: str = "f32"


def exam(
    texts: Sequence[str], vectors: Floats, judge: Callable[[Rows, Rows], Any], queries: int = 0
) -> Examples:
    """Scored pairs of texts held out: of each its nearest others, and as many at random.

    Args:
        texts: n texts.
        vectors: float32 (n, dim), by which they are near.
        judge: the teacher's judgement of pairs of rows.
        queries: how many, from the first, are queries, which are paired with the rest; 0 for none.

    Raises:
        InputError: the teacher judges all of them alike.
    """
    others = vectors[queries:]
    neighbors = nearest(
        others, min(NEAREST, len(others) - 1), queries=vectors[:queries] if queries else None
    ).indices.astype(np.int64)
    first = np.repeat(np.arange(len(neighbors)), neighbors.shape[1])
    steps = np.random.default_rng(0).integers(1, len(others), len(first))
    second = np.concatenate([neighbors.ravel(), (first + steps) % len(others)])
    pairs = np.stack([np.tile(first, 2), second + queries])
    if not queries:
        pairs.sort(axis=0)
    first, second = np.unique(pairs, axis=1)  # a pair that counts twice would look like evidence
    judgement = np.asarray(judge(first, second), np.float64)
    low, spread = judgement.min(), np.ptp(judgement)
    if spread < _TIE:
        raise InputError(
            "the teacher gives all pairs of the texts held out one score: it has nothing to teach."
        )
    one, other = ([texts[row] for row in rows.tolist()] for rows in (first, second))
    scores = ((judgement - low) / spread).tolist()
    return load({"sentence1": one, "sentence2": other, "score": scores})


def trust_choices(report: CascadeReport, value: str, pairs: int, seconds: float) -> list[Choice]:
    """Why a cross-encoder teaches, and what that cost."""
    return [
        Choice("trust", value, report.why.partition(": ")[2].rstrip(".")),
        Choice("pairs", f"{pairs:,}", f"read by the teacher, in {duration(seconds)}"),
    ]


def no_student(report: CascadeReport, remedy: str) -> InputError:
    """That a cross-encoder teaches nobody, why, and what to do."""
    reason = report.why.removesuffix(UNMOVED).strip()
    return InputError(f"There is no student. {reason} {remedy}")


def cosines_of(vectors: Floats) -> Callable[[Rows, Rows], Any]:
    """The judgement of a teacher whose unit vectors, float32 (n, dim), these are."""
    return lambda first, second: (vectors[first] * vectors[second]).sum(1)


def fidelity(examples: Examples, student: Encoder) -> Measurement:
    """Spearman's correlation of a student's cosines with its teacher's judgement."""
    measured = measure_bi(examples, EncoderSystem(student).vectors)
    assert measured.details is not None
    meaning = f"{measured.details.meaning}; right is what the teacher says"
    details = replace(measured.details, meaning=meaning)
    return replace(measured, metric="Spearman with the teacher", details=details)


def _order(measured: Measurement, judgement: Floats) -> Measurement:
    """How often a student puts two pairs, drawn at random, into its teacher's order."""
    places = measured.values
    other = np.random.default_rng(0).permutation(len(places))
    gaps = judgement - judgement[other]
    agrees = (places - places[other]) * gaps > 0
    return Measurement("pairs in the teacher's order", np.mean, agrees[np.abs(gaps) > _TIE] * 1.0)


def figures(exam: Examples, gold: Examples | None, student: Any) -> list[Measurement]:
    """A student's figures on labels, if there are some, and how well it agrees with its teacher."""
    agreement = fidelity(exam, student)
    labelled = [] if gold is None else [_on(gold, student)]
    return [*labelled, agreement, _order(agreement, np.asarray(exam.targets))]


def _on(gold: Examples, encoder: Any) -> Measurement:
    """An encoder's figure, with its prompts where the columns tell queries from documents."""
    query = document = EncoderSystem(encoder).vectors
    if gold.columns[0] in ("anchor", "query"):
        query, document = partial(query, role="query"), partial(document, role="document")
    return measure_bi(gold, query, gold.positive_label, document)


def speed(student: BiEncoder, teacher: Any, texts: list[str]) -> Choice:
    """How many texts a second a student encodes; it has encoded some, so that it is warm."""

    def measured(encoder: Any) -> str:
        began = time.perf_counter()
        encoder.encode(texts[:_TIMED])
        return f"{len(texts[:_TIMED]) / (time.perf_counter() - began):,.0f} texts a second"

    why = "of those held out, on this machine"
    if callable(getattr(teacher, "encode", None)):
        why += f"; by the teacher {measured(teacher)}"
    return Choice("speed", measured(student), why)


def teacher_on(gold: Examples, teacher: Any, student: BiEncoder) -> tuple[Measurement | None, bool]:
    """What the teacher reaches on labels, and whether that is more than the student does.

    It need not be surely more: whether the student got better is tested in the end.
    """
    if callable(getattr(teacher, "encode", None)):
        figure = _on(gold, teacher)
    elif callable(getattr(teacher, "score", None)) and gold.kind != "labelled texts":
        figure = measure_cross(
            gold, lambda pairs: np.asarray(teacher.score(pairs))[:, None], gold.positive_label
        )
    else:
        return None, False
    judgement = praise(figure, _on(gold, student), "the student before")
    if doubt := _DOUBTS.get(judgement.value):
        warn(
            f"On {gold.name} the teacher is {judgement.value} {judgement.why}; {doubt}.",
            SememeWarning,
        )
    return figure, judgement.value in ("better", "perhaps better")


def praise(teacher: Measurement, student: Measurement, name: str) -> Choice:
    """Whether the teacher is better than a student, where both have the same figure."""
    figures = f"{teacher.metric} {100 * teacher.value:.1f}"
    if teacher.metric != student.metric or len(teacher.values) != len(student.values):
        other = f"{student.metric} {100 * student.value:.1f}"
        return Choice("teacher", "not compared", f"it has {figures}, and {name} has {other}")
    comparison = teacher.against(student)
    word = "not better" if comparison.difference <= 0 else "perhaps better"
    word = "better" if comparison.low > 0 else word
    return Choice("teacher", word, f"than {name}: {figures} against {100 * student.value:.1f}")


def write_with_dense(
    checkpoint: Checkpoint,
    folder: Path,
    weight: Floats,
    bias: Floats | None = None,
    tensors: Mapping[Path, Any] | None = None,
) -> None:
    """Write a checkpoint whose vectors a matrix moves: with Dense and Normalize behind the rest.

    Args:
        checkpoint: the bi-encoder.
        folder: a new one.
        weight: float32 (dim out, dim in), what vectors of unit length are multiplied by.
        bias: float32 (dim out,).
        tensors: other weights, as `checkpoint.write` takes them.
    """
    place, head = Path("dense"), [*checkpoint.head]
    if not checkpoint.normalized:
        head.append(Normalize())
    layer = {"linear.weight": np.ascontiguousarray(weight, np.float32)}
    if bias is not None:
        layer["linear.bias"] = bias
    dense = Dense(place, weight.shape[1], len(weight), bias is not None, "Identity")
    changed = replace(checkpoint, head=(*head, dense, Normalize()))
    write(changed, folder, {**(tensors or {}), place: layer})


def write_map(checkpoint: Checkpoint, folder: Path, linear_map: LinearMap) -> None:
    """Write a checkpoint whose vectors a cascade's map moves.

    `LinearMap.move` normalises before it multiplies; only the length of a product depends on that.
    """
    root = linear_map.root
    write_with_dense(checkpoint, folder, root, -(root @ linear_map.mean))

"""What there is to choose from: everything installed and cached, everything named, and its uses.

A candidate is a model with a way of using it: a precision, a size of vectors, a pooling, words
beside it, a cross-encoder behind it. Candidates with one encoder share its vectors.
"""

import math
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from itertools import cycle, islice, pairwise
from math import prod
from typing import Any

import numpy as np

from sememe.arguments import shown
from sememe.checkpoint import DEFAULT_MODEL, Checkpoint, read
from sememe.checkpoint.pull import installed_models
from sememe.costs import Speed
from sememe.encoders import BiEncoder, CrossEncoder
from sememe.engines import find_ranges
from sememe.engines.processor import multiplies_bf16, multiplies_int8
from sememe.errors import InputError, reason
from sememe.evaluation.flow import named_models
from sememe.evaluation.kinds import Measurements, Task
from sememe.evaluation.systems import EncoderSystem, ScorerSystem, name_of
from sememe.neighbors.exact import comparison_seconds
from sememe.selection.sample import Work
from sememe.selection.systems import DEPTH, RERANKED, Hybrid, Part, Reranked, Taught, Words
from sememe.selection.tuning import TUNED, TunedClassifier, TunedEncoder

Model = Any
"""A name, a folder, what has `encode(texts)`, or what has `score(pairs)`."""

_SIZES = (128, 64)  # to which vectors are cut
_POOLINGS = ("mean", "cls", "max")
_BUDGETS = ("1n", "3n")
_BYTES = {"f32": 4, "bf16": 2, "f16": 2, "int8": 1}  # of a weight
_CALLS = 30
_FEWEST_TIMED, _MOST_TIMED, _TIMED_SECONDS = 128, 4096, 1.0


class Models:
    """Encoders and cross-encoders, each opened once, as systems that keep what they computed."""

    def __init__(self) -> None:
        self._systems: dict[tuple[Any, ...], Any] = {}

    def encoder(self, model: Model, **options: Any) -> EncoderSystem:
        """Of a name or folder, with options of `BiEncoder`, or of what has `encode(texts)`."""
        system: EncoderSystem = self._opened(EncoderSystem, BiEncoder, model, options)
        return system

    def scorer(self, model: Model) -> ScorerSystem:
        """Of a name or folder, or of what has `score(pairs)`."""
        system: ScorerSystem = self._opened(ScorerSystem, CrossEncoder, model, {})
        return system

    def _opened(self, system: Any, opener: Any, model: Model, options: dict[str, Any]) -> Any:
        is_name = isinstance(model, str | os.PathLike)
        # By its name, or by itself, which may not be hashable.
        key = system, os.fspath(model) if is_name else id(model), *sorted(options.items())
        if key not in self._systems:
            opened = opener(model, **options) if is_name else model
            self._systems[key] = system(opened, name_of(model))
        return self._systems[key]


@dataclass(frozen=True, eq=False)
class Candidate:
    """A model with a way of using it; nothing is opened before it is needed.

    Attributes:
        name: as people read it.
        kind: static encoder, bi-encoder, regular transformer, cross-encoder, cascade, words,
            hybrid.
        family: candidates that differ in precision only are one.
        open_encoder, open_scorer: what it consists of.
        part: which components of the encoder's vectors are this one's; None for all.
        budget: of a cascade that teaches, pairs a text; "" reranks.
        how: how it learns from the sample: tuned, few-shot or fine-tune; "" not at all.
        model, options: what `BiEncoder` was given, as the verdict's code shows it.
        cross: what `CrossEncoder` was given.
    """

    name: str
    kind: str
    family: str
    open_encoder: Callable[[], EncoderSystem] | None = None
    open_scorer: Callable[[], ScorerSystem] | None = None
    part: slice | None = None
    budget: str = ""
    how: str = ""
    model: Model = ""
    options: dict[str, Any] = field(default_factory=dict)
    cross: Model = ""

    @cached_property
    def encoder(self) -> EncoderSystem | None:
        """The encoder, opened; None without one."""
        return None if self.open_encoder is None else self.open_encoder()

    @cached_property
    def scorer(self) -> ScorerSystem | None:
        """The cross-encoder, opened; None without one."""
        return None if self.open_scorer is None else self.open_scorer()

    @cached_property
    def system(self) -> Any:
        """A `System`, as far as it is for this work."""
        if self.encoder is None:
            return Words() if self.scorer is None else self.scorer
        system = self.encoder
        if self.part is not None:
            system = Part(self.name, self.encoder, self.part)
        if self.how in TUNED["classify"]:
            return TunedClassifier(self.name, self.model, self.how)
        if self.kind == "hybrid":
            return Hybrid(self.name, system)
        if self.scorer is None:
            return system
        if self.budget:
            return Taught(self.name, self.encoder, self.scorer, self.budget)
        return Reranked(self.name, system, self.scorer)

    def measure(self, task: Task) -> Measurements:
        """Its figures on labelled items, which it may learn from."""
        if self.how in TUNED["pairs"]:
            return task.measure(TunedEncoder(self.name, self.model, task))  # type: ignore[arg-type]
        return task.measure(self.system)

    @property
    def size(self) -> int | None:
        """To how many components the vectors are cut; None where they are not."""
        return None if self.part is None or "pooling" in self.options else self.part.stop

    @cached_property
    def fingerprint(self) -> str:
        """What its measurements are kept under; "" where something has no fingerprint."""
        models = self.models
        parts = [str(getattr(model, "fingerprint", "")) for model in models]
        if not all(parts):
            return ""
        return " ".join([*parts, self.kind, str(self.part), self.budget, self.how])

    @property
    def bytes(self) -> int:
        """What its weights take in memory; 0 where that is not known."""
        return sum(map(_weight_bytes, self.models))

    @property
    def dim(self) -> int:
        """Components of a stored vector; 0 without vectors."""
        if self.encoder is None:
            return 0
        vectors = self.encoder.vectors(["the size of a vector"])[:, self.part or slice(None)]
        return int(vectors.shape[1])

    @property
    def models(self) -> list[Any]:
        """The encoders and cross-encoders themselves."""
        encoder = [] if self.encoder is None else [self.encoder.encoder]
        return encoder + ([] if self.scorer is None else [self.scorer.scorer])


def _weight_bytes(model: Any) -> int:
    checkpoint = getattr(model, "_checkpoint", None)
    if checkpoint is None:
        return 0
    weights = checkpoint.weights
    numbers = sum(prod(weights.shape(name)) for name in weights.names)
    return int(numbers * _BYTES.get(model.precision, 4))


def candidates_for(
    work: Work,
    models: Model | Iterable[Model],
    pool: Models,
    *,
    installed: bool = True,
    train: bool = False,
) -> tuple[list[Candidate], dict[str, str]]:
    """The candidates for a kind of work, and why some models are none, by name.

    Args:
        work: search, cluster, pairs or classify.
        models: one, several, or a dict that names them: names, folders, `.encode`, `.score`.
        pool: where they are opened.
        installed: also all models that are installed and cached.
        train: for pairs and classes, also encoders that are tuned, which takes minutes each.
    """
    failures: dict[str, str] = {}
    named = named_models(models)
    if installed:
        for model in installed_models():
            if model.checkpoint is None:
                failures[model.name] = model.problem
            elif model.name not in [each for _, each in named]:
                named.append((None, model.name))
    candidates: list[Candidate] = []
    crosses: list[tuple[str, Model]] = []
    names: list[str] = []
    for given_name, model in named:
        names.append(given_name or name_of(model))
        copies = names.count(names[-1])  # two objects may be of one type
        name = names[-1] + f" ({copies})" * (copies > 1)
        try:
            if _is_cross(model):
                crosses.append((name, model))
            else:
                candidates += _uses(work, name, model, pool, train)
        except Exception as error:  # reported; the others go on
            failures[name] = reason(error)
    base = _base(candidates)
    candidates += _with_words(work, base)
    for name, cross in crosses:
        candidates += _with_cross(work, base, name, cross, pool)
    return candidates, failures


def _is_cross(model: Model) -> bool:
    if isinstance(model, str | os.PathLike):
        return read(model).kind == "cross-encoder"
    is_encoder = callable(getattr(model, "encode", None))
    if not is_encoder and not callable(getattr(model, "score", None)):
        raise InputError(f"{shown(model)} has neither encode(texts) nor score(pairs)")
    return not is_encoder


def _uses(work: Work, name: str, model: Model, pool: Models, train: bool) -> Iterator[Candidate]:
    """An encoder under each precision, size or pooling."""
    if not isinstance(model, str | os.PathLike):
        options = {"precision": model.precision} if isinstance(model, BiEncoder) else {}
        yield Candidate(
            name, "bi-encoder", name, partial(pool.encoder, model), model=model, options=options
        )
        return
    checkpoint = read(model)

    def using(detail: str, family: str, part: slice | None = None, **options: Any) -> Candidate:
        opened = options
        if "pooling" in options:  # all poolings are of one pass over the texts
            opened = {"pooling": "+".join(_POOLINGS)}
        encoder = partial(pool.encoder, model, **opened)
        full_name = f"{name}, {detail}" if detail else name
        return Candidate(full_name, checkpoint.kind, family, encoder, part=part, model=model,
                         options=options)  # fmt: skip

    def tuned(part: slice | None = None, **options: str) -> Iterator[Candidate]:
        for how in TUNED.get(work, ()) if train else ():
            yield replace(using(how, f"{name} {how}", part, **options), how=how)

    if checkpoint.kind == "static encoder":
        yield using("", name)
        return
    if checkpoint.kind == "regular transformer":
        size = checkpoint.hidden_size
        for at, pooling in enumerate(_POOLINGS):
            part = slice(at * size, (at + 1) * size)
            yield using(f"{pooling}-pooled", f"{name} {pooling}", part, pooling=pooling)
        yield from tuned(slice(0, size), pooling=_POOLINGS[0])
        return
    precisions = available_precisions(checkpoint)
    for precision in precisions:
        yield using(precision, name, precision=precision)
    fastest = precisions[0]
    for size in _SIZES:
        if size < checkpoint.hidden_size:
            detail, family = f"{fastest}, {size} components", f"{name} {size}"
            yield using(detail, family, slice(0, size), precision=fastest)
    # New weights have no measured ranges, which int8 needs.
    yield from tuned(precision=next(each for each in precisions if each != "int8"))


def available_precisions(checkpoint: Checkpoint) -> list[str]:
    """What this processor computes a checkpoint in, the fastest first."""
    from sememe.engines.openvino.graph import ARCHITECTURES

    if checkpoint.config.get("model_type") not in ARCHITECTURES:
        return ["f32"]
    import openvino

    has_int8 = multiplies_int8() and find_ranges(checkpoint.weights.sha256) is not None
    has_bf16 = multiplies_bf16(openvino.Core())
    return ["int8"] * has_int8 + ["bf16"] * has_bf16 + ["f32"]


def _base(candidates: Sequence[Candidate]) -> Candidate | None:
    """The bi-encoder that others stand on: the default model, or the first there is."""
    plain = [each for each in candidates if each.kind == "bi-encoder" and not each.part]
    default = [each for each in plain if each.model == DEFAULT_MODEL]
    return next(iter(default or plain or candidates), None)


def _with_words(work: Work, base: Candidate | None) -> Iterator[Candidate]:
    if work == "search":
        yield Candidate("BM25", "words", "BM25")
        if base is not None:
            name, family = f"{base.name}, with BM25", f"{base.family} hybrid"
            yield replace(base, name=name, kind="hybrid", family=family)


def _with_cross(
    work: Work, base: Candidate | None, name: str, cross: Model, pool: Models
) -> Iterator[Candidate]:
    """A cross-encoder alone where pairs are few, and behind or above a bi-encoder."""
    scorer = partial(pool.scorer, cross)
    if work == "pairs":
        yield Candidate(name, "cross-encoder", name, None, scorer, cross=cross)
    if base is None:
        return
    for budget in {"search": ("",), "cluster": _BUDGETS}.get(work, ()):
        detail = f"taught by {name}, {budget}" if budget else f"reranked by {name}"
        yield replace(
            base,
            name=f"{base.name}, {detail}",
            kind="cascade",
            family=f"{base.family} {detail}",
            open_scorer=scorer,
            budget=budget,
            cross=cross,
        )


def speed_of(
    candidate: Candidate, work: Work, texts: Sequence[str], rates: dict[int, float]
) -> Speed:
    """How fast a candidate is here, on texts like these; nothing is taken from what it kept.

    `rates` are seconds a text or pair of models that were measured already, by the identity of
    their systems: many candidates use one.

    Raises:
        InputError: whatever is wrong with a model, and what else a model may raise.
    """
    different = (f"{text} {i}" if i >= len(texts) else text for i, text in enumerate(cycle(texts)))
    text = pair = 0.0
    if candidate.encoder is not None:
        text = rates.get(id(candidate.encoder)) or _seconds_each(
            candidate.encoder.encoder.encode, different
        )
        rates[id(candidate.encoder)] = text
    if candidate.scorer is not None:
        pair = rates.get(id(candidate.scorer)) or _seconds_each(
            candidate.scorer.scorer.score, pairwise(different)
        )
        rates[id(candidate.scorer)] = pair
    calls, words = [], Words()
    has_words = candidate.kind in ("words", "hybrid")
    if has_words:
        words.hits([], texts, 1)  # which makes its index
    others = list(islice(different, RERANKED if work == "search" else 1))
    for one in islice(different, _CALLS):
        started = time.perf_counter()
        if has_words:
            words.hits([one], texts, DEPTH)
        if candidate.encoder is not None:
            candidate.encoder.encoder.encode([one])
        if candidate.scorer is not None and not candidate.budget:
            candidate.scorer.scorer.score([(one, other) for other in others])
        calls.append(time.perf_counter() - started)
    return Speed(
        text,
        pair,
        comparison_seconds(candidate.dim) if candidate.dim else 0.0,
        float(np.median(calls)),
        float(np.quantile(calls, 0.99)),
        candidate.bytes,
        candidate.dim,
    )


def _seconds_each(compute: Callable[[list[Any]], Any], items: Iterator[Any]) -> float:
    """Seconds an item among many: the best of growing parts, for other work only slows one down."""
    compute(list(islice(items, 1)))  # what is compiled at the first call is not timed
    best, spent, count = math.inf, 0.0, _FEWEST_TIMED
    while count <= _MOST_TIMED and spent < _TIMED_SECONDS * (
        4 if count <= 4 * _FEWEST_TIMED else 1
    ):
        part = list(islice(items, count))
        started = time.perf_counter()
        compute(part)
        seconds = time.perf_counter() - started
        best, spent, count = min(best, seconds / count), spent + seconds, count * 2
    return best

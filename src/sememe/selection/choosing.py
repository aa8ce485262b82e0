"""`select`: from a sample and a machine to the model that is the right tool, in one pass.

read:       the labelled items, and the texts without labels
list:       what there is to choose from
judge:      where labels are few, a fixed jury orders the candidates
measure:    on growing parts of the sample; what cannot become the choice is dropped
cost:       calls, memory, and the time that the user's own number of texts would take
choose:     the cheapest of those that nothing tells from the best
"""

import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, fields, replace
from hashlib import blake2b
from typing import Any

import numpy as np

from sememe.costs import Speed
from sememe.data.reading import Data, Roles
from sememe.errors import InputError
from sememe.evaluation.kinds import RetrievalTask, Task
from sememe.evaluation.measures import Measurement
from sememe.neighbors.exact import comparison_seconds
from sememe.progress import progress_bar
from sememe.selection.candidates import Candidate, Model, Models, call_seconds, candidates_for
from sememe.selection.jury import ask_jury
from sememe.selection.measuring import Measured, Record, Round, eliminate
from sememe.selection.prior import NO_WEIGHT, Prior, Work
from sememe.selection.result import Scale, Selection, projected
from sememe.selection.sample import Sample, read_sample
from sememe.selection.systems import Words

_POOLED = 10  # documents a query that words find, of the corpus of a first round


def select(
    data: Data | Mapping[str, Data],
    *,
    task: Work | None = None,
    models: Iterable[Model] = (),
    installed: bool = True,
    columns: Roles = None,
    labels: Data | None = None,
    queries: Sequence[str] | str | os.PathLike[str] | None = None,
    texts: int | None = None,
    queries_per_day: int | None = None,
    latency: str | float | None = None,
    memory: str | int | None = None,
    train: bool = False,
    progress: bool | None = None,
) -> Selection:
    """Measure which encoder is the right tool for your data, on your machine.

    Args:
        data: a labelled sample, of which 50 rows are enough to start: the columns sentence1,
            sentence2 and score or label; anchor, positive, negative; text and label; or the three
            tables corpus, queries, qrels. Rows whose label is empty are texts without one. Or texts
            without any label, with `task`.
        task: what it is for: "search", "cluster", "pairs" (duplicates, similarity) or "classify".
        models: further candidates: names, folders, what has `encode(texts)` or `score(pairs)`.
        installed: whether everything that is installed and cached is a candidate too.
        columns: which column is what, such as {"text": "question", "label": "intent"}.
        labels: the answers to the questions that `Selection.ask` wrote.
        queries: for search without labels, real queries: a file or a list.
        texts: how many texts there will be; None as many as the data have.
        queries_per_day: how many queries a day an index will answer.
        latency: the longest that a call may take, such as "50ms", or seconds.
        memory: the most that model and index may take, such as "2GB", or bytes.
        train: for classes, also tune encoders by cross-validation, which takes minutes each.
        progress: a progress bar: True, False, or None for one on a terminal.

    Returns:
        Selection: `print` it for the verdict; `choice`, `rows`, `to_dict()`, `ask(n, path)`,
        `save(path)` for the page.

    Raises:
        TableError, InputError: data that cannot be used; no candidate that can be measured.
        MissingExtra: without scikit-learn, which measures classes and judges without labels.

    Example:
        >>> choice = select("tickets.csv", task="cluster", texts=2_000_000)   # doctest: +SKIP
        >>> print(choice)                                                     # doctest: +SKIP
    """
    sample = read_sample(data, task, columns, labels, queries)
    scale = Scale.parse(
        len(sample.texts) if texts is None else texts, queries_per_day, latency, memory
    )
    pool = Models()
    is_reranking = sample.task is not None and sample.task.kind == "reranking"
    candidates, failures = candidates_for(
        "pairs" if is_reranking else sample.work, models, pool, installed=installed, train=train
    )
    if not candidates:
        why = "; ".join(f"{name}: {problem}" for name, problem in failures.items())
        raise InputError(f"there is no candidate ({why or 'no model is installed'}): name one.")
    prior = None
    if sample.task is None or len(sample.task) < NO_WEIGHT:
        prior = ask_jury(sample, candidates, pool, failures)
    record = Record()
    state = Round()
    if sample.task is not None:
        state = _measured(sample, candidates, prior, scale, record, progress)
        failures |= state.failures
    speeds = {
        each.name: _speed(each, sample, record)
        for each in candidates
        if each.name not in failures and (each.name in state.measured or sample.task is None)
    }
    return Selection(sample, scale, candidates, state, prior, speeds, failures)


# ---- With labels: rounds of measurements. ----


def _measured(
    sample: Sample,
    candidates: Sequence[Candidate],
    prior: Prior | None,
    scale: Scale,
    record: Record,
    progress: bool | None,
) -> Round:
    task = sample.task
    assert task is not None
    by_name = {each.name: each for each in candidates}
    order = np.random.default_rng(0).permutation(len(task))
    values = {} if prior is None else prior.values
    names = sorted(by_name, key=lambda name: -values.get(name, -np.inf))
    with progress_bar(None, "candidates", progress) as bar:

        def measure(name: str, items: int) -> Measured:
            rows = np.sort(order[:items])
            part = _part(task, rows) if items < len(task) else task
            measurement = _kept(by_name[name], part, record)
            bar.update(1)
            weights = None if sample.weights is None or items < len(task) else sample.weights
            return Measured.of(measurement, weights)

        return eliminate(
            names, measure, len(task), lambda: _costs(candidates, sample, scale),
            {each.name: each.family for each in candidates},
        )  # fmt: skip


def _part(task: Task, rows: Any) -> Task:
    """Some items; of search among fewer documents: those that answer, and those that words find."""
    part = task.subset(rows)
    if not isinstance(part, RetrievalTask):
        return part
    found = Words().rank(part.queries, part.documents, min(_POOLED, len(part.documents)))[0]
    kept = np.unique(
        np.concatenate([found.ravel(), *(list(each) for each in part.grades)]).astype(int)
    )
    place = {int(old): new for new, old in enumerate(kept)}
    grades = [{place[old]: grade for old, grade in each.items()} for each in part.grades]
    return replace(part, documents=[part.documents[i] for i in kept], grades=grades)


def _kept(candidate: Candidate, task: Task, record: Record) -> Measurement:
    """The main figure of a candidate, from the record or measured now."""
    key = (candidate.fingerprint, _digest(task), task.kind)
    empty = next(iter(task.measure(NOTHING).values()))
    found = record.get(*key) if candidate.fingerprint else None
    if found is not None:
        return replace(empty, values=np.array(found["values"]), details=None)
    measurement = next(iter(task.measure(candidate.system).values()))
    if candidate.fingerprint:
        record.put({"values": np.asarray(measurement.values).tolist()}, *key)
    return measurement


class _Nothing:
    """A system that knows nothing: its answers show what a measurement is made of."""

    name = "nothing"

    def score(self, pairs: Sequence[Any], *, search: bool = False) -> Any:  # noqa: ARG002
        """The same score for all."""
        return np.zeros(len(pairs))

    def rank(self, queries: Sequence[str], documents: Sequence[str], depth: int) -> Any:  # noqa: ARG002
        """The first documents."""
        return np.tile(np.arange(depth), (len(queries), 1)), np.zeros((len(queries), depth))

    def group(self, texts: Sequence[str], count: int) -> Any:  # noqa: ARG002
        """One group."""
        return np.zeros(len(texts), np.int64)

    def classify(self, texts: Sequence[str], labels: Any, new_texts: Sequence[str]) -> Any:  # noqa: ARG002
        """The first label."""
        return np.zeros(len(new_texts), np.int64)


NOTHING: Any = _Nothing()
"""A system whose answers are worth nothing: what it measures shows the form."""


def _digest(task: Task) -> str:
    """A hash of all that a task consists of."""
    state = blake2b(digest_size=16)
    for each in fields(task):  # type: ignore[arg-type]
        state.update(repr(_plain(getattr(task, each.name))).encode("utf-8", "surrogatepass"))
    return state.hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tolist()
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value


# ---- Costs. ----


def _costs(candidates: Sequence[Candidate], sample: Sample, scale: Scale) -> dict[str, float]:
    """Seconds at the user's scale of those that were opened, by what they took so far."""
    return {
        each.name: projected(each, sample.work, _rates(each), scale).seconds
        for each in candidates
        if "system" in each.__dict__
    }


def _rates(candidate: Candidate) -> Speed:
    dim = candidate.dim
    return Speed(
        candidate.seconds_a_text,
        candidate.seconds_a_pair,
        comparison_seconds(dim) if dim else 0.0,
        bytes=candidate.bytes,
        dim=dim,
    )


def _speed(candidate: Candidate, sample: Sample, record: Record) -> Speed:
    """What a candidate costs on this machine, measured, or from the record."""
    key = (candidate.fingerprint, "speed", sample.work, platform.node(), platform.processor())
    texts = sample.texts or sample.queries
    found = record.get(*key) if candidate.fingerprint else None
    if found is not None:
        return Speed(**found)
    candidate.time_on(texts)
    calls = call_seconds(candidate, sample.work, texts)
    speed = replace(
        _rates(candidate), call=float(np.median(calls)), slow_call=float(np.quantile(calls, 0.99))
    )
    if candidate.fingerprint:
        record.put(asdict(speed), *key)
    return speed

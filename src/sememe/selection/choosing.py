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
from functools import cache
from hashlib import blake2b
from typing import Any

import numpy as np

from sememe.costs import Speed
from sememe.data.reading import Data, Roles
from sememe.errors import InputError, reason
from sememe.evaluation.kinds import RetrievalTask, Task
from sememe.evaluation.measures import Measurement
from sememe.progress import progress_bar
from sememe.selection.candidates import Candidate, Model, Models, candidates_for, speed_of
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
    record, state = Record(), Round()
    speeds = _speeds(sample, candidates, record, failures)
    if sample.task is not None:
        projections = {
            each.name: projected(each, sample.work, speeds[each.name], scale)
            for each in candidates
            if each.name in speeds
        }
        costs = {name: each.seconds for name, each in projections.items()}
        state = _measured(sample, candidates, prior, costs, record, progress)
        failures |= state.failures
    return Selection(sample, scale, candidates, state, prior, speeds, failures)


def _speeds(
    sample: Sample, candidates: Sequence[Candidate], record: Record, failures: dict[str, str]
) -> dict[str, Speed]:
    """How fast each candidate is, measured or from the record; why not goes into `failures`."""
    machine = (platform.node(), platform.processor())
    speeds = {}
    for each in candidates:
        if each.name in failures:
            continue
        try:
            key = (each.fingerprint, "speed", sample.work, *machine)
            found = record.get(*key) if each.fingerprint else None
            speeds[each.name] = (
                Speed(**found) if found else speed_of(each, sample.work, sample.texts)
            )
            if each.fingerprint:
                record.put(asdict(speeds[each.name]), *key)
        except Exception as error:  # a candidate of any library may fail in any way
            failures[each.name] = reason(error)
    if not speeds:
        why = "; ".join(f"{name}: {problem}" for name, problem in failures.items())
        raise InputError(f"no candidate could be measured ({why}).")
    return speeds


# ---- With labels: rounds of measurements. ----


def _measured(
    sample: Sample,
    candidates: Sequence[Candidate],
    prior: Prior | None,
    costs: Mapping[str, float],
    record: Record,
    progress: bool | None,
) -> Round:
    """The rounds, over the candidates whose cost is known."""
    task = sample.task
    assert task is not None
    by_name = {each.name: each for each in candidates if each.name in costs}
    order = np.random.default_rng(0).permutation(len(task))
    values = {} if prior is None else prior.values

    @cache
    def part(items: int) -> tuple[Task, str]:
        some = _part(task, np.sort(order[:items])) if items < len(task) else task
        return some, _digest(some)

    with progress_bar(None, "measurements", progress) as bar:

        def measure(name: str, items: int) -> Measured:
            measurement = _kept(by_name[name], *part(items), record)
            bar.update(1)
            weights = None if items < len(task) else sample.weights
            return Measured.of(measurement, weights)

        return eliminate(
            sorted(by_name, key=lambda name: -values.get(name, -np.inf)),
            measure,
            len(task),
            costs,
            {name: each.family for name, each in by_name.items()},
            may_stop=not isinstance(task, RetrievalTask),  # its first rounds have fewer documents
        )


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


def _kept(candidate: Candidate, task: Task, digest: str, record: Record) -> Measurement:
    """The main figure of a candidate, from the record or measured now."""
    key = (candidate.fingerprint, digest, task.kind)
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

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
import warnings
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import asdict, fields, replace
from functools import cache
from hashlib import blake2b
from types import SimpleNamespace
from typing import Any

import numpy as np

from sememe.costs import Speed
from sememe.data.reading import Data, Roles
from sememe.errors import InputError, SememeWarning, TruncationWarning, reason, warn
from sememe.evaluation.kinds import RetrievalTask, Task
from sememe.evaluation.measures import Measurement
from sememe.progress import Bar, progress_bar
from sememe.selection.candidates import Candidate, Model, Models, candidates_for, speed_of
from sememe.selection.jury import NO_WEIGHT, Prior, ask_jury
from sememe.selection.measuring import Record, Round, by_reason, eliminate
from sememe.selection.result import Scale, Selection
from sememe.selection.sample import Sample, Work, read_sample
from sememe.selection.systems import Words
from sememe.selection.tuning import check_trainable, warn_of_trainings

_POOLED = 10  # documents a query that words find, of the corpus of a first round


def select(
    data: Data | Mapping[str, Data],
    *,
    task: Work | None = None,
    models: Model | Iterable[Model] = (),
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
        models: further candidates, as `evaluate` takes models.
        installed: whether everything that is installed and cached is a candidate too.
        columns: which column is what, such as {"text": "question", "label": "intent"}.
        labels: the answers to the questions that `Selection.ask` wrote.
        queries: for search without labels, real queries: a file or a list.
        texts: how many texts there will be; None as many as the data have.
        queries_per_day: how many queries a day an index will answer.
        latency: the longest that a call may take, such as "50ms", or seconds.
        memory: the most that model and index may take, such as "2GB", or bytes.
        train: for pairs, triplets and classes, also tune each encoder by cross-validation, which
            takes minutes each: a warning says how often.
        progress: a progress bar: True, False, or None for one on a terminal.

    Returns:
        Selection: `print` it for the verdict; `choice`, `rows`, `to_dict()`, `ask(n, path)`,
        `save(path)` for the page.

    Raises:
        TableError, InputError: data that cannot be used; no candidate that can be measured.
        MissingExtra: without scikit-learn, which measures classes and judges without labels, or
            without torch where `train` needs it.

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
    if train:
        check_trainable(sample.task)
    candidates, failures = candidates_for(
        "pairs" if is_reranking else sample.work, models, pool, installed=installed, train=train
    )
    if train:
        warn_of_trainings(sample.task, candidates)
    if not candidates:
        why = by_reason(failures) or "no model is named" + " or installed" * installed
        raise InputError(f"there is no candidate ({why}): name one with --model (models=[...]).")
    prior, record = None, Record()
    with progress_bar(None, "candidates", progress) as bar:
        if sample.task is None or len(sample.task) < NO_WEIGHT:
            bar.set_postfix_str("asking a jury")
            prior = ask_jury(sample, candidates, pool, failures)
        speeds = _speeds(sample, candidates, record, failures, bar)
    selection = Selection(sample, scale, candidates, Round(), prior, speeds, failures)
    if sample.task is not None:
        costs = {name: each.seconds for name, each in selection.projections.items()}
        within = {name for name in costs if not selection.problem(name)}
        state = _measured(sample, candidates, prior, costs, within, record, progress)
        failures |= state.failures
        selection = replace(selection, state=state)
    if failures:
        warn(f"Not measured: {by_reason(failures)}", SememeWarning)
    return selection


def _speeds(
    sample: Sample,
    candidates: Sequence[Candidate],
    record: Record,
    failures: dict[str, str],
    bar: Bar,
) -> dict[str, Speed]:
    """How fast each candidate is, measured or from the record; why not goes into `failures`."""
    machine = (platform.node(), platform.processor())
    speeds: dict[str, Speed] = {}
    rates: dict[int, float] = {}
    for each in candidates:
        if each.name in failures:
            continue
        bar.set_postfix_str(f"timing {each.name}")
        try:
            key = (each.fingerprint, "speed", sample.work, *machine)
            kept = record.get(*key)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", TruncationWarning)  # measuring them will say it
                speeds[each.name] = (
                    Speed(**kept) if kept else speed_of(each, sample.work, sample.texts, rates)
                )
            record.put(asdict(speeds[each.name]), *key)
        except Exception as error:  # a candidate of any library may fail in any way
            failures[each.name] = reason(error)
        bar.update(1)
    if not speeds:
        raise InputError(f"no candidate could be measured ({by_reason(failures)}).")
    return speeds


# ---- With labels: rounds of measurements. ----


def _measured(
    sample: Sample,
    candidates: Sequence[Candidate],
    prior: Prior | None,
    costs: Mapping[str, float],
    within: Container[str],
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
        some = part_of(task, np.sort(order[:items]))
        return some, _digest(some)

    with progress_bar(None, "measurements", progress) as bar:

        def measure(name: str, items: int) -> Measurement:
            measurement = _kept(by_name[name], *part(items), record)
            bar.update(1)
            weights = None if items < len(task) else sample.weights
            return replace(measurement, weights=weights)

        return eliminate(
            sorted(by_name, key=lambda name: -values.get(name, -np.inf)),
            measure,
            len(task),
            costs,
            {name: each.family for name, each in by_name.items()},
            may_stop=not isinstance(task, RetrievalTask),  # its first rounds have fewer documents
            late={name for name, each in by_name.items() if each.how},
            within=within,
        )


def part_of(task: Task, rows: Any) -> Task:
    """Some items; of search among fewer documents: those that answer, and those that words find."""
    part = task.subset(rows) if len(rows) < len(task) else task
    if part is task or not isinstance(part, RetrievalTask):
        return part
    places = Words().rank(part.queries, part.documents, min(_POOLED, len(part.documents)))[0]
    rows_kept = np.unique(
        np.concatenate([places.ravel(), *(list(each) for each in part.grades)]).astype(int)
    )
    place = {int(old): new for new, old in enumerate(rows_kept)}
    grades = [{place[old]: grade for old, grade in each.items()} for each in part.grades]
    return replace(part, documents=[part.documents[i] for i in rows_kept], grades=grades)


def _kept(candidate: Candidate, task: Task, digest: str, record: Record) -> Measurement:
    """The main figure of a candidate, from the record or measured now."""
    key = (candidate.fingerprint, digest, task.kind)
    empty = next(iter(task.measure(NOTHING).values()))
    if (stored := record.get(*key)) is not None:
        return replace(empty, values=np.array(stored["values"]), details=None)
    measurement = next(iter(candidate.measure(task).values()))
    record.put({"values": np.asarray(measurement.values).tolist()}, *key)
    return measurement


NOTHING: Any = SimpleNamespace(
    name="nothing",
    score=lambda pairs, **_: np.zeros(len(pairs)),
    rank=lambda queries, _, depth: (
        np.tile(np.arange(depth), (len(queries), 1)),
        np.zeros((len(queries), depth)),
    ),
    group=lambda texts, _: np.zeros(len(texts), np.int64),
    classify=lambda _, __, new_texts, **___: np.zeros(len(new_texts), np.int64),
)
"""A system that knows nothing: what it measures shows what a measurement is made of."""


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

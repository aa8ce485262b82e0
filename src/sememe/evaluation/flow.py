"""Measure any number of models on the user's own data, side by side."""

import time
from collections.abc import Iterable, Mapping
from itertools import chain, combinations, count, product
from typing import Any, Literal

import numpy as np

from sememe.data.reading import Data, Roles
from sememe.errors import InputError, MissingExtra, SememeError, SememeWarning, warn
from sememe.evaluation.intervals import Interval
from sememe.evaluation.kinds import Kind, Measurements, Task
from sememe.evaluation.result import Difference, Evaluation, Row
from sememe.evaluation.systems import as_system
from sememe.evaluation.tasks import load_task


def evaluate(
    models: Any,
    data: Data | Mapping[str, Data] | Task,
    *,
    task: Kind | None = None,
    columns: Roles = None,
    split: str | None = None,
    positive: str | int | None = None,
    protocol: Literal["mteb"] | None = None,
) -> Evaluation:
    """Measure models on labelled data: each figure with its interval, each two with a paired test.

    What is measured follows from the data's columns: similarity (Spearman, Pearson), labelled pairs
    (average precision; F1 and accuracy at their best thresholds), triplets (accuracy), retrieval
    (nDCG@10, MAP, MRR, recall, precision, as trec_eval has them), reranking (MAP, MRR), groups
    (V-measure, ARI, AMI, of as many groups as labels) or classes (accuracy, macro F1, of logistic
    regression on the vectors as they are).

    Args:
        models: one or several: names or folders of any kind of model, "all-MiniLM-L6-v2:int8" for
            another precision, what has `encode(texts)` or `score(pairs)`; a dict says how to call
            them.
        data: a file, a frame, a dict of columns, a list of dicts, or corpus, queries and qrels, as
            a folder or a dict (see `sememe.evaluation.tasks.load_task`, which has all the options
            that follow).
        task: what to measure, where the columns leave a choice.
        columns: which column is what, such as {"text": "question", "label": "intent"}.
        split: which rows to measure on; None takes the split test where there is one.
        positive: the label that means that two texts are alike.
        protocol: "mteb" for classes as MTEB measures them.

    Returns:
        Evaluation: `rows` of figures, `differences`, `failures` of models that could not be
        measured, `verdict`, `to_frame()`, and a table if it is printed.

    Raises:
        TableError, InputError: data that cannot be used (where, and what to do); no model that
            could be measured.
        MissingExtra: classes without scikit-learn.

    Example:
        >>> pairs = {"sentence1": ["a cat", "a bus", "a tree"], "score": [1, 0.4, 0.1],
        ...          "sentence2": ["a kitten", "a tram", "the moon"]}
        >>> done = evaluate(["all-MiniLM-L6-v2:f32"], pairs)           # doctest: +SKIP
        >>> done.rows[0].figures["Spearman"].value                     # doctest: +SKIP
        1.0
    """
    options: Any = {
        "task": task, "columns": columns, "split": split, "positive": positive, "protocol": protocol
    }  # fmt: skip
    source: Any = data
    measured: Task = source if hasattr(source, "measure") else load_task(source, **options)
    answers: dict[str, Measurements] = {}
    seconds: dict[str, float] = {}
    failures: dict[str, str] = {}
    models = named_models(models)
    if not models:
        raise InputError("There is no model to measure: give a name, or a list of them.")
    for given_name, model in models:
        name = given_name or str(model)
        try:
            system = as_system(model, given_name)
            numbered = (f"{system.name} ({number})" for number in count(2))
            name = next(each for each in chain([system.name], numbered) if each not in answers)
            start = time.perf_counter()
            answers[name] = measured.measure(system)
            seconds[name] = time.perf_counter() - start
        except MissingExtra:
            raise
        except Exception as error:  # somebody's own encoder may raise anything
            kind = "" if isinstance(error, SememeError) else f"{type(error).__name__}: "
            failures[name] = f"{kind}{error}"
    problems = [f"{name} is not measured: {why}" for name, why in failures.items()]
    if not answers:
        raise InputError(f"No model can be measured on {measured.name}: {'; '.join(problems)}")
    for problem in problems:
        warn(problem, SememeWarning)
    return _compared(measured, answers, seconds, failures)


def _compared(
    task: Task,
    answers: dict[str, Measurements],
    seconds: dict[str, float],
    failures: dict[str, str],
) -> Evaluation:
    names = list(answers)
    figures: dict[str, dict[str, Interval]] = {name: {} for name in names}
    for name, metric in product(names, answers[names[0]]):
        measurement = answers[name][metric]
        try:
            figures[name][metric] = measurement.interval()
        except InputError:  # too few items, or too much alike, for an interval
            figures[name][metric] = Interval(measurement.value, np.nan, np.nan)
    main = {name: next(iter(answers[name].values())) for name in names}
    pairs, tests = list(combinations(names, 2)), []
    try:
        tests = [main[first].against(main[second]) for first, second in pairs]
    except InputError:  # the same for a test
        pairs = []
    p = _corrected([each.p for each in tests])
    differences = [
        Difference(*pair, test.difference, test.low, test.high, corrected)
        for pair, test, corrected in zip(pairs, tests, p, strict=True)
    ]
    rows = [Row(name, figures[name], seconds[name]) for name in names]
    rows.sort(key=lambda row: -row.main.value)
    return Evaluation(task.kind, task.name, len(task), rows, differences, failures)


def _corrected(p: list[float]) -> list[float]:
    """P-values of several tests, corrected for their number (Holm, 1979)."""
    order = np.argsort(p, kind="stable")
    steps = np.array(p)[order] * (len(p) - np.arange(len(p)))
    corrected = np.empty(len(p))
    corrected[order] = np.minimum(np.maximum.accumulate(steps), 1) if len(p) else steps
    return [float(each) for each in corrected]


def named_models(models: Any) -> list[tuple[str | None, Any]]:
    """Models with the names that the user gave them, if any."""
    if isinstance(models, Mapping):
        return list(models.items())
    is_model = isinstance(models, str) or hasattr(models, "encode") or hasattr(models, "score")
    if is_model or not isinstance(models, Iterable):  # a module of torch is both
        models = [models]
    return [(None, model) for model in models]

"""A whole training run: data, choices, before, training, after, verdict, a checkpoint."""

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import torch

from sememe.arguments import whole_number
from sememe.checkpoint import DEFAULT_MODEL, Checkpoint, Scoring, read
from sememe.checkpoint.write import check_target, take_name
from sememe.data import Examples
from sememe.data.sources import Data
from sememe.encoders.vectors import unit
from sememe.errors import InputError
from sememe.evaluation.measures import Compute, Measurement, measure_bi, measure_cross
from sememe.evaluation.outcome import Outcome, kept_safe, write_outcome
from sememe.jobs import Job
from sememe.training.losses import BI, CROSS
from sememe.training.losses.loss import Loss, Matryoshka
from sememe.training.plan import Plan, make_plan
from sememe.training.towers import BiTower, CrossTower, TextTower
from sememe.training.trainer import Objective, Trainer

_NEGATIVES = 4
"""So many of a batch's other documents a cross-encoder scores for each query."""

Measuring = Callable[[Examples, Compute], Measurement]
StrPath = str | os.PathLike[str]


def train_bi(
    data: Data | Sequence[Data],
    output: StrPath,
    *,
    model: StrPath = DEFAULT_MODEL,
    dev: Data | None = None,
    loss: str | None = None,
    loss_options: Mapping[str, Any] | None = None,
    matryoshka: Sequence[int] | None = None,
    **options: Any,
) -> Outcome:
    """Train a bi-encoder on pairs, triplets, scores or labels, and say whether it got better.

    What is not given is chosen by the data and the model, and said with the reason. The model is
    measured before and after on examples that no step saw: of those held out, one half chooses the
    best weights and the other gives the figures, for a choice looks better than it is on what it
    was made with. Killed, the same call goes on where it was.

    Args:
        data: a file, a data set of the Hub, a dict of columns or a list of dicts, or a list of
            several of them (see `sememe.data.load` for the columns).
        output: a new or empty folder for the checkpoint, training.html and training.json.
        model: where to start from: a bi-encoder or a regular transformer.
        dev: examples to measure on, as `data`; None holds out a fifth of the data, 2,000 at the
            most; "none" measures nothing.
        loss: triplet, contrastive, ranking, cosent, cosine-mse, softmax, margin-mse, kl,
            batch-ranking, batch-hard or batch-semi-hard; docs/losses.md says which when.
        loss_options: what the loss is made with, such as {"margin": 0.3}; docs/losses.md has them.
        matryoshka: sizes, such as (384, 128, 64), to which the vectors can be cut afterwards
            (Kusupati et al., 2022).
        **options: those of `sememe.training.settings.Settings` (epochs, batch_size, learning_rate,
            precision, device, seed, evaluations, patience, …), and
            weights: how often each of several data sets is drawn;
            score_range: the lowest and the highest score there can be;
            positive: the label that means that two texts are alike;
            lora: the rank of LoRA's matrices, which are trained instead of all weights;
            progress: as everywhere.

    Raises:
        TableError, InputError: data that cannot be used (where, and what to do), or an option.
        JobError: a run that was begun otherwise, or a disk that is full.
        MissingExtra: without torch, accelerate, or what the data need.

    Example:
        >>> done = train_bi("pairs.csv", "my-encoder")   # doctest: +SKIP
        >>> print(done.verdict)                          # doctest: +SKIP
        Better: Spearman 84.1 (82.0 to 86.0) after, 79.3 (76.7 to 81.6) before, p = 0.001.
    """
    target, checkpoint = _begun(output, model)
    dims = [whole_number("matryoshka", dim) for dim in (() if matryoshka is None else matryoshka)]
    plan = make_plan(
        data, dev, {"loss": loss, "loss_options": loss_options, **options}, cross=False
    )
    torch.manual_seed(plan.settings.seed)  # of LoRA's matrices, of a loss's own weights
    tower = BiTower(checkpoint, lora=plan.lora)

    def made(name: str, examples: Examples, options: dict[str, Any]) -> Loss:
        sizes = (tower.dim, len(examples.labels)) if name == "softmax" else ()
        made = BI[name].loss(*sizes, **options)
        return Matryoshka(made, dims) if dims else made

    measuring = partial(measure_bi, alike=plan.alikes[0])
    return _train(plan, tower, made, measuring, tower.encode, target, {"matryoshka": dims})


def train_cross(
    data: Data | Sequence[Data],
    output: StrPath,
    *,
    model: StrPath = DEFAULT_MODEL,
    dev: Data | None = None,
    loss: str | None = None,
    loss_options: Mapping[str, Any] | None = None,
    **options: Any,
) -> Outcome:
    """Train a cross-encoder on pairs, triplets, scores or labels of pairs, as `train_bi` does.

    An encoder that is none yet is given a new head; what it is measured against is then its own
    cosine, the score that there was before.

    Args:
        data: see `train_bi`, as all that is not said here.
        output: see `train_bi`.
        model: where to start from: a cross-encoder, a bi-encoder or a regular transformer.
        dev: see `train_bi`.
        loss: bce, mse, cross-entropy, ranking or margin-mse.
        loss_options: see `train_bi`.
        **options: see `train_bi`.

    Example:
        >>> done = train_cross("scored.csv", "my-cross-encoder", epochs=4)   # doctest: +SKIP
    """
    target, checkpoint = _begun(output, model)
    given = {"loss": loss, "loss_options": loss_options, **options}
    plan = make_plan(data, dev, given, cross=True)
    name, names = plan.value("loss"), {plan.value("loss", i) for i in range(len(plan.parts))}
    labels = {part.labels for part in plan.parts} if name == "cross-entropy" else set()
    if len(names) > 1 or len(labels) > 1:
        raise InputError(
            f"{', '.join(sorted(names))} of {' and '.join(part.name for part in plan.parts)}: a "
            "cross-encoder takes one loss, and one set of labels, at a time. Train on them in turn."
        )
    torch.manual_seed(plan.settings.seed)  # of the new head
    tower = CrossTower(
        checkpoint,
        _scoring(checkpoint, plan.parts[0], name),
        negatives=_NEGATIVES if name == "ranking" else 0,
        lora=plan.lora,
    )
    before = _cosines(checkpoint) if checkpoint.scoring is None and tower.dim == 1 else tower.encode
    measuring = partial(measure_cross, alike=plan.alikes[0])

    def made(name: str, _: Examples, options: dict[str, Any]) -> Loss:
        return CROSS[name].loss(**options)

    return _train(plan, tower, made, measuring, before, target, {})


def _begun(output: StrPath, model: StrPath) -> tuple[Path, Checkpoint]:
    """Where to save to, and what to start from; raises before any work is done."""
    target, checkpoint = check_target(output), read(model)
    if checkpoint.static is not None:
        raise InputError(f"{model} is a static encoder: it has no transformer that could learn.")
    return target, checkpoint


def _train(
    plan: Plan,
    tower: TextTower,
    made: Callable[[str, Examples, dict[str, Any]], Loss],
    measuring: Measuring,
    before: Compute,
    target: Path,
    identity: dict[str, Any],
) -> Outcome:
    folder, settings = target.with_name(f"{target.name}.training"), plan.settings
    what = {"tower": type(tower).__name__, "model": tower.checkpoint.weights.sha256}
    known = {**what, **plan.identity(), **identity}
    # Of several processes one keeps the state.
    main = int(os.environ.get("RANK", 0)) == 0
    objectives = [
        Objective(plan.targets(i), made(plan.value("loss", i), part, plan.loss_options(i)), weight)
        for i, (part, weight) in enumerate(zip(plan.parts, plan.weights, strict=True))
    ]
    chosen, judged = plan.dev, plan.test
    trainer = Trainer(
        tower,
        objectives,
        settings,
        measure=None if chosen is None else lambda t: measuring(chosen, t.encode).value,
        folder=folder,
    )
    with Job.opened(folder, "train", known) if main else nullcontext() as job:
        if job:
            plan.say()
        first = None if judged is None else measuring(judged, before)
        try:
            history = trainer.run(plan.progress)
        except InputError:  # these settings lead nowhere: nobody goes on with them
            trainer.forget()
            if job:
                job.remove()
            raise
        last = None if judged is None else measuring(judged, tower.encode)
        title = f"{tower.checkpoint.name} on {plan.parts[0].name}"
        outcome = Outcome(target, title, plan.choices[0], trainer.precision, history, first, last)
        if job:
            with kept_safe(target, folder):
                _save(tower, outcome, folder / "model")
            trainer.forget()
            job.remove()
    return outcome


def _save(tower: TextTower, outcome: Outcome, made: Path) -> None:
    """Put the checkpoint and its report in their place, both or neither."""
    shutil.rmtree(made, ignore_errors=True)  # of a process that was killed here
    tower.save(made)
    write_outcome(outcome, made)
    take_name(made, outcome.directory)


def _scoring(checkpoint: Checkpoint, examples: Examples, loss: str) -> Scoring:
    """The checkpoint's own labels where they fit the loss, else new ones."""
    if loss == "cross-entropy":
        return Scoring(examples.labels, "softmax")
    if checkpoint.scoring is not None and len(checkpoint.scoring.labels) == 1:
        return checkpoint.scoring
    return Scoring(("score",), "sigmoid" if loss in ("bce", "mse") else "identity")


def _cosines(checkpoint: Checkpoint) -> Compute:
    """The scores that there were before there was a cross-encoder: an encoder's own cosines."""
    tower = BiTower(checkpoint)

    def score(pairs: Sequence[Any]) -> Any:
        a, b = (unit(tower.encode(column)) for column in zip(*pairs, strict=True))
        return (a * b).sum(axis=1, keepdims=True)

    return score

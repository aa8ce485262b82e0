"""A whole training run: data, choices, before, training, after, verdict, a checkpoint."""

import os
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import torch

from sememe.arguments import shown, whole_number
from sememe.checkpoint import DEFAULT_MODEL, Checkpoint, Scoring, read
from sememe.checkpoint.write import check_target, take_name
from sememe.data import Data, Examples
from sememe.data.reading import Roles
from sememe.errors import GuessWarning, InputError, warn
from sememe.evaluation.measures import Compute, Measurement, measure_bi, measure_cross
from sememe.evaluation.outcome import Outcome, report_choices, saving_explained, write_outcome
from sememe.evaluation.systems import EncoderSystem
from sememe.jobs import Job
from sememe.training.losses import BI, CROSS
from sememe.training.losses.loss import Loss, Matryoshka
from sememe.training.plan import Plan, make_plan
from sememe.training.towers import BiTower, CrossTower, TextTower
from sememe.training.trainer import Objective, Trainer

_NEGATIVES = 4
"""How many of a batch's other documents a cross-encoder scores for each query."""

StrPath = str | os.PathLike[str]


def train_bi(
    data: Data | Sequence[Data],
    output: StrPath,
    *,
    model: StrPath = DEFAULT_MODEL,
    columns: Roles = None,
    dev: Data | None = None,
    loss: str | None = None,
    loss_options: Mapping[str, Any] | None = None,
    matryoshka: Sequence[int] | None = None,
    epochs: float | None = None,
    batch_size: int | None = None,
    per_label: int | None = None,
    learning_rate: float | None = None,
    warmup: float = 0.1,
    weight_decay: float = 0.01,
    max_norm: float = 1.0,
    evaluations: int | None = None,
    patience: int | None = None,
    lora: int | None = None,
    weights: Sequence[float] | None = None,
    score_range: tuple[float, float] | None = None,
    positive: str | int | None = None,
    precision: str = "auto",
    device: str | None = None,
    seed: int = 0,
    save_minutes: float = 5,
    log: str | None = None,
    log_directory: str = "logs",
    progress: bool | None = None,
) -> Outcome:
    """Train a bi-encoder on pairs, triplets, scores or labels, and measure whether it got better.

    Options that are None are chosen by the data and the model, and reported with the reason. The
    model is measured before and after on examples that no step saw: one half of those held out
    chooses the best weights and the other gives the figures, because a choice looks better than it
    is on the examples it was made with. Interrupted, the same call resumes where it stopped.

    Args:
        data: a file, a data set of the Hub, a dict of columns or a list of dicts, or a list of
            several of them (see `sememe.data.load` for the columns).
        output: a new or empty folder for the checkpoint, training.html and training.json.
        model: where to start from: a bi-encoder or a regular transformer.
        columns: which column is what, such as {"anchor": "question", "positive": "answer"}, where
            their names do not say it.
        dev: examples to measure on, as `data`; None holds out a fifth of the data, 2,000 at the
            most; "none" measures nothing.
        loss: triplet, contrastive, ranking, cosent, cosine-mse, softmax, margin-mse, kl,
            batch-ranking, batch-hard or batch-semi-hard; docs/losses.md says which when.
        loss_options: options of the loss, such as {"margin": 0.3}; docs/losses.md has them.
        matryoshka: sizes, such as (384, 128, 64), to which the vectors can be cut afterwards
            (Kusupati et al., 2022).
        epochs: how often every example is seen.
        batch_size: examples a step; memory does not limit it.
        per_label: of labelled texts, how many of each label are in a batch; 0 for any number.
        learning_rate: the highest, reached after the warm-up; from there it falls to 0 in a line.
        warmup: the share of all steps in which the learning rate rises in a line.
        weight_decay: AdamW's (Loshchilov & Hutter, 2019).
        max_norm: gradients are scaled down to this length.
        evaluations: how often an epoch the model is measured.
        patience: after so many evaluations without a better one training ends; None to continue.
        lora: the rank of LoRA's matrices (Hu et al., 2021), trained instead of all weights.
        weights: how often each of several data sets is drawn.
        score_range: the lowest and the highest score there can be.
        positive: the label that means that two texts are alike.
        precision: what the model computes in, its weights staying float32: f32, bf16, or auto,
            bf16 wherever the processor or the GPU has it.
        device: cpu, cuda, cuda:1 or mps; None for the fastest.
        seed: of everything random.
        save_minutes: how often the state is saved, from which an interrupted run resumes.
        log: tensorboard or wandb, to log losses there too.
        log_directory: where to log.
        progress: show a bar; None shows it on a terminal.

    Raises:
        TableError, InputError: data that cannot be used (where, and what to do), or an option.
        JobError: a run that was begun with other options, or a full disk.
        MissingExtra: without torch, accelerate, or what the data need.

    Example:
        >>> outcome = train_bi("pairs.csv", "my-encoder")   # doctest: +SKIP
        >>> print(outcome.verdict)                          # doctest: +SKIP
        Better: Spearman 84.1 (82.0 to 86.0) after, 79.3 (76.7 to 81.6) before, p = 0.001.
    """
    options = locals()  # all of the above, by name
    target, checkpoint = _open(output, model)
    if not isinstance(matryoshka, Iterable | None):
        raise InputError(f"matryoshka={shown(matryoshka)}: give sizes, as in (384, 128, 64).")
    dims = [whole_number("matryoshka", dim) for dim in (() if matryoshka is None else matryoshka)]
    plan = make_plan(data, dev, options, cross=False)
    if checkpoint.scoring is not None:
        warn(
            f"{model} is a cross-encoder: its transformer is trained, its head left out.",
            GuessWarning,
        )
    torch.manual_seed(plan.settings.seed)  # of LoRA's matrices and a loss's own weights
    tower = BiTower(checkpoint, lora=plan.lora)

    def make_loss(name: str, examples: Examples, loss_options: dict[str, Any]) -> Loss:
        sizes = (tower.dim, len(examples.labels)) if name == "softmax" else ()
        loss = BI[name].loss(*sizes, **loss_options)
        return Matryoshka(loss, dims) if dims else loss

    measure = partial(measure_bi, positive_label=plan.positives[0])
    return _train(plan, tower, make_loss, measure, tower.encode, target, {"matryoshka": dims})


def train_cross(
    data: Data | Sequence[Data],
    output: StrPath,
    *,
    model: StrPath = DEFAULT_MODEL,
    columns: Roles = None,
    dev: Data | None = None,
    loss: str | None = None,
    loss_options: Mapping[str, Any] | None = None,
    epochs: float | None = None,
    batch_size: int | None = None,
    per_label: int | None = None,
    learning_rate: float | None = None,
    warmup: float = 0.1,
    weight_decay: float = 0.01,
    max_norm: float = 1.0,
    evaluations: int | None = None,
    patience: int | None = None,
    lora: int | None = None,
    weights: Sequence[float] | None = None,
    score_range: tuple[float, float] | None = None,
    positive: str | int | None = None,
    precision: str = "auto",
    device: str | None = None,
    seed: int = 0,
    save_minutes: float = 5,
    log: str | None = None,
    log_directory: str = "logs",
    progress: bool | None = None,
) -> Outcome:
    """Train a cross-encoder on pairs, triplets, scores or labels of pairs, as `train_bi` does.

    An encoder that is not a cross-encoder yet gets a new head, and is compared with its own
    cosines, the scores that there were before.

    Args:
        data: as in `train_bi`, and so are all options not listed here.
        output: a new or empty folder for the checkpoint, training.html and training.json.
        model: where to start from: a cross-encoder, a bi-encoder or a regular transformer.
        loss: bce, mse, cross-entropy, ranking or margin-mse.

    Example:
        >>> outcome = train_cross("scored.csv", "my-cross-encoder", epochs=4)   # doctest: +SKIP
    """
    options = locals()  # all of the above, by name
    target, checkpoint = _open(output, model)
    plan = make_plan(data, dev, options, cross=True)
    names = {loss for loss, _ in plan.losses()}
    name = plan.losses()[0][0]
    labels = {part.labels for part in plan.datasets} if name == "cross-entropy" else set()
    if len(names) > 1 or len(labels) > 1:
        data_names = " and ".join(examples.name for examples in plan.datasets)
        raise InputError(
            f"{', '.join(sorted(names))} of {data_names}: a cross-encoder takes one loss, and one "
            "set of labels, at a time. Train on them in turn."
        )
    torch.manual_seed(plan.settings.seed)  # of the new head
    tower = CrossTower(
        checkpoint,
        _scoring(checkpoint, plan.datasets[0], name),
        negatives=_NEGATIVES if name == "ranking" else 0,
        lora=plan.lora,
    )
    before = _cosines(checkpoint) if checkpoint.scoring is None and tower.dim == 1 else tower.encode

    def make_loss(name: str, _: Examples, loss_options: dict[str, Any]) -> Loss:
        return CROSS[name].loss(**loss_options)

    measure = partial(measure_cross, positive_label=plan.positives[0])
    return _train(plan, tower, make_loss, measure, before, target, {})


def _open(output: StrPath, model: StrPath) -> tuple[Path, Checkpoint]:
    target, checkpoint = check_target(output), read(model)
    if checkpoint.static is not None:
        raise InputError(f"{model} is a static encoder: it has no transformer that could learn.")
    return target, checkpoint


def _train(
    plan: Plan,
    tower: TextTower,
    make_loss: Callable[[str, Examples, dict[str, Any]], Loss],
    measure: Callable[[Examples, Compute], Measurement],
    before: Compute,
    target: Path,
    identity: dict[str, Any],
) -> Outcome:
    """Measure, train, measure again and save the checkpoint with its report.

    `before` computed vectors or scores before training; `identity` is what a resumed run must have
    in common with this one, beside the plan.
    """
    folder = target.with_name(f"{target.name}.training")
    identity = {
        "tower": type(tower).__name__,
        "model": tower.checkpoint.weights.sha256,
        **plan.identity(),
        **identity,
    }
    objectives = [
        Objective(plan.targets(i), make_loss(loss, plan.datasets[i], loss_options), plan.weights[i])
        for i, (loss, loss_options) in enumerate(plan.losses())
    ]
    dev, test = plan.dev, plan.test
    trainer = Trainer(
        tower,
        objectives,
        plan.settings,
        measure=None if dev is None else lambda t: measure(dev, t.encode).value,
        folder=folder,
    )
    is_main = int(os.environ.get("RANK", 0)) == 0  # of several processes one keeps the state
    with Job.opened(folder, "train", identity) if is_main else nullcontext() as job:
        if job:
            report_choices(choice for choices in plan.choices for choice in choices)
        first = None if test is None else measure(test, before)
        try:
            history = trainer.run(plan.progress)
        except InputError:  # these settings lead nowhere: nobody resumes with them
            trainer.forget()
            if job:
                job.remove()
            raise
        last = None if test is None else measure(test, tower.encode)
        title = f"{tower.checkpoint.name} on {plan.datasets[0].name}"
        outcome = Outcome(target, title, plan.choices[0], trainer.precision, history, first, last)
        if job:
            with saving_explained(target, folder):
                model = folder / "model"
                shutil.rmtree(model, ignore_errors=True)  # of a process that was killed here
                tower.save(model)
                write_outcome(outcome, model)
                take_name(model, target)  # both or neither
            trainer.forget()
            job.remove()
    return outcome


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
    # A new system each time: one keeps the vectors of all that it has read.
    return lambda pairs: EncoderSystem(tower).score(pairs)[:, None]

"""Encoders that are tuned to labels: by contrast, or end to end with the layer behind them."""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from math import ceil
from pathlib import Path
from typing import Any, NamedTuple

from sememe.checkpoint import Checkpoint
from sememe.classification.classifier import Floats, Head
from sememe.data import Examples
from sememe.errors import InputError
from sememe.evaluation.outcome import (
    Choice,
    History,
    report_choices,
    saving_explained,
    with_requests,
)
from sememe.jobs import Job

_DEFAULTS: Mapping[str, tuple[tuple[str, Any, str], ...]] = {
    "few-shot": (
        ("loss", "ranking", "pairs of one label are to beat texts of other labels"),
        ("batch_size", 64, "pairs; the batch holds the other labels"),
        ("learning_rate", 1e-4, "few steps"),
    ),
    "fine-tune": (
        ("loss", "cross-entropy", "encoder and layer learn together, from the probe on"),
        ("batch_size", 32, "usual for classifiers"),
        ("learning_rate", 5e-5, "usual for classifiers"),
    ),
}
_SEEN = {"few-shot": 6000, "fine-tune": 30_000}
_MOST_EPOCHS = 100


class Tuned(NamedTuple):
    """A tuned encoder's checkpoint, and how it came about; of fine-tuning also the layer."""

    folder: Path
    choices: list[Choice]
    history: History
    precision: str
    layer: tuple[Floats, Floats] | None


@contextmanager
def tuned(
    how: str,
    checkpoint: Checkpoint,
    examples: Examples,
    probe: Head,
    options: Mapping[str, Any],
    target: Path,
) -> Iterator[Tuned]:
    """Train an encoder on labelled texts; its checkpoint is there as long as the block runs.

    "few-shot" learns by contrast: texts of one label come together, those of others part (as in
    SetFit: Tunstall et al., 2022, but all other labels of a batch are negatives at once).
    "fine-tune" starts from the probe, the encoder no longer frozen (Kumar et al., 2022). A killed
    run resumes from the state beside `target`, which stays until the block has ended well: by then
    the result is to be saved. Errors as `train_bi`'s.
    """
    from sememe.training import BiTower, Objective, Trainer
    from sememe.training.batches import LabelPairs
    from sememe.training.losses.batches import LabelLoss
    from sememe.training.losses.pairs import RankingLoss
    from sememe.training.settings import TrainingSettings

    seen, seed = _SEEN[how], options["seed"]
    epochs = round(min(_MOST_EPOCHS, seen / len(examples)), 2)
    why = f"about {seen:,} seen, of {len(examples):,}"
    suited = (*_DEFAULTS[how], ("epochs", epochs, why))
    choices = with_requests((Choice(*each) for each in suited), options)
    values = {choice.name: choice.value for choice in choices if choice.name != "loss"}
    settings = TrainingSettings(**values, seed=seed, device=options["device"])
    if how == "few-shot":
        rounds = ceil(settings.epochs)
        settings = replace(settings, epochs=settings.epochs / rounds)
        objective = Objective(LabelPairs(examples, rounds, seed), RankingLoss(symmetric=True))
    else:
        loss = LabelLoss(probe.weight, probe.bias, normalize=checkpoint.normalized)
        objective = Objective(examples, loss)
    identity = {"how": how, "model": checkpoint.weights.sha256, "data": examples.digest(), **values}
    report_choices(choices)
    work = work_folder(target)
    folder = work / "encoder"
    with Job.opened(work, "train classifier", {**identity, "seed": seed}) as job:
        tower = BiTower(checkpoint)
        trainer = Trainer(tower, [objective], settings, folder=work)
        try:
            history = trainer.run(options["progress"])
        except InputError:  # these settings lead nowhere: nobody resumes with them
            trainer.forget()
            job.remove()
            raise
        learned = [x.detach().cpu().numpy() for x in objective.loss.parameters()]
        layer = (learned[0], learned[1]) if learned else None
        with saving_explained(target, work):
            shutil.rmtree(folder, ignore_errors=True)  # of a process that was killed
            tower.save(folder)
        yield Tuned(folder, choices, history, trainer.precision, layer)
        shutil.rmtree(folder, ignore_errors=True)
        trainer.forget()
        job.remove()


def work_folder(target: Path) -> Path:
    """Where the state of a training is kept, beside its result."""
    return target.with_name(f"{target.name}.training")

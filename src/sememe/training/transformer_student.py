"""A transformer as a student: all or some of its layers, trained to give a teacher's vectors.

Layers are kept, the first and the last of them, and the rest evenly between; then the student's
vectors are brought to the teacher's, text by text, without pairs or negatives. The constants are
those that were best on two cores (docs/decisions/distilling.md).
"""

import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from sememe.arguments import whole_number
from sememe.checkpoint import Checkpoint, read, write
from sememe.checkpoint.read import LAYERS
from sememe.costs import duration
from sememe.data.examples import Example
from sememe.encoders import BiEncoder
from sememe.errors import InputError
from sememe.evaluation.outcome import ON_REQUEST, Choice
from sememe.neighbors import normalized
from sememe.training import lessons
from sememe.training.lessons import Floats, Student, Task
from sememe.training.losses.taught import VectorLoss
from sememe.training.settings import TrainingSettings
from sememe.training.static_student import linear_map, principal_axes
from sememe.training.teachers import teacher_vectors
from sememe.training.towers import BiTower
from sememe.training.trainer import Objective, Trainer

_TEXTS_SEEN, _MOST_EPOCHS = 100_000, 10
_FITTED = 4000  # texts by which a matrix between two sizes is begun with
_LAYER = re.compile(r"(^|\.)(layers?|block|h)\.(\d+)\.")


class StudentTower(BiTower):
    """A bi-encoder that learns without dropout, and keeps its tokens' vectors."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        super().__init__(checkpoint)
        for module in self.modules():
            if isinstance(module, nn.Embedding):
                module.requires_grad_(False)

    def train(self, mode: bool = True) -> "StudentTower":
        """As it computes: a teacher's word is no label that could be learned by heart."""
        del mode
        return super().train(False)  # type: ignore[no-any-return]


@dataclass(frozen=True)
class _TaughtTexts:
    texts: Sequence[str]
    vectors: Floats

    def __len__(self) -> int:
        return len(self.texts)

    def __getitem__(self, i: int) -> Example:
        return Example((self.texts[i],), tuple(self.vectors[i].tolist()))


def regress(task: Task, layers: int | None, dim: int | None) -> Student:
    """Train a student to give its teacher's vectors.

    Args:
        task: whose budget is how long training may take.
        layers: how many of the student's layers are kept; None for all.
        dim: the size of its vectors, which are the teacher's along their principal axes, so that
            they may be cut further; None for the teacher's own.

    Raises:
        InputError: layers or a size that there are not, or a teacher that cannot teach.
        JobError: a full disk; what is done is kept.
    """
    targets, held = teacher_vectors(task, dim)
    texts, folder = task.texts, task.job.folder
    if dim is not None:
        targets = normalized(targets @ principal_axes(targets, dim))
    plain, before = task.checkpoint, task.student
    if layers is not None:
        plain = _cut(plain, layers, new_folder(folder / "cut"))
        before = BiEncoder(folder / "cut", **task.opening)
    torch.manual_seed(task.seed)
    untaught = StudentTower(plain)
    if dim is not None or untaught.dim != targets.shape[1]:
        begin = normalized(untaught.encode(texts[:_FITTED]))
        matrix = linear_map(begin, targets[:_FITTED]).T
        start = new_folder(folder / "start")
        lessons.write_with_dense(plain, start, matrix)
        plain = replace(read(start), name=plain.name)
    tower = StudentTower(plain)
    half = len(held) // 2
    chooses, judges = (
        lessons.exam(task.held[part], held[part], lessons.cosines_of(held[part]))
        for part in (slice(half), slice(half, None))
    )
    seconds = task.budget.seconds or np.inf
    epochs = min(_MOST_EPOCHS, max(1, round(_TEXTS_SEEN / len(texts))))
    settings = TrainingSettings(
        epochs=epochs, batch_size=32, learning_rate=5e-4, warmup=0.05, weight_decay=0.0,
        minutes=seconds / 60, evaluations=-(-4 // epochs), seed=task.seed,
    )  # fmt: skip
    trainer = Trainer(
        tower, [Objective(_TaughtTexts(texts, targets), VectorLoss())], settings,
        measure=lambda t: lessons.fidelity(chooses, t).value, folder=folder,
    )  # fmt: skip
    history = trainer.run(task.progress)
    sizes = [Choice("dim", tower.dim, "the teacher's" if dim is None else ON_REQUEST)]
    why = f"about {_TEXTS_SEEN:,} texts seen, of {len(texts):,}, or {duration(seconds)}"
    choices = [*sizes, Choice("epochs", epochs, why)]
    return Student(before, choices, tower.save, judges, history, trainer.precision)


def new_folder(folder: Path) -> Path:
    """The folder's path, after what an interrupted call left there is gone."""
    shutil.rmtree(folder, ignore_errors=True)
    return folder


def _cut(checkpoint: Checkpoint, layers: int, folder: Path) -> Checkpoint:
    """A checkpoint with so many of its layers, written to a folder."""
    count = checkpoint.layers
    whole_number("layers", layers, least=2, most=count)
    kept = np.linspace(0, count - 1, layers).round().astype(int).tolist()
    config = {**checkpoint.config}
    (key,) = (name for name in LAYERS if name in config)
    config[key] = layers
    if "global_attn_every_n_layers" in config and "layer_types" not in config:
        raise InputError(
            f"{checkpoint.name}: which of its layers see all tokens follows from their number, so "
            "none can be left out. Save it once with transformers 5, which writes layer_types."
        )
    if "layer_types" in config:
        config["layer_types"] = [config["layer_types"][layer] for layer in kept]
    weights, tensors = checkpoint.weights, {}
    for name in weights.names:
        layer = _LAYER.search(name)
        new = name
        if layer:
            if int(layer[3]) not in kept:
                continue
            number = kept.index(int(layer[3]))
            new = f"{name[: layer.start(3)]}{number}{name[layer.end(3) :]}"
        if not name.endswith("position_ids"):
            tensors[new] = weights.get(name, weights.shape(name))
    write(replace(checkpoint, config=config), folder, {checkpoint.transformer: tensors})
    return replace(read(folder), name=checkpoint.name)

"""A tower of a few weights, with dropout, that learns where points lie in milliseconds."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from sememe.data import Example
from sememe.evaluation.outcome import History
from sememe.training.losses.pairs import CoSENTLoss, SoftmaxLoss
from sememe.training.settings import TrainingSettings
from sememe.training.towers import Part, Tower
from sememe.training.trainer import Objective, Trainer

DIM = 3
Point = tuple[float, ...]


class Points(Tower):
    """Points in the plane to vectors."""

    def __init__(self, seed: int = 0, dropout: float = 0.1) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.net = nn.Sequential(
            nn.Linear(2, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Dropout(dropout), nn.Linear(8, DIM)
        )

    def parts(self, items: Sequence[Point]) -> list[Part]:
        halves = np.array_split(np.arange(len(items)), 1 + (len(items) > 12))
        return [Part(rows, (torch.tensor([items[i] for i in rows]),)) for rows in halves]

    def forward(self, *inputs: Any) -> Any:
        return self.net(inputs[0])


def pairs(count: int, kind: str = "scores", seed: int = 0) -> list[Example]:
    """Pairs of points; their score is the cosine of them, their label whether it is above 0."""
    a, b = np.random.default_rng(seed).normal(size=(2, count, 2)).astype(np.float32)
    cosines = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    targets = (cosines > 0).astype(int) if kind == "labels" else cosines
    rows = zip(a.tolist(), b.tolist(), targets.tolist(), strict=True)
    return [Example((tuple(x), tuple(y)), target) for x, y, target in rows]


HELD_OUT = pairs(60, seed=1)


def quality(tower: Any) -> float:
    """How well cosines agree with scores on points that were not trained on."""
    a, b = (tower.encode([example.texts[i] for example in HELD_OUT]) for i in (0, 1))
    cosines = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    return float(np.corrcoef(cosines, [example.target for example in HELD_OUT])[0, 1])


def objectives() -> list[Objective]:
    """Two data sets of different kinds, one loss with weights of its own."""
    torch.manual_seed(3)
    return [
        Objective(pairs(40), CoSENTLoss(), 2.0),
        Objective(pairs(30, "labels", seed=2), SoftmaxLoss(DIM, 2), 1.0),
    ]


def run(
    folder: Path | None = None, tower: Any = None, **settings: Any
) -> tuple[History, dict[str, Any]]:
    """Train; what happened, and all weights."""
    tower = Points() if tower is None else tower
    defaults = {"epochs": 6, "batch_size": 8, "learning_rate": 0.02, "precision": "f32",
            "evaluations": 2, "device": "cpu", "save_minutes": 0}  # fmt: skip
    trainer = Trainer(
        tower,
        objectives(),
        TrainingSettings(**{**defaults, **settings}),
        measure=quality,
        folder=folder,
    )
    history = trainer.run()
    return history, tower.state_dict()


def write(folder: Path, output: Path) -> None:
    """`run`, and what came of it in a file."""
    history, weights = run(folder)
    torch.save((history.losses, history.evaluations, history.best, weights), output)

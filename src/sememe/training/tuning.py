"""Tune a student by a cross-encoder: propose, score, train, and propose again with the student.

A linear map that the scores teach is where it begins (`sememe.cascade`). What the map leaves of
the scores, the student's own weights learn; all pairs that nobody scored keep their cosine, for a
cross-encoder knows neighbours and not what lies far apart.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy.sparse import csr_array

from sememe.cascade.edges import Edges, Values, standardized
from sememe.cascade.scores import Reader
from sememe.checkpoint import read
from sememe.costs import Budget
from sememe.data.examples import Example
from sememe.evaluation.outcome import Choice, History
from sememe.neighbors import normalized
from sememe.training import lessons
from sememe.training.lessons import Floats, Student, Task
from sememe.training.losses.loss import Loss, Outputs, Tensor, unit
from sememe.training.proposals import Pool, pools
from sememe.training.settings import TrainingSettings
from sememe.training.trainer import Objective, Trainer
from sememe.training.transformer_student import StudentTower, new_folder

_ROUNDS = 2
_FOR_MAP = 3  # pairs a text
_PROPOSED = 3  # kinds of pairs in a round, each as many as a text has neighbours
_GROUP, _GROUPS = 8, 8  # texts that are near each other, and such groups in a batch
_RATE = 1e-4
_STEP = 0.5  # standard deviations of cosines for one of what they leave of the scores


class NeighborhoodLoss(Loss):
    """Brings cosines of scored pairs to their targets, and keeps those of all other pairs.

    Columns: g texts each; targets: their rows, int64 (n, g).

    Args:
        targets: float32 (texts, texts), the cosine that each scored pair is to have.
        before: float32 (texts, dim), unit vectors whose cosines other pairs keep.
    """

    def __init__(self, targets: csr_array, before: Floats) -> None:
        super().__init__()
        self.targets, self.before = targets, before

    def forward(self, outputs: Outputs) -> Tensor:
        """The loss of groups of texts."""
        vectors, rows = unit(torch.cat(outputs.columns)), outputs.targets.T.flatten()
        cosines, places = vectors @ vectors.T, rows.cpu().numpy()
        block = self.targets[places][:, places].toarray()
        targets = torch.from_numpy(block).to(cosines)
        old = self.before[places]
        before = torch.from_numpy(old @ old.T).to(cosines)
        scored, other = targets != 0, rows != rows[:, None]  # a cosine of 0 exactly is nobody's
        learned = (cosines - targets).square()[scored]
        held = (cosines - before).square()[other & ~scored]
        return sum(values.sum() / max(len(values), 1) for values in (learned, held))


@dataclass(frozen=True)
class _Groups:
    """The first texts (queries, if there are some), each with others that it was scored with."""

    texts: Sequence[str]
    anchors: int
    partners: csr_array
    seed: int

    def __len__(self) -> int:
        return max(2, len(self.texts) // _GROUP)

    def __getitem__(self, i: int) -> Example:
        random = np.random.default_rng([self.seed, i])
        anchor = int(random.integers(self.anchors))
        starts = self.partners.indptr
        others = self.partners.indices[starts[anchor] : starts[anchor + 1]]
        others = others if len(others) else np.array([anchor])
        drawn = random.choice(others, _GROUP - 1, replace=len(others) < _GROUP - 1)
        rows = (anchor, *map(int, drawn))
        return Example(tuple(self.texts[row] for row in rows), rows)


def tune(task: Task, *, vouched: bool) -> Student:
    """Train a student by what a cross-encoder says of its neighbours.

    Args:
        task: whose budget is how many pairs the teacher may read.
        vouched: whether labels say that the teacher is better than the student; else the cascade
            has to trust it.

    Raises:
        InputError: a teacher that is neither vouched for nor trusted.
        JobError: a full disk; what is done is kept.
    """
    pool, held = pools(task)
    first, rest = _shared(task.budget, pool)
    cascade = pool.taught(task, first)
    begin, lesson = task.checkpoint, cascade.lesson
    if cascade.map is not None:
        start = new_folder(task.job.folder / "start")
        lessons.write_map(begin, start, cascade.map)
        begin = replace(read(start), name=begin.name)
    elif not vouched:
        raise lessons.no_student(
            cascade.report,
            "Labelled data (dev=, --dev) on which the teacher is better than the student would "
            "vouch for it.",
        )
    torch.manual_seed(task.seed)
    tower = StudentTower(begin)
    half = held.anchors // 2
    chooses, judges = (held.exam(task, part) for part in (slice(half), slice(half, None)))
    most = _ROUNDS * _PROPOSED * pool.size * pool.anchors
    reader = Reader(task.teacher, pool.texts, rest, most, task.progress, queries=pool.queries)
    assert lesson is not None
    edges, logits, moved = lesson.scored, lesson.logits, cascade.vectors
    settings = TrainingSettings(
        batch_size=_GROUPS, learning_rate=_RATE, weight_decay=0.0, seed=task.seed
    )
    history = History()
    for number in range(1, _ROUNDS + 1):
        new = pool.proposals(moved) - edges
        new = new[: reader.remaining // (_ROUNDS - number + 1)]
        read_now = reader.read(new.first, new.second)
        edges, logits = edges + new[: len(read_now)], np.append(logits, read_now)
        targets = _target_cosines(edges, logits, cascade.vectors)
        groups = _Groups(pool.prompted, pool.anchors, targets, task.seed + number)
        folder = task.job.folder / f"round-{number}"
        folder.mkdir(exist_ok=True)
        trainer = Trainer(
            tower, [Objective(groups, NeighborhoodLoss(targets, cascade.vectors))], settings,
            measure=lambda t: lessons.fidelity(chooses, t).value, folder=folder,
        )  # fmt: skip
        history = _joined(history, trainer.run(task.progress))
        if not trainer.history.best:
            break  # it agrees with its teacher no better than before
        moved = normalized(tower.encode(pool.prompted)) if number < _ROUNDS else moved
    trust, seconds = cascade.report, cascade.report.seconds + reader.seconds
    choices = [
        *lessons.trust_choices(trust, "yes" if cascade.map else "by labels", len(edges), seconds),
        Choice("rounds", number, f"{_ROUNDS} at most; none follows one that does not help"),
    ]
    return Student(task.student, choices, tower.save, judges, history, trainer.precision)


def _shared(budget: Budget, pool: Pool) -> tuple[Budget, Budget]:
    """What the map may cost, and what is left."""
    if budget.seconds:
        return Budget(seconds=budget.seconds / 4), Budget(seconds=budget.seconds * 3 / 4)
    pairs = pool.count(budget)
    first = min(_FOR_MAP * len(pool.texts), pairs if pool.queries == 0 else pairs // 2)
    return Budget(pairs=first), Budget(pairs=pairs - first)


def _target_cosines(edges: Edges, logits: Values, vectors: Floats) -> csr_array:
    """The cosine that each scored pair is to have, float32 (texts, texts), symmetric.

    It is the one it has, and a share of what a line over the cosines leaves of the logits.
    """
    cosines, target = edges.products(vectors, vectors), edges.centered(logits)
    rest = standardized(target - np.polyval(np.polyfit(cosines, target, 1), cosines))
    values = np.tile(cosines + _STEP * cosines.std() * rest, 2)
    ends = (np.append(edges.first, edges.second), np.append(edges.second, edges.first))
    return csr_array((values, ends), shape=(edges.texts, edges.texts), dtype=np.float32)


def _joined(first: History, second: History) -> History:
    """Two histories, one behind the other."""
    start, before = len(first.losses), len(first.evaluations)
    return History(
        first.losses + second.losses,
        first.rates + second.rates,
        first.evaluations + [(start + step, value) for step, value in second.evaluations],
        first.best if before and not second.best else before + (second.best or 0),
    )

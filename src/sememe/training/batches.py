"""Which rows make which batch: decided by seed and step alone, so that a job resumes anywhere."""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Protocol, TypeGuard

import numpy as np
import numpy.typing as npt

from sememe.data.examples import Example, Examples
from sememe.errors import InputError

Ints = npt.NDArray[np.int64]


class Rows(Protocol):
    """Examples of anything, by number."""

    def __len__(self) -> int: ...

    def __getitem__(self, i: int) -> Example: ...


class Batches:
    """Batches of one or more data sets in turn: the data set's place, and its rows, int64 (size,).

    `batches[step]` needs no step before it; `per_epoch` is the number of steps in an epoch. Without
    `weights` every row comes once an epoch. A part's last batch may be short; a row that would be
    alone in it joins the batch before. With `weights`, how often each part is drawn, an epoch has
    about as many batches, and a part that has ended begins again in another order. `epochs` may be
    a fraction.

    With `per_label` a batch holds so many rows of each of batch_size / per_label labels, as
    batch-hard triplets need (Hermans, Beyer and Leibe, 2017). Labels come equally often, large or
    small, so in an epoch some rows may be missing and others come again. InputError for sizes or
    labels that do not fit together.
    """

    def __init__(
        self,
        parts: Sequence[Rows],
        batch_size: int,
        *,
        weights: Sequence[float] | None = None,
        seed: int = 0,
        epochs: float = 1,
        per_label: int = 0,
    ) -> None:
        self._parts = parts
        self._size = batch_size
        self._seed = seed
        self._per_label = per_label
        self._batches = np.array([self._count(part) for part in parts])
        self._shares = self._batches if weights is None else _shares(weights, self._batches)
        self.per_epoch = int(self._shares.sum())
        self._steps = max(1, round(epochs * self.per_epoch))
        # Steps mostly come in order, so the newest of each is enough.
        self._order = lru_cache(1)(self._draw_order)
        self._rows = lru_cache(len(parts))(self._draw_rows)

    def __len__(self) -> int:
        return self._steps

    def __getitem__(self, step: int) -> tuple[int, Ints]:
        if not 0 <= step < self._steps:
            raise IndexError(f"step {step} of {self._steps}")
        epoch, place = divmod(step, self.per_epoch)
        part, turn = (int(each[place]) for each in self._order(epoch))
        # Shares do not change, so they tell how many turns the part has had in earlier epochs.
        cycle, nth = divmod(epoch * int(self._shares[part]) + turn, int(self._batches[part]))
        end = None if nth + 1 == self._batches[part] else (nth + 1) * self._size
        return part, self._rows(part, cycle)[nth * self._size : end]

    def _count(self, part: Rows) -> int:
        if not (self._per_label and _labelled(part)):
            return max(1, math.ceil((len(part) - (self._size > 1)) / self._size))
        labels, fit = len(set(np.asarray(part.targets).tolist())), self._size / self._per_label
        if fit not in range(2, labels + 1):
            raise InputError(
                f"a batch of {self._size} with {self._per_label} of each label has {fit:g} labels; "
                f"with the {labels} of {part.name} that must be a whole number from 2 to {labels}"
            )
        return max(1, len(part) // self._size)

    def _draw_order(self, epoch: int) -> tuple[Ints, Ints]:
        """The part of each step of an epoch, and which of its turns in this epoch that is."""
        rng = np.random.default_rng([self._seed, epoch, len(self._parts)])
        parts = rng.permutation(np.repeat(np.arange(len(self._parts)), self._shares))
        turns = np.empty_like(parts)
        turns[np.argsort(parts, kind="stable")] = np.concatenate(list(map(np.arange, self._shares)))
        return parts, turns

    def _draw_rows(self, part: int, cycle: int) -> Ints:
        rng, examples = np.random.default_rng([self._seed, cycle, part]), self._parts[part]
        order = rng.permutation(len(examples))
        if not (self._per_label and _labelled(examples)):
            return order
        targets, fit = np.asarray(examples.targets)[order], self._size // self._per_label
        labels, needed = np.unique(targets), int(self._batches[part]) * fit
        # A round of all labels ends where a batch ends, so that no batch has a label twice.
        a_round = len(labels) // fit * fit
        rounds = [rng.permutation(labels)[:a_round] for _ in range(-(-needed // a_round))]
        turns = np.concatenate(rounds)[:needed]
        drawn = np.empty((needed, self._per_label), np.int64)
        for label in labels:
            shape = (int(np.sum(turns == label)), self._per_label)
            drawn[turns == label] = np.resize(order[targets == label], shape)
        return drawn.ravel()


def _labelled(part: Rows) -> TypeGuard[Examples]:
    return isinstance(part, Examples) and part.kind == "labelled texts"


def _shares(weights: Sequence[float], batches: Ints) -> Ints:
    relative = np.asarray(weights, float)
    shares = np.maximum(1, np.rint(relative / relative.sum() * batches.sum()))
    return np.asarray(shares, np.int64)


class LabelPairs:
    """Labelled texts as pairs: each text in turn, beside another of its label drawn at random.

    The target of a pair is its label, by which a ranking loss knows that texts of the same label
    are no negatives; those of other labels come with the batch. Each text begins `rounds` pairs;
    which ones, the seed and a pair's number decide.
    """

    def __init__(self, examples: Examples, rounds: int, seed: int = 0) -> None:
        self._examples, self._rounds, self._seed = examples, rounds, seed
        self._labels = np.asarray(examples.targets)
        self._order = np.argsort(self._labels, kind="stable")
        self._places = np.argsort(self._order)
        self._sizes = np.bincount(self._labels)
        self._starts = np.cumsum(self._sizes) - self._sizes

    def __len__(self) -> int:
        return self._rounds * len(self._examples)

    def __getitem__(self, i: int) -> Example:
        row = i % len(self._examples)
        start, size = (each[self._labels[row]] for each in (self._starts, self._sizes))
        # Some places further on in the label's circle: never itself, unless it is alone.
        step = np.random.default_rng([self._seed, i]).integers(1, max(size, 2))
        other = self._order[start + (self._places[row] - start + step) % size]
        first, target = self._examples[row]
        return Example((*first, *self._examples[other].texts), target)

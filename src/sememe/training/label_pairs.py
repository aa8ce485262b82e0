"""Pairs of texts of one label, drawn one by one: all of them would be n²."""

import numpy as np

from sememe.data.examples import Example, Examples


class LabelPairs:
    """Labelled texts as pairs: each text in turn, beside another of its label drawn at random.

    The target of a pair is its label, by which a ranking loss knows that texts of the same label
    are no negatives; those of other labels come with the batch. A pair follows from its number and
    the seed alone.

    Args:
        examples: labelled texts.
        rounds: how many pairs each of them begins.
        seed: decides which.
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

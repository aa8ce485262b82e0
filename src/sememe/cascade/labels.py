"""What people say belongs together, and what a cross-encoder gains by it: with an interval."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sememe.arguments import shown
from sememe.cascade.edges import Edges, Floats, Values
from sememe.cascade.linear import LinearMap
from sememe.data import Data, load
from sememe.errors import InputError
from sememe.neighbors import normalized
from sememe.progress import counted

FEWEST_LABELS = 50

_MOST_TEXTS = 500  # with their groups, of which all pairs are compared
_DRAWS = 500


@dataclass(frozen=True)
class Gain:
    """How much better labelled texts are told apart than by the bi-encoder alone.

    Of so many labels, `unit` "pairs" or "texts" with their groups: how much more average precision
    of "belong together" than the bi-encoder's, and its 95 % interval. `cosine`, `map` and `cross`
    are how much each signal counts, in standard deviations.
    """

    labels: int
    cosine: float
    map: float
    cross: float
    gain: float
    low: float
    high: float
    unit: str = "pairs"

    def is_clear_of(self, bound: float) -> bool:
        """Whether its interval leaves no doubt on which side of a bound it is."""
        return self.low > bound or self.high < bound

    @property
    def is_enough(self) -> bool:
        """Whether the labels bear the cross-encoder out."""
        return self.gain > 0 and self.map + self.cross > 0

    def __str__(self) -> str:
        return (
            f"on {self.labels} labelled {self.unit} the average precision changes by "
            f"{100 * self.gain:+.1f} points (95 % interval {100 * self.low:+.1f} to "
            f"{100 * self.high:+.1f})"
        )


@dataclass(frozen=True)
class Labels:
    """Pairs of texts, and whether the two of each belong together, `same`, bool (pairs,).

    The `unit` is "pairs", or "texts" if these are all pairs of texts whose groups were labelled.
    """

    texts: list[str]
    pairs: Edges
    same: NDArray[np.bool_]
    unit: str

    @classmethod
    def read(cls, data: Data, *, groups: bool) -> "Labels":
        """Labels from a file or from memory: two texts and a label, 1 where they belong together.

        With `groups`, a text and the name of its group are welcome too.

        Raises:
            InputError: other data, labels of which it isn't plain what they mean, fewer than 50, or
                only one kind.
            TableError: a file that cannot be read.
        """
        examples = load(data, fewest=1)
        rows = [example.texts for example in examples]
        targets = np.asarray(examples.targets)
        if examples.kind == "labelled pairs" and examples.positive_label is not None:
            differ = np.array([one != other for one, other in rows])
            texts = list(dict.fromkeys(text for row in rows for text in row))
            row_of = {text: row for row, text in enumerate(texts)}
            ends = np.sort([[row_of[text] for text in row] for row in rows], axis=1)[differ]
            same = (targets == examples.positive_label)[differ]
            unit, count = "pairs", len(same)
        elif groups and examples.kind == "labelled texts":
            group = dict(zip((text for (text,) in reversed(rows)), targets[::-1], strict=True))
            texts = list(dict.fromkeys(text for (text,) in rows))
            if len(texts) > _MOST_TEXTS:
                sample = np.random.default_rng(0).choice(len(texts), _MOST_TEXTS, replace=False)
                texts = [texts[row] for row in np.sort(sample)]
            ends = np.stack(np.triu_indices(len(texts), 1), axis=1)
            numbers = np.array([group[text] for text in texts])
            same = numbers[ends[:, 0]] == numbers[ends[:, 1]]
            unit, count = "texts", len(texts)
        else:
            offer = ", or texts with the names of their groups" if groups else ""
            raise InputError(
                f"labels= are {examples.kind}: give pairs of texts with a label that is 1 for "
                f"those that belong together and 0 for others{offer}."
            )
        if count < FEWEST_LABELS or same.all() or not same.any():
            raise InputError(
                f"labels= has {int(same.sum())} pairs that belong together and "
                f"{int((~same).sum())} others, of {count} {unit}: give at least {FEWEST_LABELS} "
                f"labelled {unit}, and some of both kinds."
            )
        return cls(texts, Edges(ends[:, 0], ends[:, 1], len(texts)), same, unit)

    def vectors(
        self, texts: Sequence[str], points: Floats, encode: Callable[[list[str]], Any] | None
    ) -> Floats:
        """Unit vectors of the labelled texts: `points`, of `texts`, or what `encode` gives."""
        row_of = {text: row for row, text in reversed([*enumerate(texts)])}
        others = [text for text in self.texts if text not in row_of]
        if others and encode is None:
            raise InputError(
                f"labels= has {counted(len(others), 'text')} that are not among texts, such as "
                f"{shown(others[0])}: give an encoder beside vectors=, or labels of these texts."
            )
        row_of |= {text: len(texts) + row for row, text in enumerate(others)}
        if others and encode is not None:
            points = np.concatenate([points, normalized(encode(others))])
        return np.asarray(points[[row_of[text] for text in self.texts]])

    def __len__(self) -> int:
        return len(self.texts) if self.unit == "texts" else len(self.same)

    def compared(
        self, scores: Values, others: Values, looks: int = 1
    ) -> tuple[float, float, float]:
        """The average precision of scores of the pairs less that of others, and its 95 % interval.

        The bootstrap (Efron and Tibshirani, 1993) draws what was labelled, pairs or texts, with
        replacement; a pair of texts then counts as often as both were drawn together. Where it is
        one of several `looks`, the interval is wide enough for all of them together (Bonferroni).
        """
        places = [np.unique(-each, return_inverse=True)[1] for each in (scores, others)]

        def difference(weights: Values) -> float:
            relevant = weights * self.same
            if not relevant.any():
                return float("nan")
            one, other = (_average_precision(place, weights, relevant) for place in places)
            return one - other

        random = np.random.default_rng(0)
        draws = []
        for _ in range(_DRAWS):
            times = np.bincount(random.integers(0, len(self), len(self)), minlength=len(self))
            if self.unit == "texts":
                times = times[self.pairs.first] * times[self.pairs.second]
            draws.append(difference(times.astype(np.float64)))
        low, high = np.nanquantile(draws, [0.025 / looks, 1 - 0.025 / looks])
        return difference(np.ones(len(self.same))), float(low), float(high)


@dataclass(frozen=True)
class Evidence:
    """Labels, unit vectors (texts of the labels, dim), and the gain after which no more is read.

    `looks` is how often the gain is looked at, at the most; a `target` of None spends the budget.
    """

    labels: Labels
    vectors: Floats
    target: float | None = None
    looks: int = 1

    def gain(self, linear_map: LinearMap, rho: float) -> Gain:
        """What a map gains over centred vectors: centring alone takes no cross-encoder."""
        alone = normalized(self.vectors - linear_map.mean)
        moved = linear_map.move(self.vectors)
        pairs = self.labels.pairs
        after, before = (pairs.products(each, each) for each in (moved, alone))
        gain = self.labels.compared(after, before, self.looks)
        return Gain(len(self.labels), 1.0, rho, 0.0, *gain, self.labels.unit)


def _average_precision(place: NDArray[np.int64], weights: Values, relevant: Values) -> float:
    """The mean precision over relevant items, weighed; items of one place come in together."""
    items = np.bincount(place, weights).cumsum()
    hits = np.bincount(place, relevant).cumsum()
    return float((np.diff(hits, prepend=0) * hits / np.maximum(items, 1e-12)).sum() / hits[-1])

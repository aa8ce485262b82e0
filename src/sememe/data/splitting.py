"""A part to measure on, of which no text is in the part to train on."""

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from sememe.data.examples import Examples, load
from sememe.data.reading import Data, Roles
from sememe.errors import ChoiceWarning, InputError, warn

Ints = npt.NDArray[np.int64]

# What the two parts may share, by how many columns still keep rows together.
_SHARED = {2: "a negative of one", 0: "a text of one"}
_HELD_OUT, _MOST_HELD_OUT = 0.2, 2000


def hold_out(
    examples: Examples, dev: Data | Examples | None, seed: int = 0, columns: Roles = None
) -> tuple[Examples, Examples | None]:
    """Examples to train on, and those to measure on.

    A `dev` of None holds out a fifth, 2,000 at the most; "none" measures nothing. Raises TableError
    or InputError for a `dev` of another kind, or with a label that no training example has.
    """
    if dev is None:
        size = min(_MOST_HELD_OUT, max(2, round(_HELD_OUT * len(examples))))
        return split(examples, size, seed)
    if isinstance(dev, str) and dev == "none":
        return examples, None
    return examples, dev if isinstance(dev, Examples) else load(dev, columns=columns, like=examples)


def split(examples: Examples, size: float, seed: int = 0) -> tuple[Examples, Examples]:
    """Examples to train on and examples held out, each in the file's order; one split a seed.

    Rows that share a text, directly or by way of others, stay together; labels keep their
    proportions. Where too many rows hang together for that, negatives may be shared, and if that
    does not help any text: a ChoiceWarning says so. `size` is how many to hold out, or a fraction
    below 1; it may be a few fewer, where groups of rows do not add up to it, and InputError if it
    leaves one part empty.
    """
    n = len(examples)
    count = max(1, round(size * n)) if 0 < size < 1 else int(size)
    if not 0 < count < n:
        raise InputError(
            f"{size} of the {n} examples of {examples.name} cannot be held out; give a fraction "
            f"between 0 and 1, or a number from 1 to {n - 1}"
        )
    strata = np.asarray(examples.targets if examples.labels else np.zeros(n), np.int64)
    width = len(examples.columns)
    for columns in sorted({width, min(width, 2), 0}, reverse=True):
        groups = _connected_rows(examples.keys()[:, :columns])
        is_held_out = _choose_groups(groups, strata, count, np.random.default_rng(seed))
        if 2 * is_held_out.sum() >= count:
            break
    if columns < width:
        warn(
            f"too many rows of {examples.name} share texts with each other: {_SHARED[columns]} "
            "part may be in the other part too",
            ChoiceWarning,
        )
    return (
        examples.subset(np.flatnonzero(~is_held_out)),
        examples.subset(np.flatnonzero(is_held_out)),
    )


def _connected_rows(keys: Ints) -> Ints:
    """The number of each row's group; rows that share a key are in one group."""
    n, columns = keys.shape
    texts, place = np.unique(keys, return_inverse=True)
    ends = (np.repeat(np.arange(n), columns), n + place.ravel())
    graph = coo_array((np.ones(keys.size, bool), ends), shape=(n + len(texts),) * 2)
    groups: Ints = connected_components(graph, directed=False)[1][:n]
    return groups


def _choose_groups(
    groups: Ints, strata: Ints, count: int, rng: np.random.Generator
) -> npt.NDArray[np.bool_]:
    """Which rows to hold out: complete groups, as many of every stratum, `count` at the most."""
    sizes = np.bincount(groups)
    stratum_of = np.zeros_like(sizes)
    stratum_of[groups] = strata
    # Shuffled within its stratum, each group stands a fraction of the way through it; to take the
    # smallest fractions is to take as much of every stratum.
    order = rng.permutation(len(sizes))
    order = order[np.argsort(stratum_of[order], kind="stable")]
    stratum = stratum_of[order]
    totals = np.bincount(stratum, sizes[order])
    position = np.cumsum(sizes[order]) - sizes[order] / 2 - (np.cumsum(totals) - totals)[stratum]
    is_held_out = np.zeros(len(sizes), bool)
    for group in order[np.lexsort((rng.random(len(order)), position / totals[stratum]))]:
        if sizes[group] <= count:
            is_held_out[group] = True
            count -= sizes[group]
    return is_held_out[groups]

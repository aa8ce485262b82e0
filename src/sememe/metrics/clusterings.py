"""How far two ways to group the same items agree, whatever the groups are called.

All are 1 where the groups are the same. ARI and AMI are 0 on average where groups of these sizes
are drawn by chance; V-measure is above 0 then, the more so the more groups there are. A bootstrap
over items has no place here: an item drawn twice agrees with itself, which raises all three.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sememe.metrics.checks import labels

Sizes = NDArray[np.intp]


def v_measure(found: ArrayLike, gold: ArrayLike) -> float:
    """Mutual information over the mean entropy (Rosenberg and Hirschberg, 2007).

    Both are labels (n,), text or whole numbers. Raises InputError where there are no rows,
    different numbers of them, or a missing label (None or NaN).
    """
    return _shared_information(found, gold, adjusted=False)


def adjusted_mutual_info(found: ArrayLike, gold: ArrayLike) -> float:
    """The same less what chance gives (AMI; Vinh, Epps and Bailey, 2010); the rest as there."""
    return _shared_information(found, gold, adjusted=True)


def adjusted_rand(found: ArrayLike, gold: ArrayLike) -> float:
    """Pairs of items that both put together, less chance (ARI; Hubert and Arabie, 1985).

    Arguments and errors as in `v_measure`.
    """
    sizes = _sizes(found, gold)
    if _same(*sizes):
        return 1.0
    rows, columns, cells = (float((group * (group - 1.0)).sum()) for group in sizes)
    n = sizes[0].sum()
    chance = rows * columns / (n * (n - 1.0))
    return float((cells - chance) / ((rows + columns) / 2 - chance))


def _shared_information(found: ArrayLike, gold: ArrayLike, *, adjusted: bool) -> float:
    rows, columns, cells = _sizes(found, gold)
    if _same(rows, columns, cells):
        return 1.0
    entropy = (_entropy(rows) + _entropy(columns)) / 2
    information = max(0.0, 2 * entropy - _entropy(cells))
    chance = _information_by_chance(rows, columns) if adjusted else 0.0
    return (information - chance) / (entropy - chance)


def _sizes(found: ArrayLike, gold: ArrayLike) -> tuple[Sizes, ...]:
    """How large the groups found are, the true ones, and where one meets the other."""
    classes, (first, second) = labels(found=found, gold=gold)
    both = first * len(classes) + second
    return tuple(np.unique(codes, return_counts=True)[1] for codes in (first, second, both))


def _same(rows: Sizes, columns: Sizes, cells: Sizes) -> bool:
    return len(rows) == len(columns) == len(cells)


def _entropy(sizes: Sizes) -> float:
    share = sizes / sizes.sum()
    return float(-(share * np.log(share)).sum())


def _information_by_chance(rows: Sizes, columns: Sizes) -> float:
    """The mean over all ways to draw groups of these sizes: a cell is hypergeometric then."""
    from scipy.special import gammaln

    n, total = rows.sum(), 0.0
    log_factorial = gammaln(np.arange(n + 1) + 1.0)
    sizes, times = np.unique(columns, return_counts=True)  # equal sizes are computed once
    for a, a_times in zip(*np.unique(rows, return_counts=True), strict=True):
        for b, b_times in zip(sizes, times, strict=True):
            cell = np.arange(max(1, a + b - n), min(a, b) + 1)
            ways = log_factorial[[a, b, n - a, n - b]].sum() - log_factorial[n]
            for part in (cell, a - cell, b - cell, n - a - b + cell):
                ways = ways - log_factorial[part]
            total += a_times * b_times * (cell / n * np.log(n * cell / (a * b))) @ np.exp(ways)
    return float(total)

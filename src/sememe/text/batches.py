"""Pack texts into batches under a token budget.

Sorted by length, a batch of `rows` texts costs `rows × longest` tokens with hardly any padding;
the budget bounds that cost, so batches take about equal time whatever the texts are.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sememe.text.tokenizer import Ints, Tokens

Rows = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Batch:
    """Texts that are computed together.

    Attributes:
        rows: where each text stands among all, intp (b,).
        ids: token ids, padded with 0, int32 (b, longest).
        lengths: tokens of each text, int32 (b,).
        skip: how many first tokens (a prompt's) the pooling leaves out.
        second: of pairs, where tokens of the second type begin, int32 (b,); None for single texts.
    """

    rows: Rows
    ids: Ints
    lengths: Ints
    skip: int = 0
    second: Ints | None = None


def pack(lengths: Ints, budget: int) -> Iterator[Rows]:
    """Yield the rows of each batch, longest texts first; every row comes exactly once.

    A batch's cost, `rows × longest`, is at most `budget`, unless a single text is longer.

    Example:
        >>> [rows.tolist() for rows in pack(np.array([3, 9, 3, 2], np.int32), budget=9)]
        [[1], [0, 2, 3]]
    """
    order = np.argsort(-lengths, kind="stable")
    start = 0
    while start < len(order):
        size = max(1, budget // max(1, int(lengths[order[start]])))
        yield order[start : start + size]
        start += size


def batches(tokens: Tokens, rows: Rows, budget: int) -> Iterator[Batch]:
    """Yield padded batches of some of the texts."""
    for packed in pack(tokens.lengths[rows], budget):
        members = rows[packed]
        second = None if tokens.second is None else tokens.second[members]
        yield Batch(members, tokens.padded(members), tokens.lengths[members], second=second)

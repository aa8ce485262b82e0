"""Find the pairs of texts that are close in meaning, exactly, in memory linear in the texts."""

from collections.abc import Iterable
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sememe.errors import InputError
from sememe.neighbors import close, unit
from sememe.pairs.result import Pairs
from sememe.pairs.suggestion import suggested
from sememe.text import check_texts


class Encoder(Protocol):
    """What is asked of an encoder."""

    def encode(self, texts: list[str]) -> Any:
        """A vector a text."""
        ...


def find_pairs(
    texts: Iterable[str],
    encoder: Encoder,
    *,
    threshold: float | None = None,
    top: int | None = None,
) -> Pairs:
    """Find the texts that say (nearly) the same.

    Every pair is found: none is missed by an approximate index. Memory is that of the vectors and of the
    pairs found, whatever the number of texts.

    Args:
        texts: any iterable of str.
        encoder: a bi-encoder.
        threshold: the least cosine of a pair, over -1 and up to 1. Without it and without `top`,
            one is suggested from the texts' own similarities; `Pairs.why` says how.
        top: so many pairs, the closest ones.

    Returns:
        Pairs: first, second int32 and score float32 arrays, the closest first.

    Raises:
        InputError: a text that is not a str (which one), both arguments, one out of its range, or
            a threshold that more than 50 million pairs pass.

    Example:
        >>> class Letters:
        ...     def encode(self, texts):
        ...         return [[text.count("a"), text.count("b")] for text in texts]
        >>> found = find_pairs(["aaab", "aab", "b"], Letters(), threshold=0.9)
        >>> found.first.tolist(), found.second.tolist()
        ([0], [1])
    """
    listed = check_texts(texts)
    _check(threshold, top)
    vectors = encoder.encode(listed) if listed else np.empty((0, 0), np.float32)
    return pair_vectors(vectors, listed, threshold=threshold, top=top)


def pair_vectors(
    vectors: ArrayLike,
    texts: Iterable[str],
    *,
    threshold: float | None = None,
    top: int | None = None,
) -> Pairs:
    """Do what `find_pairs` does with vectors (n, dim) that are there already, of any length."""
    listed = check_texts(texts)
    _check(threshold, top)
    rows = unit(vectors)
    if len(rows) != len(listed):
        raise InputError(f"{len(rows)} vectors for {len(listed)} texts: give one vector a text.")
    first_row: dict[str, int] = {}
    copy_of = np.array([first_row.setdefault(text, row) for row, text in enumerate(listed)], int)
    different, why = np.flatnonzero(copy_of == np.arange(len(listed))), None
    base = rows if len(different) == len(rows) else rows[different]
    if top is not None:
        found = close.closest(base, top)
    else:
        if threshold is None:
            threshold, why = suggested(base)
        found = close.closer_than(base, threshold)
    return _with_copies(found, different, copy_of, listed, top, threshold, why)


def _with_copies(
    found: close.Pairs,
    different: NDArray[np.int64],
    copy_of: NDArray[np.int64],
    texts: list[str],
    top: int | None,
    threshold: float | None,
    why: str | None,
) -> Pairs:
    """Pairs of different texts, and each copy with its original in front of them."""
    copies = np.flatnonzero(copy_of != np.arange(len(texts)))
    first = np.concatenate([copy_of[copies], different[found.first]]).astype(np.int32)
    second = np.concatenate([copies, different[found.second]]).astype(np.int32)
    ones = np.ones(len(copies), np.float32)
    score = np.concatenate([ones, np.minimum(found.similarity, 1)]).astype(np.float32)
    order = np.lexsort((second, first, -score))[:top]
    least = float(score[order[-1]]) if threshold is None and len(order) else threshold
    return Pairs(first[order], second[order], score[order], texts, float(least or 0), why)


def _check(threshold: float | None, top: int | None) -> None:
    if threshold is not None and top is not None:
        raise InputError("threshold= and top= exclude one another: give one of the two.")
    if threshold is not None and not -1 < threshold <= 1:
        raise InputError(f"threshold={threshold}: a cosine over -1 and up to 1 is needed.")
    if top is not None and top < 1:
        raise InputError(f"top={top}: ask for at least 1 pair.")

"""Find the texts that mean (nearly) the same: all pairs of them, exactly, in linear memory."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sememe.errors import InputError
from sememe.neighbors import ClosePairs, checked, closer_than, closest, unit
from sememe.pairs.result import Pairs
from sememe.pairs.suggestion import suggested
from sememe.text import Encoder, check_texts

_ROUNDING = 1e-6


def find_pairs(
    texts: Iterable[str],
    encoder: Encoder,
    *,
    threshold: float | None = None,
    top: int | None = None,
) -> Pairs:
    """Find the texts that say (nearly) the same.

    All pairs are found, none is missed by an approximate index. Memory is that of the vectors and
    of the pairs found. Equal vectors in the same order give an equal result.

    Args:
        texts: the texts. A copy of a text is paired, with score 1, with its first copy alone; a
            blank text says nothing, and is in no pair.
        encoder: anything with `.encode(texts)`, such as a `BiEncoder`.
        threshold: the least cosine of a pair, above -1 and up to 1. Without it and without `top`
            one is suggested from the texts' own similarities, and `Pairs.why` says how.
        top: so many pairs, the closest ones.

    Returns:
        Pairs: `first`, `second` int32 (pairs,), `score` float32 (pairs,), to six decimals,
        the closest first.

    Raises:
        InputError: a text that is not a string, what is no encoder, both arguments or one out of
            its range, more than 20 million pairs, or vectors that are not finite.

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
    if isinstance(encoder, str) or not callable(getattr(encoder, "encode", None)):
        raise InputError(
            f"encoder is {repr(encoder)[:60]}; give what has encode(texts), such as "
            'sememe.BiEncoder("all-MiniLM-L6-v2").'
        )
    vectors = encoder.encode(listed) if listed else np.empty((0, 0), np.float32)
    return pair_vectors(vectors, listed, threshold=threshold, top=top)


def pair_vectors(
    vectors: ArrayLike,
    texts: Iterable[str],
    *,
    threshold: float | None = None,
    top: int | None = None,
) -> Pairs:
    """Do what `find_pairs` does with vectors that are there already.

    Args:
        vectors: float (n, dim), of any length: they are compared by their cosine.
        texts: the n texts. Of identical ones the first vector counts.
        threshold: see `find_pairs`.
        top: see `find_pairs`.

    Raises:
        InputError: as in `find_pairs`, or when there are not as many vectors as texts.

    Example:
        >>> pair_vectors([[1, 0], [1, 0.1], [0, 1]], ["a", "b", "c"], top=1).score.round(3).tolist()
        [0.9950000047683716]
    """
    listed = check_texts(texts)
    _check(threshold, top)
    rows = _unit(vectors)
    if len(rows) != len(listed):
        raise InputError(f"{len(rows)} vectors for {len(listed)} texts: give one vector a text.")
    seen: dict[str, int] = {}
    original = np.array(
        [seen.setdefault(text, row) if text.strip() else -1 for row, text in enumerate(listed)],
        np.int64,
    )
    different, why = np.flatnonzero(original == np.arange(len(listed))), None
    if len(different) < len(rows):
        rows = rows[different]
    if top is not None:
        found = closest(rows, top)
    else:
        if threshold is None:
            threshold, why = suggested(rows)
        found = closer_than(rows, threshold)
    first, second, score = _with_copies(found, different, original)
    if threshold is None:
        threshold = float(score[:top].min(initial=1))
    return Pairs(first[:top], second[:top], score[:top], listed, threshold, why)


def _with_copies(
    found: ClosePairs, different: NDArray[np.int64], original: NDArray[np.int64]
) -> ClosePairs:
    """Pairs of different texts, and each copy with its original (a blank text has none: -1)."""
    copies = np.flatnonzero((original >= 0) & (original != np.arange(len(original))))
    first = np.concatenate([original[copies], different[found.first]]).astype(np.int32)
    second = np.concatenate([copies, different[found.second]]).astype(np.int32)
    ones = np.ones(len(copies), np.float32)
    score = np.concatenate([ones, found.similarity])
    order = np.lexsort((second, first, -score))
    return ClosePairs(first[order], second[order], score[order])


def _unit(vectors: ArrayLike) -> NDArray[np.float32]:
    """Rows of unit length: where they are, the very array: a copy could be most of memory."""
    rows = checked(vectors)
    squares = np.einsum("ij,ij->i", rows, rows)
    return rows if (np.abs(squares - 1) < _ROUNDING).all() else unit(rows)


def _check(threshold: object, top: object) -> None:
    if threshold is not None and top is not None:
        raise InputError("threshold= and top= were both given: give one of them at most.")
    if threshold is not None and not (
        isinstance(threshold, int | float | np.number) and -1 < threshold <= 1
    ):
        raise InputError(f"threshold={threshold!r}: give a cosine above -1 and up to 1, as 0.8.")
    if top is not None and not (isinstance(top, int | np.integer) and top >= 1):
        raise InputError(f"top={top!r}: give a whole number of at least 1.")

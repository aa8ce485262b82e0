"""What is done with vectors once they are computed: truncated, normalised, compared."""

from typing import Any

import numpy as np
import numpy.typing as npt

from sememe.errors import InputError

Vectors = npt.NDArray[Any]


DTYPES = ("float32", "float16", "int8", "binary")


def finish(
    vectors: npt.NDArray[np.float32],
    *,
    normalize: bool,
    truncate_dim: int | None,
    dtype: str,
    limit: float = 0,
) -> Vectors:
    """Truncate, then normalise, then convert; a zero vector stays zero.

    Normalising in float32 here, not in the graph, gives unit length exactly in any precision.
    `limit` is the component that int8 writes as 127: the checkpoint's, never the batch's, so that
    a text's codes do not depend on the other texts. binary is a bit a component, 1 where it is
    above 0, eight to a byte, the first in the highest bit.
    """
    vectors = vectors[:, :truncate_dim]
    if normalize:
        vectors = unit(vectors)
    if dtype == "binary":
        return np.asarray(np.packbits(vectors > 0, axis=1))
    if dtype == "int8":
        scaled = np.rint(vectors * np.float32(127 / limit))
        return np.asarray(np.clip(scaled, -127, 127), dtype=np.int8)
    return np.ascontiguousarray(vectors, dtype=dtype)


def softmax(logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Probabilities of each row (n, labels), without overflow."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True, initial=-np.inf))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)


def unit(vectors: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Divide each row (n, dim) by its Euclidean length."""
    # The same floor as torch's, for equal vectors.
    lengths = np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), np.float32(1e-12))
    return np.asarray(vectors / lengths)


def similarity(a: npt.ArrayLike, b: npt.ArrayLike, measure: str) -> npt.NDArray[np.float32]:
    """Compare every row of `a` with every row of `b`, by one of checkpoint.read.SIMILARITIES."""
    first, second = (np.atleast_2d(np.asarray(x, np.float32)) for x in (a, b))
    if first.shape[1] != second.shape[1]:
        raise InputError(
            f"a has vectors of {first.shape[1]} and b of {second.shape[1]}; they must be of one "
            "model."
        )
    if measure == "cosine":
        return np.asarray(unit(first) @ unit(second).T)
    if measure == "dot":
        return first @ second.T
    if measure == "manhattan":
        return -np.stack([np.abs(second - row).sum(axis=1) for row in first])
    # A small distance is a small difference of large squares, of which float32 leaves noise.
    a, b = first.astype(np.float64), second.astype(np.float64)
    squares = (a**2).sum(1)[:, None] + (b**2).sum(1) - 2 * a @ b.T
    return np.asarray(-np.sqrt(np.maximum(squares, 0)), np.float32)

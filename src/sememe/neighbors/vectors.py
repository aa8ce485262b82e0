"""Vectors as the rest of the room wants them: float32, finite, of unit length."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sememe.errors import InputError

_BLOCK_ROWS = 65_536


def unit(vectors: ArrayLike) -> NDArray[np.float32]:
    """Scale every row to unit length; a row of zeros, which has no direction, stays as it is.

    Args:
        vectors: float (n, dim).

    Returns:
        float32 (n, dim), a new array.

    Raises:
        InputError: as in `nearest`.

    Example:
        >>> unit([[3.0, 4.0], [0.0, 0.0]]).round(1).tolist()
        [[0.6000000238418579, 0.800000011920929], [0.0, 0.0]]
    """
    rows = checked(vectors)
    scaled = np.empty_like(rows)
    for start in range(0, len(rows), _BLOCK_ROWS):  # what is in between stays small
        block, out = rows[start : start + _BLOCK_ROWS], scaled[start : start + _BLOCK_ROWS]
        largest = np.abs(block).max(axis=1, keepdims=True, initial=0)
        # Squares of large values would overflow.
        np.divide(block, np.where(largest > 0, largest, 1), out=out)
        length = np.linalg.norm(out, axis=1, keepdims=True)
        np.divide(out, np.where(length > 0, length, 1), out=out)
    return scaled


def checked(vectors: ArrayLike, *, name: str = "vectors") -> NDArray[np.float32]:
    """Return `vectors` as a contiguous float32 (n, dim) array of finite numbers, or say why not."""
    try:
        rows = np.ascontiguousarray(vectors, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} are not an array of numbers with rows of one length.") from error
    if rows.ndim != 2:
        raise InputError(f"{name} have shape {rows.shape}: give one row a vector, (n, dim).")
    # One pass over sums first: a NaN or an infinity in a row survives into its sum.
    with np.errstate(over="ignore", invalid="ignore"):
        suspects = np.flatnonzero(~np.isfinite(rows.sum(axis=1)))
    bad = suspects[~np.isfinite(rows[suspects]).all(axis=1)]
    if len(bad):
        raise InputError(
            f"row {bad[0]} of the {name} has a value that is not a finite number "
            f"({len(bad)} such row{'s' * (len(bad) > 1)}): leave it out or encode it again."
        )
    return rows

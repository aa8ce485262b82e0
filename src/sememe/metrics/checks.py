"""What every metric asks of its input: numbers or labels, none missing, one row an item."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sememe.errors import InputError


def numbers(*, ndim: int = 1, **columns: ArrayLike) -> list[NDArray[np.float64]]:
    """Each column as finite float64 of `ndim` dimensions, with a row for each item."""
    return complete({name: _numbers(name, values, ndim) for name, values in columns.items()})


def labels(**columns: ArrayLike) -> tuple[NDArray[Any], NDArray[np.intp]]:
    """The labels of all columns, sorted, and the columns as indices into them, (columns, n)."""
    arrays = complete({name: _labels(name, values) for name, values in columns.items()})
    classes, codes = np.unique(np.concatenate(arrays), return_inverse=True)
    return classes, codes.reshape(len(arrays), -1)


def complete(columns: dict[str, NDArray[Any]]) -> list[NDArray[Any]]:
    """The arrays, if all have the same number of rows, not 0, and no number in them is missing."""
    rows = {name: len(array) for name, array in columns.items()}
    if len(set(rows.values())) > 1:
        listed = ", ".join(f"{name} has {count}" for name, count in rows.items())
        raise InputError(f"the numbers of rows differ ({listed}): give each a row for every item.")
    if 0 in rows.values():
        raise InputError(f"{' and '.join(rows)}: no rows, so there is nothing to measure.")
    for name, array in columns.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            bad = np.unique(np.nonzero(~np.isfinite(array))[0])
            raise _missing(name, bad.tolist(), "a finite number")
    return list(columns.values())


def _numbers(name: str, values: ArrayLike, ndim: int) -> NDArray[np.float64]:
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name}: not an array of numbers.") from error
    _check_shape(name, array, ndim)
    return array


def _labels(name: str, values: ArrayLike) -> NDArray[Any]:
    # As objects first, or a NaN among texts would become the text "nan".
    array = values if isinstance(values, np.ndarray) else np.asarray(values, dtype=object)
    _check_shape(name, array, 1)
    if array.dtype.kind == "O":
        bad = [row for row, label in enumerate(array) if label is None or label != label]
        if bad:
            raise _missing(name, bad, "a label")
        array = np.asarray(array.tolist())
    return array


def _check_shape(name: str, array: NDArray[Any], ndim: int) -> None:
    if array.ndim != ndim:
        wanted = "one value an item, (n,)" if ndim == 1 else "one vector an item, (n, dim)"
        raise InputError(f"{name} has shape {array.shape}: give {wanted}.")


def _missing(name: str, rows: list[int], wanted: str) -> InputError:
    more = f" ({len(rows)} such rows)" if len(rows) > 1 else ""
    return InputError(f"row {rows[0]} of {name} is not {wanted}{more}: leave it out or mend it.")

"""Checks of arguments: one wording for each kind of value, one error for each that is wrong."""

import os
from collections.abc import Iterable
from difflib import get_close_matches
from math import isfinite
from operator import index
from pathlib import Path
from typing import TypeVar

from sememe.errors import InputError

Choice = TypeVar("Choice")

_SHOWN = 60


def shown(value: object) -> str:
    """A value as messages show it: its repr on one line, cut where it is long."""
    text = " ".join(repr(value).split())
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


def is_missing(value: object) -> bool:
    """Whether a value stands for none: None, NaN, pandas' NA or NaT."""
    absent = isinstance(value, float) and value != value
    return value is None or absent or type(value).__name__ in ("NAType", "NaTType")


def whole_number(name: str, value: object, *, least: int = 1, most: int | None = None) -> int:
    """A whole number, numpy's too, as an int; InputError for any other value, such as True.

    >>> whole_number("top_k", 3)
    3
    """
    span = f"of at least {least}" if most is None else f"from {least} to {most:,}"
    try:
        if isinstance(value, bool):
            raise TypeError
        number = index(value)  # type: ignore[arg-type]
    except TypeError:
        raise InputError(f"{name}={shown(value)}: give a whole number {span}.") from None
    if number < least or (most is not None and number > most):
        raise InputError(f"{name}={number}: give a whole number {span}.")
    return number


def real_number(
    name: str,
    value: object,
    *,
    above: float | None = None,
    least: float | None = None,
    below: float | None = None,
    most: float | None = None,
    example: object = None,
) -> float:
    """A finite number, numpy's too, as a float; InputError for any other value, such as True.

    `least` and `most` are allowed themselves, `above` and `below` are not; the message offers the
    `example`.

    >>> real_number("threshold", 1, above=-1, most=1)
    1.0
    """
    bounds = [
        f"{word} {bound:g}"
        for word, bound in (
            ("above", above), ("of at least", least), ("below", below), ("of at most", most),
        )
        if bound is not None
    ]  # fmt: skip
    offer = "" if example is None else f", such as {example}"
    try:
        if isinstance(value, bool | str | bytes):
            raise TypeError
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        number = float("nan")
    if not (
        isfinite(number)
        and (above is None or number > above)
        and (least is None or number >= least)
        and (below is None or number < below)
        and (most is None or number <= most)
    ):
        raise InputError(
            f"{name}={shown(value)}: give a number{' ' if bounds else ''}{' and '.join(bounds)}"
            f"{offer}."
        )
    return number


def one_of(name: str, value: Choice, choices: Iterable[Choice]) -> Choice:
    """The value, which is one of the choices; else an InputError that names them all.

    >>> one_of("mode", "dense", ("dense", "bm25"))
    'dense'
    """
    values = list(choices)
    if not any(value is choice or value == choice for choice in values):
        names = ", ".join(map(str, values))
        raise InputError(f"{name}={shown(value)} is not known; there are {names}.")
    return value


def flag(name: str, value: object) -> bool:
    """True or False, numpy's too; else InputError.

    >>> flag("normalize", True)
    True
    """
    if isinstance(value, bool) or type(value).__name__ in ("bool", "bool_"):
        return bool(value)
    raise InputError(f"{name}={shown(value)}: give True or False.")


def as_path(name: str, value: object, what: str = "a path") -> Path:
    """A str or os.PathLike as a Path; InputError for any other value, with `what` to give."""
    if isinstance(value, str | os.PathLike):
        return Path(value)
    raise InputError(f"{name}={shown(value)}: give {what}.")


def did_you_mean(name: str, names: Iterable[str], cutoff: float = 0.6) -> str:
    """A half sentence that offers the most similar of some names, or "" when none is similar.

    >>> did_you_mean("treshold", ["threshold", "top"])
    ' (did you mean "threshold"?)'
    """
    folded = {each.strip().casefold(): each for each in names}
    similar = get_close_matches(name.strip().casefold(), folded, n=1, cutoff=cutoff)
    return f' (did you mean "{folded[similar[0]]}"?)' if similar else ""

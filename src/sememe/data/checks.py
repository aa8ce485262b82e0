"""Values that examples cannot hold are refused, with their place and what to do about it."""

import math
import numbers
import re
import reprlib
from collections.abc import Callable, Collection, Container, Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from sememe.arguments import is_missing
from sememe.errors import ChoiceWarning, InputError, TableError, warn
from sememe.tables import BlankCells, Table
from sememe.text.check import SURROGATE, joined_halves

_ROUNDING = 1e-6  # a cosine in float32 may come out a little above 1
_NO_AND_YES = {
    ("0", "1"), ("-1", "1"), ("false", "true"), ("no", "yes"), ("different", "same"),
    ("dissimilar", "similar"),
}  # fmt: skip


def rows_with_texts(table: Table, columns: Collection[list[str]], blanks: BlankCells) -> Table:
    """The rows of which every text is there; the others are counted."""
    texts = [zip(*(table.columns[name] for name in each), strict=True) for each in columns]
    rows = [
        "" if any(all(map(_is_blank, cells)) for cells in row) else str(row)
        for row in zip(*texts, strict=True)
    ]
    blank = {*blanks.add(rows, table.source)}
    return table.take([row for row in range(len(table)) if row not in blank]) if blank else table


def _is_blank(value: object) -> bool:
    return not value.strip() if isinstance(value, str) else is_missing(value)


def read_texts(table: Table, columns: Collection[list[str]]) -> list[tuple[str, ...]]:
    """The texts of each row; TableError for one that is no text, or a false negative."""
    names = [" + ".join(each) for each in columns]
    rows = list(zip(*(_texts(table, each) for each in columns), strict=True))
    for i, texts in enumerate(rows):
        for name, negative in zip(names[2:], texts[2:], strict=True):
            if negative in texts[:2]:
                problem = f'is the same text as "{names[texts.index(negative)]}"'
                raise _refusal(table, i, name, problem, "another text")
    return rows


def _texts(table: Table, columns: list[str]) -> Iterator[str]:
    name = " + ".join(columns)
    values = table.columns[name] if len(columns) == 1 else table.text_column(columns)
    for i, value in enumerate(values):
        if not isinstance(value, str):
            raise _refusal(table, i, name, f"is {reprlib.repr(value)}, not a text", "a text")
        if not value.isascii() and SURROGATE.search(value):
            value = joined_halves(value)
            if SURROGATE.search(value):
                problem = "has half of a surrogate pair"
                raise _refusal(table, i, name, problem, "a whole text")
        yield value


def read_scores(table: Table, name: str) -> Iterator[float]:
    """A column of numbers; TableError for a value that is missing or no number."""
    for i, value in enumerate(table.columns[name]):
        try:
            score = float(value)  # type: ignore[arg-type]
        except (TypeError, ValueError):
            score = math.nan
        if not math.isfinite(score):
            is_empty = is_missing(value) or value == ""
            problem = "is missing" if is_empty else f"is {reprlib.repr(value)}, not a number"
            raise _refusal(table, i, name, problem, "a number")
        yield score


def read_labels(table: Table, name: str, allowed: Container[str] = ()) -> Iterator[str]:
    """A column of labels, by name.

    Raises TableError for a value that is missing, several labels, a fraction, or not `allowed`.
    """
    for i, value in enumerate(table.columns[name]):
        label = "" if is_missing(value) else str(value).strip()
        if not label:
            raise _refusal(table, i, name, "is missing", "a label")
        if isinstance(value, bytes) or not isinstance(value, str | numbers.Number | np.bool_):
            problem = f"is of type {type(value).__name__}, {reprlib.repr(value)}"
            if isinstance(value, Iterable) and not isinstance(value, bytes):
                problem += "; several labels for one text are not supported"
            raise _refusal(table, i, name, problem, "one label, as a str or a whole number")
        label = re.sub(r"^(-?\d+)\.0+$", r"\1", label)  # pandas makes floats of whole numbers
        if re.fullmatch(r"-?\d*\.\d+|-?inf|-?\d[\d.]*e-\d+", label):
            problem = f"is {label}, a fraction and not a class"
            raise _refusal(table, i, name, problem, 'a class, call the column "score"')
        if allowed and label not in allowed:
            problem = f'is "{label}", a label that no training example has'
            raise _refusal(table, i, name, problem, "one that they have")
        yield label


def _refusal(table: Table, i: int, name: str, problem: str, remedy: str) -> TableError:
    place = table.source.where(i, name)
    return TableError(f'{place}: "{name}" {problem}; give it {remedy}, or remove the row')


def scale_scores(
    scores: npt.NDArray[np.float64],
    span: tuple[float, float] | None,
    file: str,
    where: Callable[[int], str],
) -> npt.NDArray[np.float32]:
    """Scores (n,) as targets from 0 to 1; unchanged where they look like cosines."""
    lowest, highest = scores.min(), scores.max()
    guesses = ((0, 1), (-1, 1), (0, 5)) if span is None else (span,)
    for low, high in guesses:
        outside = np.flatnonzero((scores < low - _ROUNDING) | (scores > high + _ROUNDING))
        if not outside.size:
            break
    else:
        raise InputError(
            f"{where(int(outside[0]))}: the score {scores[outside[0]]:g} is not from {low:g} to "
            f"{high:g}; mend it, or say on what scale the scores of {file}, {lowest:g} to "
            f"{highest:g}, are: --score-range LOW HIGH (in Python, score_range=(low, high))"
        )
    if span is None and low < 0:
        return np.clip(scores, -1, 1).astype(np.float32)
    if span is None and high > 1:
        warn(
            f"the scores of {file} go from {lowest:g} to {highest:g}; they were read as 0 to 5 and "
            "divided by 5 (--score-range 0 5, in Python score_range=(0, 5), says so)",
            ChoiceWarning,
        )
    return np.clip((scores - low) / (high - low), 0, 1).astype(np.float32)


def number_labels(
    codes: npt.NDArray[np.float64], names: Sequence[str], file: str, fewest: int = 2
) -> tuple[tuple[str, ...], npt.NDArray[np.int32]]:
    """Sort `names`, and turn codes (n,), places among the unsorted, into int32 places (n,)."""
    labels = tuple(
        sorted(
            names,
            key=lambda label: (int(label) if re.fullmatch(r"-?[0-9]+", label) else math.inf, label),
        )
    )
    if len(labels) == 1:
        raise InputError(f'{file}: every label is "{labels[0]}"; at least two are needed')
    places = {label: place for place, label in enumerate(labels)}
    targets = np.array([places[name] for name in names], np.int32)[codes.astype(np.int64)]
    singles = [f'"{labels[place]}"' for place in np.flatnonzero(np.bincount(targets) < fewest)]
    if singles:
        raise InputError(
            f"{file}: of {len(labels)} labels {len(singles)} have one example only, so that "
            f"nothing can be held out to measure on: {', '.join(singles[:3])}"
            f"{', …' * (len(singles) > 3)}; add examples, or remove those rows"
        )
    return labels, targets


def unclear_positive(labels: Sequence[str], file: str) -> InputError:
    """That it must be said which label means that two texts belong together."""
    return InputError(
        f"{file} has the labels {', '.join(labels)}: say which of them means that two texts belong "
        "together with --positive LABEL (in Python, positive=...)."
    )


def positive_label(labels: Sequence[str]) -> int | None:
    """Which of two labels means that the texts of a pair are alike; None if that is not plain."""
    words = [re.sub("[_-](?!1$)", " ", label.casefold()) for label in labels]
    for place, (yes, no) in enumerate((words, words[::-1]) if len(words) == 2 else ()):
        if (no, yes) in _NO_AND_YES or no in (f"not {yes}", f"non {yes}"):
            return place
    return None

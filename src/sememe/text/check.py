"""Check what a user passes as texts."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from sememe.arguments import is_missing, shown
from sememe.errors import BlankWarning, InputError, SememeWarning, warn

SURROGATE = re.compile("[\ud800-\udfff]")
_NAMED = 3  # blank texts, in a note
_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")


class HalfPairs:
    """Texts with half of a surrogate pair: it is replaced, they are counted, and told of once."""

    def __init__(self) -> None:
        self._seen = self._broken = 0
        self._first = ""

    def replaced(self, texts: list[str], where: Callable[[int], str]) -> list[str]:
        """The texts, with U+FFFD for each half; `where` says what a message calls text i."""
        self._seen += len(texts)
        if all(text.isascii() or not SURROGATE.search(text) for text in texts):
            return texts
        texts = [joined_halves(text) for text in texts]
        for index, text in enumerate(texts):
            if SURROGATE.search(text):
                texts[index] = SURROGATE.sub("\ufffd", text)
                self._first = self._first or where(index)
                self._broken += 1
        return texts

    def warn(self) -> None:
        """Warn once of all of them."""
        if self._broken:
            warn(
                f"{self._broken} of {self._seen} texts (first: {self._first}) hold half of a "
                "surrogate pair, which is no character; it was read as U+FFFD.",
                SememeWarning,
            )


def check_texts(
    texts: Iterable[str], first: int = 0, name: str = "texts", halves: HalfPairs | None = None
) -> list[str]:
    """Return the texts as a list; InputError names the first one that is not a str.

    `first` is the number of the first text, where these are only some of many. The two halves of a
    surrogate pair (an emoji in UTF-16) are joined. Half of a pair is no character and cannot be
    encoded: it is replaced by U+FFFD, and one warning says in how many texts. A job in parts passes
    `halves`, and warns at its end.
    """
    items = as_list(texts, name)
    for index, text in enumerate(items):
        if not isinstance(text, str):
            raise _no_text(f"{name}[{first + index}]", text)
    return _without_halves(items, lambda i: f"{name}[{first + i}]", halves)


def rows_with_text(texts: Sequence[str], consequence: str) -> list[int]:
    """The rows of the texts that are not blank; one warning names the others, and what follows."""
    rows = [row for row, text in enumerate(texts) if text.strip()]
    if blank := len(texts) - len(rows):
        places = [f"texts[{row}]" for row, text in enumerate(texts) if not text.strip()]
        warn(
            f"{blank:,} of {len(texts):,} texts {'is' if blank == 1 else 'are'} blank "
            f"({', '.join(places[:_NAMED])}{', …' * (blank > _NAMED)}) {consequence}.",
            BlankWarning,
        )
    return rows


def check_pairs(
    pairs: Iterable[Sequence[str]],
    first: int = 0,
    name: str = "pairs",
    halves: HalfPairs | None = None,
) -> list[tuple[str, str]]:
    """Return the pairs as a list of tuples; InputError names the first one that is none.

    A blank first text is refused: whatever it is scored against, the score means nothing. An array
    of shape (n, 2) is n pairs.
    """
    rows = [
        pair.tolist() if hasattr(pair, "tolist") else pair for pair in as_list(pairs, name, axes=2)
    ]
    if rows and isinstance(rows[0], tuple) and any(hasattr(side, "as_py") for side in rows[0]):
        # Of pyarrow's columns, zipped.
        rows = [[side.as_py() if hasattr(side, "as_py") else side for side in row] for row in rows]
    for index, pair in enumerate(rows, first):
        if isinstance(pair, str) or not isinstance(pair, Sequence) or len(pair) != 2:
            raise InputError(
                f"{name}[{index}] is {shown(pair)}; two texts are needed: (first, second)."
            )
        for side, text in enumerate(pair):
            if not isinstance(text, str):
                raise _no_text(f"{name}[{index}][{side}]", text)
        if not pair[0].strip():
            raise InputError(f"{name}[{index}][0] is blank; there is nothing to compare with.")
    flat = [text for pair in rows for text in pair]
    flat = _without_halves(flat, lambda i: f"{name}[{first + i // 2}][{i % 2}]", halves)
    return list(zip(flat[::2], flat[1::2], strict=True))


def as_list(values: Iterable[Any], name: str, axes: int = 1) -> list[Any]:
    """The values as a list; InputError where `refuse_tables` has one."""
    refuse_tables(values, name, axes)
    if hasattr(values, "to_pylist"):  # pyarrow's arrays, which iterate over scalars of their own
        items: list[Any] = values.to_pylist()
        return items
    if axes == 2 and hasattr(values, "tolist"):  # rows of an array are no sequences
        return list(values.tolist())
    return list(values)


def refuse_tables(values: object, name: str, axes: int = 1) -> None:
    """InputError for one str, a table, a mapping, an array of other axes, or what is no iterable.

    Iterating over a table gives its column names, over a mapping its keys: never what was meant.
    """
    kind = type(values).__name__
    article = "an" if kind[:1].lower() in "aeiou" else "a"
    if isinstance(values, str | bytes):
        raise InputError(f"{name} is a single {kind}; put it into a list.")
    if isinstance(values, Mapping):
        raise InputError(f"{name} is {article} {kind}: give its values, or one list in it.")
    columns, items = 'one column of it, such as t["text"]', "str"
    if name == "pairs":
        columns, items = 'two columns of it, such as zip(t["first"], t["second"])', "pairs of str"
    if hasattr(values, "columns") or hasattr(values, "column_names"):
        raise InputError(f"{name} is {article} {kind}: give {columns}.")
    shape = getattr(values, "shape", None)
    if isinstance(shape, tuple) and len(shape) != axes:
        raise InputError(f"{name} has the shape {shape}: give {columns.partition(',')[0]}.")
    if not isinstance(values, Iterable):
        raise InputError(f"{name} is {article} {kind}; give an iterable of {items}.")


def _no_text(where: str, value: object) -> InputError:
    if is_missing(value):
        return InputError(
            f"{where} is missing ({value!r}): leave it out, as in [text for text in texts if "
            'isinstance(text, str)], or write "" in its place.'
        )
    return InputError(
        f"{where} is of type {type(value).__name__} ({repr(value)[:40]}), not str; turn it into a "
        "str or leave it out."
    )


def _without_halves(
    texts: list[str], where: Callable[[int], str], halves: HalfPairs | None
) -> list[str]:
    counter = halves or HalfPairs()
    texts = counter.replaced(texts, where)
    if halves is None:
        counter.warn()
    return texts


def joined_halves(text: str) -> str:
    """The text with each two halves of a surrogate pair, an emoji in UTF-16, as one character."""
    return _PAIR.sub(lambda pair: pair[0].encode("utf-16", "surrogatepass").decode("utf-16"), text)

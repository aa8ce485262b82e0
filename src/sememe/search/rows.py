"""Rows of an index: texts, ids and metadata as a user passes them, checked."""

import hashlib
import json
import re
import reprlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, ValuesView
from contextlib import suppress
from itertools import groupby
from operator import index
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sememe.arguments import shown
from sememe.errors import InputError
from sememe.text import as_list, check_texts

Id = str | int
Keys = NDArray[np.int64]
Vectors = NDArray[np.float32]

_RESERVED = ("id", "text")  # what a filter calls the index's own columns
_NO_ID = re.compile("[\0\ud800-\udfff]")
_LARGEST_ID = 2**63  # SQLite's and PostgreSQL's whole numbers
_MAX_DEPTH = 100  # of lists and dicts in one another; every reader of JSON has a limit


class Row(NamedTuple):
    """A text with the user's own id and metadata; or a passage of it, and where that begins."""

    id: str
    text: str
    metadata: Mapping[str, Any]
    start: int = 0


class Match(NamedTuple):
    """A row that a search found, and how well it fits: the higher, the better."""

    row: Row
    score: float


def new_rows(
    texts: Iterable[str],
    ids: Iterable[Id] | None = None,
    metadata: Iterable[Mapping[str, Any] | None] | None = None,
) -> list[Row]:
    """Rows of different ids; InputError for what cannot be kept (which row), or unequal numbers.

    Without ids, one is made of each text's hash, and of how many equal texts stood before it: the
    same texts have the same ids, whenever they come.
    """
    texts = check_texts(texts)
    row_ids = _hashes(texts) if ids is None else check_ids(_one_per_text("ids", ids, len(texts)))
    metadata = [{}] * len(texts) if metadata is None else metadata
    metadata = _one_per_text("metadata", metadata, len(texts))
    first: dict[str, int] = {}
    for number, row_id in enumerate(row_ids):
        if first.setdefault(row_id, number) != number:
            raise InputError(
                f"ids[{number}] is {row_id!r}, as ids[{first[row_id]}] is: an id stands for one "
                "text."
            )
    return [
        Row(row_id, text, _checked_metadata(values, number))
        for number, (row_id, text, values) in enumerate(zip(row_ids, texts, metadata, strict=True))
    ]


def passages_of(row: Row, spans: Sequence[tuple[int, int]]) -> list[Row]:
    """A text's passages, which together hold all of it: what is between two spans goes before.

    >>> [passage.text for passage in passages_of(Row("1", "One. Two.", {}), [(0, 4), (5, 9)])]
    ['One. ', 'Two.']
    """
    starts = [0, *(start for start, _ in spans[1:])]
    ends = [max(end, start) for (_, end), start in zip(spans, starts[1:], strict=False)]
    return [
        row._replace(text=row.text[start:end], start=start)
        for start, end in zip(starts, [*ends, len(row.text)], strict=True)
    ]


def trimmed(passage: Row) -> Row:
    """A passage without the space around it, as encoders and users get it."""
    text = passage.text.strip()
    return passage._replace(text=text, start=passage.start + passage.text.index(text))


def documents(rows: Iterable[Row]) -> Iterator[Row]:
    """Texts out of their passages, which come one after the other; whole texts as they are.

    >>> [row.text for row in documents([Row("1", "One.", {}), Row("1", ". Two.", {}, 3)])]
    ['One. Two.']
    """
    for _, passages in groupby(rows, key=lambda row: row.id):
        first, *others = passages
        text = first.text
        for passage in others:
            text += passage.text[len(text) - passage.start :]
        yield first._replace(text=text)


def check_ids(ids: Iterable[Id]) -> list[str]:
    """The ids as texts, whole numbers too; InputError names the first that cannot be one."""
    if isinstance(ids, str | bytes) or not isinstance(ids, Iterable):
        raise InputError(f"ids is {shown(ids)}; give a list of ids.")
    return [_checked_id(value, number) for number, value in enumerate(as_list(ids, "ids"))]


def same(one: Row | None, other: Row) -> bool:
    """Whether a filter could not tell two rows apart; for Python True is 1."""
    return one == other and _booleans(one.metadata) == _booleans(other.metadata)


def _booleans(value: object) -> object:
    """The value with each of its parts beside whether that is a boolean."""
    if isinstance(value, dict):
        return {key: _booleans(each) for key, each in value.items()}
    return [*map(_booleans, value)] if isinstance(value, list) else isinstance(value, bool)


def _plain(value: object) -> object:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"a {type(value).__name__}")


_JSON = json.JSONEncoder(allow_nan=False, ensure_ascii=False, default=_plain)


def why_not_json(value: object) -> str:
    """Why JSON cannot hold a value; "" if it can."""
    try:
        _JSON.encode(value).encode()
        if not _deeper(value, _MAX_DEPTH):
            return ""
    except UnicodeEncodeError:
        return "has half of a surrogate pair in it, which is no character"
    except TypeError as error:
        return f"has in it what JSON cannot hold, {error}: make it a text"
    except (RecursionError, ValueError) as error:
        if isinstance(error, ValueError) and "Circular" not in str(error):
            return f"is or has a number that is not finite ({reprlib.repr(value)}): make it null"
    return f"is nested more than {_MAX_DEPTH} deep"


def _checked_id(value: Any, number: int) -> str:
    if isinstance(value, str) and _NO_ID.search(value):
        raise InputError(
            f"ids[{number}] is {shown(value)}, with a NUL or half of a surrogate pair in it."
        )
    if isinstance(value, str) and value:
        return str.__str__(value)
    with suppress(TypeError):  # of what is no whole number
        if not isinstance(value, bool) and -_LARGEST_ID <= index(value) < _LARGEST_ID:
            return str(index(value))
    raise InputError(
        f"ids[{number}] is {shown(value)}; an id is a text that is not empty, or a whole number "
        "of 64 bits."
    )


def _hashes(texts: list[str]) -> list[str]:
    counts: Counter[str] = Counter()
    ids = []
    for text in texts:
        digest = hashlib.sha256(text.encode()).hexdigest()[:24]
        counts[digest] += 1
        ids.append(digest if counts[digest] == 1 else f"{digest}-{counts[digest]}")
    return ids


def _one_per_text(name: str, values: Iterable[Any], count: int) -> list[Any]:
    if isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable):
        raise InputError(
            f"{name} is a {type(values).__name__}; give a list with one for each text."
        )
    if name == "metadata" and hasattr(values, "to_dict"):
        raise InputError('metadata is a table: give its rows, such as t.to_dict("records").')
    values = as_list(values, name)
    if len(values) != count:
        raise InputError(f"{len(values)} {name} for {count} texts: give one for each text.")
    return values


def _checked_metadata(metadata: Mapping[str, Any] | None, number: int) -> Mapping[str, Any]:
    if metadata is None:
        return {}
    if not isinstance(metadata, Mapping):
        raise InputError(f"metadata[{number}] is {shown(metadata)}; give a dict, or None.")
    for key, value in metadata.items():
        if not isinstance(key, str) or key in _RESERVED:
            raise InputError(
                f"metadata[{number}] has the key {key!r}: keys are strings, and "
                f"{' and '.join(_RESERVED)} are the index's own."
            )
        if why := why_not_json([key]) or why_not_json(value):
            raise InputError(f"metadata[{number}] cannot be kept: {key!r} {why}.")
    copy: Mapping[str, Any] = json.loads(_JSON.encode(dict(metadata)))
    return copy


def _deeper(value: object, levels: int) -> bool:
    inner = value.values() if isinstance(value, dict) else value
    return isinstance(inner, list | tuple | ValuesView) and (
        levels == 0 or any(_deeper(each, levels - 1) for each in inner)
    )

"""What a user gives as texts, ids and metadata, checked and made rows."""

import hashlib
import json
import re
import reprlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, ValuesView
from contextlib import suppress
from operator import index
from typing import Any

import numpy as np

from sememe.errors import InputError
from sememe.search.store import Id, Row
from sememe.text import as_list, check_texts

_OWN = ("id", "text")  # what a filter calls the index's own columns
_WHOLE = re.compile("0|-?[1-9][0-9]{0,18}")
_WIDEST = 2**63  # SQLite's and Postgres' whole numbers
_DEEPEST = 100  # lists and dicts in one another; each reader of JSON has an end somewhere


def _plain(value: object) -> object:
    """numpy's numbers as JSON's."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"a {type(value).__name__}")


_JSON = json.JSONEncoder(allow_nan=False, ensure_ascii=False, default=_plain)


def new_rows(
    texts: Iterable[str],
    ids: Iterable[Id] | None = None,
    metadata: Iterable[Mapping[str, Any] | None] | None = None,
) -> list[Row]:
    """Rows of different ids.

    Without ids, one is made of each text's hash, and of how many equal texts stood before it: the
    same texts have the same ids, whenever they come.

    Raises:
        InputError: texts, ids or metadata that cannot be kept (which row), or of unequal number.
    """
    listed = check_texts(texts)
    named = _hashes(listed) if ids is None else check_ids(_as_many("ids", ids, len(listed)))
    details = (
        [None] * len(listed) if metadata is None else _as_many("metadata", metadata, len(listed))
    )
    first: dict[Id, int] = {}
    for row, own in enumerate(named):
        if first.setdefault(own, row) != row:
            raise InputError(
                f"ids[{row}] is {own!r}, as ids[{first[own]}] is: an id stands for one text."
            )
    return [
        Row(own, text, _checked(found, row))
        for row, (own, text, found) in enumerate(zip(named, listed, details, strict=True))
    ]


def check_ids(ids: Iterable[Id]) -> list[Id]:
    """The ids, numpy's too, as a list of str and int; InputError names the first that is none."""
    if isinstance(ids, str | bytes) or not isinstance(ids, Iterable):
        raise InputError(f"ids is {repr(ids)[:60]}; give a list of ids.")
    return [_own(own, row) for row, own in enumerate(as_list(ids, "ids"))]


def known_ids(ids: list[Id], get: Callable[[Iterable[Id]], list[Row]]) -> list[Id]:
    """The ids, each as an index has it: a file of texts cannot tell 12 from "12"."""
    there = {row.id for row in get([*ids, *map(_twin, ids)])}
    return [own if own in there or _twin(own) not in there else _twin(own) for own in ids]


def _twin(own: Id) -> Id:
    """The same id of the other type."""
    if isinstance(own, int):
        return str(own)
    return int(own) if _WHOLE.fullmatch(own) and abs(int(own)) < _WIDEST else own


def same(one: Row | None, other: Row) -> bool:
    """Whether a filter could not tell them apart; for Python True is 1."""
    return one == other and _marked(one.metadata) == _marked(other.metadata)


def _marked(value: object) -> object:
    if isinstance(value, dict):
        return {key: _marked(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_marked(each) for each in value]
    return (value, isinstance(value, bool))


def _own(given: Any, row: int) -> Id:
    if isinstance(given, str) and given and _encodes(given):
        return str.__str__(given)
    with suppress(TypeError):  # of what is no whole number
        if not isinstance(given, bool) and -_WIDEST <= (whole := index(given)) < _WIDEST:
            return whole
    if isinstance(given, str) and given:
        raise InputError(f"ids[{row}] is {repr(given)[:60]}, with half of a surrogate pair in it.")
    raise InputError(
        f"ids[{row}] is {repr(given)[:60]}; an id is a text that is not empty, or a whole number "
        "of 64 bits."
    )


def _hashes(texts: list[str]) -> list[Id]:
    seen: Counter[str] = Counter()
    found: list[Id] = []
    for text in texts:
        own = hashlib.sha256(text.encode()).hexdigest()[:24]
        seen[own] += 1
        found.append(own if seen[own] == 1 else f"{own}-{seen[own]}")
    return found


def _as_many(name: str, values: Iterable[Any], count: int) -> list[Any]:
    if isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable):
        raise InputError(
            f"{name} is a {type(values).__name__}; give a list with one for each text."
        )
    if name == "metadata" and hasattr(values, "to_dict"):
        raise InputError('metadata is a table: give its rows, such as t.to_dict("records").')
    listed = as_list(values, name)
    if len(listed) != count:
        raise InputError(f"{len(listed)} {name} for {count} texts: give one for each text.")
    return listed


def _checked(metadata: Mapping[str, Any] | None, row: int) -> Mapping[str, Any]:
    if metadata is None:
        return {}
    if not isinstance(metadata, Mapping):
        raise InputError(f"metadata[{row}] is {repr(metadata)[:60]}; give a dict, or None.")
    for key in metadata:
        if not isinstance(key, str) or key in _OWN:
            raise InputError(
                f"metadata[{row}] has the key {key!r}: keys are strings, and {' and '.join(_OWN)} "
                "are the index's own."
            )
    with suppress(TypeError, ValueError, RecursionError):  # of what JSON cannot hold
        data = _JSON.encode(dict(metadata)).encode()
        kept: Mapping[str, Any] = json.loads(data)
        if not _deeper(kept, _DEEPEST + 1):
            return kept
    for key, value in metadata.items():
        if why := why_not_json([key]) or why_not_json(value):
            raise InputError(f"metadata[{row}] cannot be kept: {key!r} {why}.")
    raise AssertionError("what JSON cannot hold is in a key or in a value")


def why_not_json(value: object) -> str:
    """Why JSON cannot hold a value; "" if it can."""
    deep = f"is nested more than {_DEEPEST} deep"
    try:
        _JSON.encode(value).encode()
    except RecursionError:
        return deep
    except UnicodeEncodeError:
        return "has half of a surrogate pair in it, which is no character"
    except ValueError as error:
        if "Circular" in str(error):
            return deep
        return f"is or has a number that is not finite ({reprlib.repr(value)}): make it null"
    except TypeError as error:
        return f"has in it what JSON cannot hold, {error}: make it a text"
    return deep if _deeper(value, _DEEPEST) else ""


def _deeper(value: object, levels: int) -> bool:
    inner = value.values() if isinstance(value, dict) else value
    return isinstance(inner, list | tuple | ValuesView) and (
        levels == 0 or any(_deeper(each, levels - 1) for each in inner)
    )


def _encodes(text: str) -> bool:
    try:
        return bool(text.encode())
    except UnicodeEncodeError:
        return False

"""What a user gives as texts, ids and metadata, checked and made rows."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from sememe.errors import InputError
from sememe.search.store import Id, Row
from sememe.text import check_texts

_OWN = ("id", "text")  # what a filter calls the index's own columns
_WIDEST = 2**63  # SQLite's and Postgres' whole numbers


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
    named = _hashes(listed) if ids is None else _as_many("ids", ids, len(listed))
    details = (
        [None] * len(listed) if metadata is None else _as_many("metadata", metadata, len(listed))
    )
    first: dict[Id, int] = {}
    for row, own in enumerate(check_ids(named)):
        if first.setdefault(own, row) != row:
            raise InputError(
                f"ids[{row}] is {own!r}, as ids[{first[own]}] is: an id stands for one text."
            )
    return [
        Row(own, text, _checked(found, row))
        for row, (own, text, found) in enumerate(zip(named, listed, details, strict=True))
    ]


def check_ids(ids: Iterable[Id]) -> list[Id]:
    """The ids as a list; InputError names the first that cannot be one."""
    if isinstance(ids, str | int):
        raise InputError(f"ids is {ids!r}; put it into a list.")
    listed = list(ids)
    for row, own in enumerate(listed):
        whole = isinstance(own, int) and not isinstance(own, bool) and -_WIDEST <= own < _WIDEST
        if not (whole or (isinstance(own, str) and own and _encodes(own))):
            raise InputError(
                f"ids[{row}] is {repr(own)[:60]}; an id is a str that is not empty, or a whole "
                "number of 64 bits."
            )
    return listed


def _hashes(texts: list[str]) -> list[Id]:
    seen: Counter[str] = Counter()
    found: list[Id] = []
    for text in texts:
        own = hashlib.sha256(text.encode()).hexdigest()[:24]
        seen[own] += 1
        found.append(own if seen[own] == 1 else f"{own}-{seen[own]}")
    return found


def _as_many(name: str, values: Iterable[Any], count: int) -> list[Any]:
    if isinstance(values, str | Mapping):
        raise InputError(
            f"{name} is a {type(values).__name__}; give a list with one for each text."
        )
    listed = list(values)
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
    try:
        same: Mapping[str, Any] = json.loads(json.dumps(metadata, allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(
            f"metadata[{row}] cannot be kept as JSON ({error}): texts, numbers, True, False, None, "
            "lists and dicts of them can be."
        ) from None
    return same


def _encodes(text: str) -> bool:
    try:
        return bool(text.encode())
    except UnicodeEncodeError:
        return False

"""Rows by their vectors and by their ids: some vectors' rows are gone, or not what is asked for."""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from math import ceil
from typing import Any

import numpy as np

from sememe.search.conditions import SQLITE, Condition
from sememe.search.sqlite import graph
from sememe.search.sqlite.graph import Keys, Vectors
from sememe.search.sqlite.near import Near, within
from sememe.search.store import Match, Row

_AT_ONCE = 500  # values of one statement
_SPARE, _MORE = 2, 4  # so many times as many are asked for: with a filter, and when they were few
_WIDE = 2_000  # from here on to compare all takes no longer


def nearest_rows(
    connection: sqlite3.Connection,
    near: Near,
    vectors: Vectors,
    count: int,
    where: Condition | None,
) -> list[list[Match]]:
    """For each vector the rows with the greatest inner products, best first."""
    among = None if where is None else _keys(connection, where)
    rows: dict[int, Row] = {}
    best: list[list[tuple[int, float]]] = [[] for _ in vectors]
    left = list(range(len(vectors)))
    for asked in _rounds(len(near), count, among):
        if asked is None:
            all_keys = _keys(connection, None) if among is None else among
            keys, products = near.exact(vectors[left], count, all_keys)
        else:
            keys, products = near.nearest(vectors[left], asked)
        there: Any = rows
        if among is None:
            new = {key for line in keys.tolist() for key in line} - rows.keys() - {-1}
            rows |= read_rows(connection, "key", list(new))
        else:
            there = set(keys[within(keys, among)].tolist())
        for query, *line in zip(left, keys.tolist(), products.tolist(), strict=True):
            best[query] = [pair for pair in zip(*line, strict=True) if pair[0] in there][:count]
        left = [query for query in left if len(best[query]) < count]
        if not left or (asked is not None and asked >= len(near)):
            break
    if among is not None:
        rows = read_rows(connection, "key", list({key for line in best for key, _ in line}))
    return [[Match(rows[key], score) for key, score in line] for line in best]


def _rounds(held: int, count: int, among: Keys | None) -> Iterator[int | None]:
    """How many neighbours to ask for, one time after the other; None compares all, exactly."""
    if among is None or len(among) > graph.FLAT:
        asked = count if among is None else ceil(_SPARE * count * held / len(among))
        yield asked
        while (asked := asked * _MORE) <= _WIDE:
            yield asked
    yield None


def read_rows(connection: sqlite3.Connection, column: str, values: list[Any]) -> dict[Any, Row]:
    """The rows that have one of the values in a column (key or id), by it."""
    return {
        line[0]: row(line[1:])
        for part in parts(values)
        for line in connection.execute(
            f"SELECT {column}, id, text, metadata FROM texts WHERE {column} IN ({marks(part)})",
            part,
        )
    }


def row(line: Sequence[Any]) -> Row:
    """A row out of its columns id, text and metadata."""
    return Row(line[0], line[1], json.loads(line[2]) if line[2] != "{}" else {})


def parts(values: list[Any]) -> Iterator[list[Any]]:
    """As many values at a time as a statement takes."""
    for start in range(0, len(values), _AT_ONCE):
        yield values[start : start + _AT_ONCE]


def marks(values: Sequence[object]) -> str:
    """Placeholders for so many."""
    return ",".join("?" * len(values))


def _keys(connection: sqlite3.Connection, where: Condition | None) -> Keys:
    condition, values = ("1", []) if where is None else where.sql(SQLITE)
    keys = connection.execute(f"SELECT key FROM texts WHERE {condition}", values)
    return np.sort(np.fromiter((key for (key,) in keys), np.int64))

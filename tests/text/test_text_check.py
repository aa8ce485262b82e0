"""What counts as a list of texts."""

from typing import Any, cast

import numpy as np
import pandas  # type: ignore[import-untyped,import-not-found,unused-ignore]
import pyarrow
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sememe.errors import InputError, SememeWarning
from sememe.text import check_pairs, check_texts


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]))))
def test_whole_texts_pass_unchanged(texts: list[str]) -> None:
    assert check_texts(iter(texts)) == texts


@pytest.mark.filterwarnings("ignore::sememe.errors.SememeWarning")
@given(st.lists(st.text(st.characters(categories=["Cs", "Lu"]))))
def test_whatever_is_passed_can_be_encoded_afterwards(texts: list[str]) -> None:
    checked = check_texts(texts)
    expected = [t.encode("utf-16", "surrogatepass").decode("utf-16", "replace") for t in texts]
    assert [len(text) for text in checked] == [len(text) for text in expected]
    assert all(text.encode() for text in checked if text)


def test_the_halves_of_a_pair_are_joined() -> None:
    assert check_texts(["a \ud83d\udc4d b", "c"]) == ["a 👍 b", "c"]


@pytest.mark.parametrize(
    "table",
    [
        pandas.DataFrame({"text": ["a"]}),
        pyarrow.table({"text": ["a"]}),
        {"text": ["a"]},
        np.array([["a", "b"]]),
        b"a",
        3,
    ],
)
def test_what_is_no_list_of_texts_is_refused(table: Any) -> None:
    with pytest.raises(InputError, match=r"^texts (is an? |is a single|has the shape)"):
        check_texts(table)


def test_a_table_of_pairs_is_to_give_two_columns() -> None:
    table = pandas.DataFrame({"first": ["a"], "second": ["b"]})
    with pytest.raises(InputError, match=r"^pairs is a DataFrame: give two columns of it") as error:
        check_pairs(cast(Any, table))
    advice = str(error.value).rpartition("such as ")[2].rstrip(".")
    assert check_pairs(eval(advice, {"t": table})) == [("a", "b")]
    with pytest.raises(InputError, match=r"^pairs is an int; give an iterable of pairs of str"):
        check_pairs(cast(Any, 3))


@pytest.mark.parametrize(
    "column", [pandas.Series(["a", "b"]), pyarrow.array(["a", "b"]), np.array(["a", "b"])]
)
def test_one_column_of_a_table_is_a_list_of_texts(column: Any) -> None:
    assert check_texts(column) == ["a", "b"]


@pytest.mark.parametrize("missing", [None, float("nan"), pandas.NA, pandas.NaT])
def test_a_missing_text_is_named_with_the_way_to_leave_it_out(missing: object) -> None:
    with pytest.raises(InputError, match=r"^texts\[1\] is missing .*leave it out"):
        check_texts(["a", missing])  # type: ignore[list-item]


def test_an_array_of_two_columns_is_pairs() -> None:
    assert check_pairs(np.array([["a", "b"], ["c", "d"]])) == [("a", "b"), ("c", "d")]


def test_a_damaged_text_is_mended_in_a_copy() -> None:
    texts = ["A", "B\ud800"]
    with pytest.warns(SememeWarning, match=r"1 of 2 texts \(first: texts\[1\]\)"):
        assert check_texts(texts) == ["A", "B\ufffd"]
    assert texts == ["A", "B\ud800"]


@given(st.lists(st.text(), max_size=5), st.integers() | st.binary() | st.floats(allow_nan=False))
def test_the_first_that_is_no_text_is_named(texts: list[str], wrong: object) -> None:
    with pytest.raises(
        InputError, match=rf"^texts\[{len(texts)}\] is of type {type(wrong).__name__} "
    ):
        check_texts([*texts, wrong, wrong])  # type: ignore[list-item]


def test_a_long_value_is_not_shown_whole() -> None:
    with pytest.raises(InputError) as caught:
        check_texts([list(range(10_000))])  # type: ignore[list-item]
    assert len(str(caught.value)) < 200

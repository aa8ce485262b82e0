"""Arguments of one kind are checked in one way."""

import numpy as np
import pytest

from sememe.arguments import flag, one_of, real_number, shown, whole_number
from sememe.errors import InputError


@pytest.mark.parametrize("value", [3, np.int64(3), np.uint8(3)])
def test_whole_numbers_of_all_kinds_are_taken(value: object) -> None:
    number = whole_number("top_k", value)
    assert (number, type(number)) == (3, int)


@pytest.mark.parametrize("value", [True, np.True_, 3.0, "3", None, 0, -1, np.array([3])])
def test_what_is_no_whole_number_is_refused(value: object) -> None:
    with pytest.raises(InputError, match=r"^top_k=.*: give a whole number of at least 1\.$"):
        whole_number("top_k", value)


def test_a_whole_number_beyond_the_most_is_refused() -> None:
    with pytest.raises(InputError, match=r"^dim=9: give a whole number from 1 to 8\.$"):
        whole_number("dim", 9, most=8)


@pytest.mark.parametrize("value", [0.5, np.float32(0.5), 1, np.int64(1)])
def test_numbers_of_all_kinds_are_taken(value: float) -> None:
    assert real_number("threshold", value, above=-1, most=1) == value


@pytest.mark.parametrize("value", [True, "0.5", None, float("nan"), float("inf"), -1, 1.5, [0.5]])
def test_what_is_no_number_of_the_range_is_refused(value: object) -> None:
    with pytest.raises(
        InputError, match=r": give a number above -1 and of at most 1, such as 0\.8\.$"
    ):
        real_number("threshold", value, above=-1, most=1, example=0.8)


def test_a_value_is_shown_on_one_line() -> None:
    assert shown(np.eye(2)) == "array([[1., 0.], [0., 1.]])"


def test_choices_are_named() -> None:
    assert one_of("mode", "bm25", ("dense", "bm25")) == "bm25"
    with pytest.raises(InputError, match=r"^mode='fuzzy' is not known; there are dense, bm25"):
        one_of("mode", "fuzzy", ("dense", "bm25"))


def test_a_flag_is_no_number() -> None:
    assert flag("raw", np.True_) is True
    with pytest.raises(InputError, match=r"^raw=1: give True or False\.$"):
        flag("raw", 1)

"""What counts as a list of texts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sememe.errors import InputError, SememeWarning
from sememe.text import check_texts


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]))))
def test_whole_texts_pass_unchanged(texts: list[str]) -> None:
    assert check_texts(iter(texts)) == texts


@pytest.mark.filterwarnings("ignore::sememe.errors.SememeWarning")
@given(st.lists(st.text(st.characters(categories=["Cs", "Lu"]))))
def test_whatever_is_passed_can_be_encoded_afterwards(texts: list[str]) -> None:
    checked = check_texts(texts)
    assert [len(text) for text in checked] == [len(text) for text in texts]
    assert all(text.encode() for text in checked if text)


def test_a_damaged_text_is_mended_in_a_copy() -> None:
    texts = ["A", "B\ud800"]
    with pytest.warns(SememeWarning, match=r"1 of 2 texts \(first: texts\[1\]\)"):
        assert check_texts(texts) == ["A", "B\ufffd"]
    assert texts == ["A", "B\ud800"]


@given(st.lists(st.text(), max_size=5), st.none() | st.integers() | st.binary() | st.floats())
def test_the_first_that_is_no_text_is_named(texts: list[str], wrong: object) -> None:
    with pytest.raises(
        InputError, match=rf"^texts\[{len(texts)}\] is of type {type(wrong).__name__} "
    ):
        check_texts([*texts, wrong, wrong])  # type: ignore[list-item]


def test_a_long_value_is_not_shown_whole() -> None:
    with pytest.raises(InputError) as caught:
        check_texts([list(range(10_000))])  # type: ignore[list-item]
    assert len(str(caught.value)) < 200

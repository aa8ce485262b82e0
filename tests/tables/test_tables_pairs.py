"""Pairs of texts, from every format."""

from pathlib import Path

import pytest

from sememe.errors import TableError
from sememe.tables import stream_table, write_table
from sememe.tables.table import PAIR_NAMES, choose_pair

PAIRS = [("one", "eins"), ("two, too", "zwei"), ('"three"', "drei"), ("four", "")]


def read(path: Path, columns: tuple[str, str] | None = None, size: int = 4096) -> list[object]:
    pairs: list[object] = []
    for table in stream_table(path, lambda names: choose_pair(names, columns, str(path)), size):
        pairs += zip(*map(table.text_column, table.columns), strict=True)
    return pairs


def refusal(path: Path, columns: tuple[str, str] | None = None) -> str:
    """What reading says; always one line."""
    with pytest.raises(TableError) as caught:
        read(path, columns)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "parquet"])
@pytest.mark.parametrize("size", [1, 3, 4096])
def test_every_format_gives_the_same_pairs(tmp_path: Path, suffix: str, size: int) -> None:
    path = tmp_path / f"pairs.{suffix}"
    first, second = zip(*PAIRS, strict=True)
    # Three columns, and the pair's the wrong way round.
    write_table(path, {"sentence2": second, "score": [1, 2, 3, 4], "sentence1": first})
    assert read(path, size=size) == PAIRS
    assert read(path, ("sentence2", "sentence1"), size) == [(b, a) for a, b in PAIRS]


def test_the_names_of_pairs_in_any_case() -> None:
    for first, second in PAIR_NAMES:
        names = ["id", second.upper(), f" {first.title()} "]
        assert choose_pair(names, None, "f") == (names[2], names[1])


def test_of_several_pairs_the_one_named_first_is_taken() -> None:
    names = ["question", "answer", "query", "document"]
    assert choose_pair(names, None, "f") == ("query", "document")
    assert choose_pair(names, ("QUESTION", "document"), "f") == ("question", "document")


def test_no_two_columns_are_named_like_a_pair(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("left,right,n\none,eins,1\n")
    said = refusal(tmp_path / "a.csv")
    assert 'has the columns "left", "right", "n"' in said
    assert "--columns FIRST SECOND" in said
    assert read(tmp_path / "a.csv", ("left", "right")) == [("one", "eins")]


def test_a_column_that_is_missing_is_named_with_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("query,passage\none,eins\n")
    said = refusal(tmp_path / "a.csv", ("query", "pasage"))
    assert 'no column "pasage" (did you mean "passage"?)' in said


def test_lines_of_text_are_no_pairs(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one\n")
    assert "no two are named like a pair" in refusal(tmp_path / "a.txt")


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_a_null_is_a_blank_text_in_its_place(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    write_table(path, {"query": ["one", "two", "three"], "answer": ["eins", None, "drei"]})
    assert read(path) == [("one", "eins"), ("two", ""), ("three", "drei")]


def test_the_columns_of_a_pair_may_begin_in_a_later_line(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"id": 1, "query": "one"}\n{"query": "two", "answer": "zwei"}\n')
    assert read(path, size=1) == [("one", ""), ("two", "zwei")]


def test_a_column_cannot_be_both(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("query,passage\none,eins\n")
    assert "a pair needs two" in refusal(tmp_path / "a.csv", ("query", "Query"))

"""Writing: what is written reads back the same, and nothing is ever half written."""

import math
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sememe.errors import MissingExtra, SememeWarning, TableError
from sememe.tables import output_format, read_table, read_texts, replacing, write_table

TABULAR = ["a.csv", "a.tsv", "a.jsonl", "a.parquet"]

# Marks that some format gives a meaning, far more often than chance would bring them.
awkward = st.sampled_from(
    ['"', ",", ";", "\t", "\n", "\r", "\r\n", " ", "'", "\\", "=", "\ufeff", "é", "😀"]
)
texts = st.lists(
    awkward | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
)
cells = texts.map("".join)
names = cells.filter(lambda name: name.strip() and not name.startswith("\ufeff"))


def whole(cell: str) -> str:
    return re.sub("[\t\r\n]", "_", cell)


@st.composite
def tables(draw: st.DrawFn) -> dict[str, list[str]]:
    columns = draw(st.lists(names, min_size=1, max_size=4, unique=True))
    rows = draw(st.integers(1, 6))
    return {name: draw(st.lists(cells, min_size=rows, max_size=rows)) for name in columns}


@pytest.mark.slow
@pytest.mark.parametrize("name", TABULAR)
@settings(max_examples=50)
@given(columns=tables())
def test_any_texts_read_back_as_they_were(name: str, columns: dict[str, list[str]]) -> None:
    if name == "a.tsv":  # holds neither tabs nor line breaks
        columns = {whole(column): list(map(whole, cells)) for column, cells in columns.items()}
    with TemporaryDirectory() as folder:
        path = Path(folder, name)
        write_table(path, columns)
        assert read_table(path).columns == columns
        for column, values in columns.items():
            assert read_texts(path, column) == values
        assert [each.name for each in Path(folder).iterdir()] == [name]


@pytest.mark.slow
@settings(max_examples=50)
@given(
    values=st.lists(
        cells.filter(lambda text: text.strip() and not {"\n", "\r"} & set(text)), min_size=1
    )
)
def test_any_lines_read_back_as_they_were(values: list[str]) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder, "a.txt")
        write_table(path, {"text": values})
        assert read_texts(path) == values


characters = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | characters
values_of_json = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(characters, inner, max_size=3),
    max_leaves=5,
)


@pytest.mark.slow
@settings(deadline=None)
@given(values=st.lists(values_of_json, min_size=1, max_size=4))
def test_jsonl_keeps_every_type(values: list[object]) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder, "a.jsonl")
        write_table(path, {"value": values})
        assert read_table(path).columns == {"value": values}


@pytest.mark.parametrize(
    "values",
    [[1, 2], [0.1, math.inf], ["a", None], [True, False], [[1.5], [2.5, 3.5]], ["a\0b", ""]],
)
@pytest.mark.parametrize("name", ["a.jsonl", "a.parquet"])
def test_types_are_kept(tmp_path: Path, name: str, values: list[object]) -> None:
    write_table(tmp_path / name, {"value": values})
    assert read_table(tmp_path / name).columns == {"value": values}


# --- how the files look ---


def test_csv_is_plain_and_quotes_only_what_needs_it(tmp_path: Path) -> None:
    columns: dict[str, list[object]] = {
        "text": ["=1+1", 'say "hi"', "", "a\rb"],
        "score": [0.5, None, 2, True],
    }
    write_table(tmp_path / "a.csv", columns)
    written = (tmp_path / "a.csv").read_bytes().decode()
    assert written == 'text,score\n=1+1,0.5\n"say ""hi""",\n,2\n"a\rb",True\n'


def test_tsv_has_tabs_and_leaves_commas_alone(tmp_path: Path) -> None:
    write_table(tmp_path / "a.tsv", {"a": ["x, y"], "b": ["z"]})
    assert (tmp_path / "a.tsv").read_bytes() == b"a\tb\nx, y\tz\n"


def test_jsonl_is_readable_as_it_stands(tmp_path: Path) -> None:
    write_table(tmp_path / "a.jsonl", {"text": ["né"], "n": [1]})
    assert (tmp_path / "a.jsonl").read_text("utf-8") == '{"text": "né", "n": 1}\n'


def test_an_empty_result_is_a_header(tmp_path: Path) -> None:
    write_table(tmp_path / "a.csv", {"text": [], "score": np.zeros(0)})
    assert (tmp_path / "a.csv").read_text() == "text,score\n"


# --- arrays ---


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl"])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_numbers_are_written_as_short_as_they_are_exact(
    tmp_path: Path, name: str, dtype: str
) -> None:
    values = np.array([0.1, 1 / 3, 1e-7, 12345.678], dtype)
    write_table(tmp_path / name, {"score": values})
    column = read_table(tmp_path / name).columns["score"]
    assert np.array_equal(np.array(column, dtype=dtype), values)
    assert len(str(column[0])) <= len("0.09998")


def test_integers_and_labels_in_arrays_become_plain(tmp_path: Path) -> None:
    columns = {
        "label": np.array([-1, 2]),
        "keep": np.array([True, False]),
        "t": np.array(["a", "b"]),
    }
    write_table(tmp_path / "a.jsonl", columns)
    read = read_table(tmp_path / "a.jsonl").columns
    assert read == {"label": [-1, 2], "keep": [True, False], "t": ["a", "b"]}


@pytest.mark.parametrize("name", ["a.jsonl", "a.parquet"])
@pytest.mark.parametrize("dtype", ["float16", "float32", "int8", "uint8"])
def test_vectors_read_back_exactly(tmp_path: Path, name: str, dtype: str) -> None:
    vectors = (np.random.default_rng(0).uniform(0, 100, (5, 3)) / 3).astype(dtype)
    write_table(tmp_path / name, {"text": list("abcde"), "vector": vectors})
    table = read_table(tmp_path / name)
    assert table.text_column() == list("abcde")
    assert np.array_equal(np.array(table.columns["vector"], dtype), vectors)


def test_vectors_are_fixed_size_lists_of_their_dtype_in_parquet(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    vectors = np.arange(12, dtype=np.float32).reshape(4, 3)
    write_table(tmp_path / "a.parquet", {"whole": vectors, "turned": vectors.T.copy().T})
    schema = pa.parquet.read_schema(tmp_path / "a.parquet")
    assert schema.field("whole").type == pa.list_(pa.float32(), 3)
    read = read_table(tmp_path / "a.parquet").columns
    assert read["whole"] == read["turned"] == vectors.tolist()


# --- what a format cannot hold ---


def refused(path: Path, columns: dict[str, Sequence[object]]) -> str:
    with pytest.raises(TableError) as caught:
        write_table(path, columns)
    assert [each for each in path.parent.iterdir() if each.is_file()] == []
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(str(path))
    return message


def test_txt_holds_one_column_of_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    assert "one column, not 2" in refused(path, {"a": ["x"], "b": ["y"]})
    for bad in ["", "  ", None, "two\nlines", "two\rlines"]:
        assert "row 2, " in refused(path, {"a": ["x", bad]})


@pytest.mark.parametrize("name", ["a.txt", "a.csv", "a.tsv"])
def test_what_is_no_character_of_a_text_file_is_replaced_with_a_note(
    tmp_path: Path, name: str
) -> None:
    for bad in ("a\0b", "a\ud83db"):
        with pytest.warns(SememeWarning, match=f"{name[2:]} holds no .* U.FFFD; .jsonl"):
            assert write_table(tmp_path / name, {"text": ["fine", bad]})
        assert read_table(tmp_path / name).columns["text"] == ["fine", "a\ufffdb"]
        assert write_table(tmp_path / name, {"text": [bad]}, note=False)
    assert not write_table(tmp_path / name, {"text": ["fine"]})


def test_tsv_has_no_tabs_or_line_breaks_in_a_cell(tmp_path: Path) -> None:
    with pytest.warns(SememeWarning, match="tsv holds no tabs"):
        write_table(
            tmp_path / "a.tsv",
            {"a\tb": ["x\ty", "x\r\ny"], "c": np.array(["1\n", "2"], object)},
        )
    assert read_table(tmp_path / "a.tsv").columns == {"a b": ["x y", "x y"], "c": ["1 ", "2"]}


@pytest.mark.parametrize("name", ["a.jsonl", "a.parquet"])
def test_half_a_surrogate_pair_is_no_character(tmp_path: Path, name: str) -> None:
    assert "surrogate pair" in refused(tmp_path / name, {"text": ["fine", "half \ud83d"]})


@pytest.mark.parametrize("name", TABULAR)
def test_columns_have_one_length(tmp_path: Path, name: str) -> None:
    assert "{'a': 1, 'b': 2}" in refused(tmp_path / name, {"a": ["x"], "b": ["y", "z"]})
    assert "none at all" in refused(tmp_path / name, {})


def test_vectors_need_a_format_that_holds_them(tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r'"v" has the shape \(2, 3\)'):
        write_table(tmp_path / "a.csv", {"v": np.zeros((2, 3))})
    with pytest.raises(TableError, match=r"shape \(1, 2, 3\)"):
        write_table(tmp_path / "a.parquet", {"v": np.zeros((1, 2, 3))})


def test_values_that_do_not_fit_are_named(tmp_path: Path) -> None:
    assert "jsonl holds no object" in refused(tmp_path / "a.jsonl", {"x": [object()]})
    for values in ([1, "a"], [2**70], [object()]):
        assert 'the column "x" does not fit' in refused(tmp_path / "a.parquet", {"x": values})


# --- where a file may be written ---


@pytest.mark.parametrize("name", ["a.TXT", "a.csv", "a.Tsv", "a.ndjson", "a.parquet"])
def test_the_suffix_asks_for_the_format(tmp_path: Path, name: str) -> None:
    asked = output_format(str(tmp_path / name))
    assert asked == {"ndjson": "jsonl"}.get(name[2:], name[2:].lower())
    assert not (tmp_path / name).exists()


@pytest.mark.parametrize("name", ["a", "a.xls", "a.csv.gz"])
def test_an_unknown_suffix_is_told_what_can_be_written(tmp_path: Path, name: str) -> None:
    with pytest.raises(TableError, match=r"use \.txt, .*\.parquet"):
        output_format(tmp_path / name)


def test_a_place_where_no_file_can_be_is_refused_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "file").touch()
    for path, said in [
        (tmp_path / "folder.csv", "it is a folder"),
        (tmp_path / "nowhere" / "a.csv", "there is no folder"),
        (tmp_path / "file" / "a.csv", "is a file, not a folder"),
        (tmp_path / ("x" * 300 + ".csv"), "File name too long"),
    ]:
        with pytest.raises(TableError, match=said):
            output_format(path)


def test_a_folder_that_may_not_be_written_is_refused_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write everywhere
    with pytest.raises(TableError, match=r"a\.csv cannot be written: you may not write into"):
        output_format(tmp_path / "a.csv")


def test_parquet_without_pyarrow_is_refused_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtra, match="pip install"):
        output_format(tmp_path / "a.parquet")


# --- replacing ---


def test_a_file_is_replaced_when_the_block_ends(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("old")
    with replacing(str(path)) as temporary:
        assert (temporary.parent, temporary.suffix) == (tmp_path, ".json")
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_the_old_file_stays_when_the_block_fails(
    tmp_path: Path, error: type[BaseException]
) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")

    def interrupted() -> None:
        with replacing(path) as temporary:
            temporary.write_text("half")
            raise error

    with pytest.raises(error):
        interrupted()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_table_that_fails_half_way_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    write_table(path, {"x": [1]})
    with pytest.raises(TableError):
        write_table(path, {"x": [*range(10_000), object()]})
    assert read_table(path).columns == {"x": [1]}
    assert list(tmp_path.iterdir()) == [path]


def test_a_block_that_writes_nothing_is_an_error(tmp_path: Path) -> None:
    with (
        pytest.raises(TableError, match="cannot be written: No such file"),
        replacing(tmp_path / "a.txt"),
    ):
        pass


def test_a_link_is_followed_and_stays(tmp_path: Path) -> None:
    (tmp_path / "link.csv").symlink_to(tmp_path / "real.csv")
    write_table(tmp_path / "link.csv", {"text": ["x"]})
    assert (tmp_path / "link.csv").is_symlink()
    assert read_texts(tmp_path / "real.csv") == ["x"]


def test_a_new_file_has_the_permissions_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    write_table(tmp_path / "a.txt", {"text": ["x"]})
    assert (tmp_path / "a.txt").stat().st_mode == (tmp_path / "plain").stat().st_mode

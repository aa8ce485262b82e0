"""Excel workbooks: as openpyxl and pandas write them, read; written, as they read them."""

import zipfile
from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sememe.encoders.disk import SCORES, check_output
from sememe.errors import InputError, SememeWarning, TableError
from sememe.tables import read_table, read_texts, stream_table, write_table

openpyxl = pytest.importorskip("openpyxl")
FLOAT32 = np.array([0.1, 0.25], np.float32)


def workbook(path: Path, *rows: Sequence[object], sheet: str = "Answers") -> Path:
    book = openpyxl.Workbook()
    book.active.title = sheet
    for row in rows:
        book.active.append(row)
    book.save(path)
    return path


def refusal(path: Path, column: str | None = None) -> str:
    with pytest.raises(TableError) as caught:
        read_texts(path, column)
    message = str(caught.value)
    assert "\n" not in message
    return message.removeprefix(f"{path.parent}/")


def written(path: Path) -> list[list[object]]:
    return [[cell.value for cell in row] for row in openpyxl.load_workbook(path).active.iter_rows()]


# --- read ---


def test_cells_keep_their_types(tmp_path: Path) -> None:
    moment = datetime(2024, 5, 1, 10, 30)
    rows: list[list[Any]] = [
        ["one", 1, 0.5, True, date(2024, 5, 1), moment, time(9)],
        ["two", None, 2.0],
    ]
    names = ["text", "n", "share", "done", "day", "moment", "hour"]
    table = read_table(workbook(tmp_path / "a.xlsx", names, *rows))
    assert table.columns["day"] == [date(2024, 5, 1), None]
    assert {name: values[0] for name, values in table.columns.items()} == dict(
        zip(names, rows[0], strict=True)
    )
    assert [values[1] for values in table.columns.values()] == ["two", None, 2, *[None] * 4]


def test_what_pandas_writes(tmp_path: Path) -> None:
    frame = pd.DataFrame({"text": ["a", "b"], "n": [1, 2]}, index=["x", "y"])
    frame.to_excel(tmp_path / "a.xlsx")
    assert read_table(tmp_path / "a.xlsx").columns == {
        "column 1": ["x", "y"], "text": ["a", "b"], "n": [1, 2],
    }  # fmt: skip


def test_digits_in_a_column_of_texts_are_texts_as_in_csv(tmp_path: Path) -> None:
    path = workbook(tmp_path / "a.xlsx", ["text"], ["yes"], [42], [0.5])
    assert read_texts(path) == ["yes", "42", "0.5"]


def test_a_cell_that_is_no_text_is_named_by_its_row_and_letter(tmp_path: Path) -> None:
    path = workbook(tmp_path / "a.xlsx", [], ["id", "text"], [1, "yes"], [], [2, date(2024, 5, 1)])
    assert refusal(path).startswith('a.xlsx, row 5, column B: "text" is datetime.date(2024, 5, 1)')


def test_blank_rows_are_skipped_and_blank_cells_keep_their_place(tmp_path: Path) -> None:
    path = workbook(tmp_path / "a.xlsx", ["id", "text"], [1, None], [None, None], [2, "b"], [3])
    texts = read_table(path)
    assert texts.text_column() == ["", "b", ""]
    assert [texts.source.where(i) for i in range(3)] == [f"{path}, row {row}" for row in (2, 4, 5)]
    assert texts.source.where(1, "text") == f"{path}, row 4, column B"


@pytest.mark.parametrize("size", [1, 2, 10])
def test_rows_come_some_at_a_time(tmp_path: Path, size: int) -> None:
    path = workbook(tmp_path / "a.xlsx", ["text"], *([text] for text in "abcde"))
    tables = list(stream_table(path, None, size))
    assert [text for table in tables for text in table.text_column()] == [*"abcde"]
    assert [table.source.record(0) for table in tables] == [*range(1, 6)][::size]


def test_the_first_visible_sheet_is_read_and_named(tmp_path: Path) -> None:
    book = openpyxl.load_workbook(workbook(tmp_path / "a.xlsx", ["text"], ["from the first"]))
    book.create_sheet("hidden", 0).sheet_state = "hidden"
    book.create_sheet("Notes").append(["text"])
    book.save(tmp_path / "a.xlsx")
    with pytest.warns(SememeWarning, match='has the sheets "Answers", "Notes"; the first, "Ans'):
        assert read_texts(tmp_path / "a.xlsx") == ["from the first"]


def test_a_sheet_can_be_named(tmp_path: Path) -> None:
    book = openpyxl.load_workbook(workbook(tmp_path / "a.xlsx", ["text"], ["from the first"]))
    notes = book.create_sheet("Notes")
    notes.append(["text", "n"])
    notes.append(["from the second"])
    book.save(tmp_path / "a.xlsx")
    texts = read_table(tmp_path / "a.xlsx#Notes")
    assert texts.text_column() == ["from the second"]
    assert texts.source.where(0, "text") == f"{tmp_path / 'a.xlsx#Notes'}, row 2, column A"
    assert 'there is no sheet "Note" (did you mean "Notes"?)' in refusal(tmp_path / "a.xlsx#Note")
    (tmp_path / "a.csv#Notes").write_text("text\na\n")
    assert "has a suffix that is not known" in refusal(tmp_path / "a.csv#Notes")


def test_a_named_sheet_is_not_written_over(tmp_path: Path) -> None:
    book = workbook(tmp_path / "a.xlsx", ["first", "second"], ["a", "b"])
    with pytest.raises(InputError, match="would overwrite"):
        check_output(book, SCORES, f"{book}#Answers")


def test_a_formula_is_its_stored_value(tmp_path: Path) -> None:
    path = workbook(tmp_path / "a.xlsx", ["text", "n"], ["a", "=1+1"], ["b", 3], ["c", "=#N/A"])
    with pytest.warns(SememeWarning, match=r"2 formulas \(first: B2\) without a stored value"):
        assert read_table(path).columns["n"] == [None, 3, None]
    assert read_texts(path) == ["a", "b", "c"]
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    sheet = parts["xl/worksheets/sheet1.xml"]
    sheet = sheet.replace(b"<f>1+1</f><v></v>", b"<f>1+1</f><v>2</v>")
    sheet = sheet.replace(b"<f>1+1</f><v />", b"<f>1+1</f><v>2</v>")
    sheet = sheet.replace(b"><f>#N/A</f><v", b' t="e"><f>#N/A</f><v>#N/A</v><v')
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in {**parts, "xl/worksheets/sheet1.xml": sheet}.items():
            archive.writestr(name, content)
    assert read_table(path).columns["n"] == [2, 3, None]


def test_bad_workbooks_get_one_line(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    assert "has no header" in refusal(workbook(path))
    assert "a header but no rows" in refusal(workbook(path, ["text", "n"]))
    assert 'two columns are called "text"' in refusal(workbook(path, ["text", "text"], ["a", "b"]))
    assert 'no column "txt" (did you mean "text"?)' in refusal(
        workbook(path, ["text"], ["a"]), "txt"
    )
    beyond = refusal(workbook(path, ["text"], ["a"], ["b", None, "a note"]))
    assert beyond.startswith("a.xlsx, row 3, column C: row 1, the header, has no name for this")
    path.write_bytes(b"PK\3\4 and no more")
    assert "a.xlsx cannot be read as xlsx: File is not a zip file" in refusal(path)
    path.write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 old")
    assert "an old Excel or Word file, or one with a password" in refusal(path)
    path.write_text("text\na\n")
    assert "a.xlsx cannot be read as xlsx" in refusal(path)


# --- written ---


def test_what_is_written_is_read_by_pandas_too(tmp_path: Path) -> None:
    columns: dict[str, Any] = {
        "text": ["a\nb", " =1+1 ", ], "formula": ["=1+1", "#N/A"], "score": FLOAT32,
        "id": [2**60, 7], "day": [date(2024, 5, 1), None], "old": [date(1850, 1, 1), None],
        "moment": [datetime(2024, 5, 1, 10), datetime(2024, 5, 1, 10, tzinfo=UTC)],
        "share": [float("nan"), float("inf")], "masked": np.ma.MaskedArray([1, 2], [True, False]),
    }  # fmt: skip
    write_table(tmp_path / "a.xlsx", columns)
    read = read_table(tmp_path / "a.xlsx").columns
    assert read == {
        **columns, "score": [0.1, 0.25], "id": [str(2**60), 7], "old": ["1850-01-01", None],
        "moment": [datetime(2024, 5, 1, 10), "2024-05-01 10:00:00+00:00"],
        "share": [None, "inf"], "masked": [None, 2],
    }  # fmt: skip
    frame = pd.read_excel(tmp_path / "a.xlsx", keep_default_na=False)
    assert frame["text"].tolist() == columns["text"]
    assert frame["formula"].tolist() == columns["formula"]
    assert frame["score"].tolist() == [0.1, 0.25]


@pytest.mark.slow
@settings(max_examples=50)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1), min_size=1))
def test_any_texts_read_back(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> None:
    path = tmp_path_factory.mktemp("xlsx") / "a.xlsx"
    texts = [text.replace("\ufffe", "").replace("\uffff", "") + "\r\n\t\r" for text in texts]
    write_table(path, {"text": texts})
    assert read_texts(path) == texts


def test_what_a_sheet_cannot_hold_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="xlsx holds no set"):
        write_table(tmp_path / "a.xlsx", {"id": [1, 2], "text": ["a", {"b"}]})
    with pytest.raises(TableError, match=r"vectors, one a row, go into \.parquet"):
        write_table(tmp_path / "a.xlsx", {"vector": np.zeros((2, 3))})
    assert not list(tmp_path.iterdir())


def test_texts_are_replaced_and_cut_with_one_note(tmp_path: Path) -> None:
    columns: dict[str, Any] = {
        "text": ["a\0b", "x" * 40_000, "\x0b"],
        "tags": [["a"], None, {"b": 1}],
    }
    with pytest.warns(SememeWarning, match="32,767 characters a cell, after which a text is cut"):
        write_table(tmp_path / "a.xlsx", columns)
    assert written(tmp_path / "a.xlsx") == [
        ["text", "tags"], ["a\ufffdb", '["a"]'], ["x" * 32_767, None], ["\ufffd", '{"b": 1}'],
    ]  # fmt: skip

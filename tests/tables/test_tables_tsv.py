"""Quotes in tab-separated text: pandas writes them around cells, everybody else as text."""

import csv
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sememe.errors import SememeWarning, TableError
from sememe.tables import read_table, read_texts, write_table


def write(path: Path, content: str) -> Path:
    path.write_bytes(content.encode())
    return path


@pytest.mark.parametrize("name", ["a.tsv", "a.csv"])
def test_a_quote_closed_in_another_row_is_text(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, 'id\ttext\n1\t"I will come.\n2\tfine\n3\tHe left."\n')
    table = read_table(path)
    assert table.columns == {"id": ["1", "2", "3"], "text": ['"I will come.', "fine", 'He left."']}
    assert list(table.source.rows) == [2, 3, 4]


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ('"No," he said', '"No," he said'),
        ('He said "no"', 'He said "no"'),
        ('"yes" or "no"', '"yes" or "no"'),
        ('"', '"'),
        ('"""', '"""'),
        (' "a"', ' "a"'),
        ('""', ""),
        ('"a"', "a"),
        ('"say ""hi"""', 'say "hi"'),
        ('"say "hi""', '"say "hi""'),
        ('""hi""', '""hi""'),
        ('"""hi"""', '"hi"'),
    ],
)
def test_a_cell_is_quoted_if_its_quotes_close_with_it(tmp_path: Path, cell: str, text: str) -> None:
    path = write(tmp_path / "a.tsv", f"text\tid\n{cell}\t1\r\n{cell}\t{cell}\r\n")
    assert read_table(path).columns == {"text": [text, text], "id": ["1", text]}


def test_quotes_do_not_join_cells(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tsv", 'sentence1\tsentence2\n"I will come.\tHe left."\n')
    columns = {"sentence1": ['"I will come.'], "sentence2": ['He left."']}
    assert read_table(path).columns == columns


def test_what_pandas_writes_is_read(tmp_path: Path) -> None:
    pd = pytest.importorskip("pandas")
    texts = ['say "hi"', '"hi"', '"', '""', "plain", "it's", "a, b"]
    pd.DataFrame({"text": texts, "n": 1}).to_csv(tmp_path / "a.tsv", sep="\t", index=False)
    assert read_texts(tmp_path / "a.tsv") == texts


pieces = st.sampled_from(['"', '""', " ", ",", ";", "a", "é", "\u2028", "\x0b"]) | st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0\t\r\n"), max_size=3
)


@pytest.mark.slow
@settings(deadline=None)
@given(cell=st.lists(pieces).map("".join).filter(bool))
def test_any_cell_is_itself_unless_its_quotes_close_with_it(cell: str) -> None:
    expected = cell
    if cell.startswith('"'):
        with suppress(csv.Error):  # its quotes do not close
            [[expected]] = csv.reader([cell], delimiter="\t", strict=True)
    with TemporaryDirectory() as folder:
        path = write(Path(folder, "a.tsv"), f"id\ttext\n1\t{cell}\n")
        assert read_texts(path) == [expected]


@pytest.mark.parametrize("character", ["\t", "\n", "\r"])
def test_a_tab_or_a_line_break_is_written_as_a_space(tmp_path: Path, character: str) -> None:
    path = tmp_path / "a.tsv"
    with pytest.warns(SememeWarning, match="written as spaces") as notes:
        write_table(path, {f"a{character}b": [1, 2], "text": ["fine", f"a{character}b"]})
    assert len(notes) == 1
    assert path.read_text(encoding="utf-8") == "a b\ttext\n1\tfine\n2\ta b\n"


def test_a_row_with_a_tab_or_a_line_break_in_a_cell_is_named(tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"line 2: .* a text has a tab in it, .* as \.csv"):
        read_table(write(tmp_path / "a.tsv", 'id\ttext\n1\t"a\tb"\n'))
    with pytest.raises(TableError, match=r"line 3: .* a line break in it, .* as \.csv"):
        read_table(write(tmp_path / "b.tsv", 'id\ttext\n1\t"a\nb"\n'))

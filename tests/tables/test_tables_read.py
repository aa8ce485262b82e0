"""Reading: formats, columns, encodings, and what each broken file is told."""

import gzip
import io
import json
import os
import subprocess
import sys
import tracemalloc
import zipfile
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sememe.errors import MissingExtra, SememeWarning, TableError
from sememe.tables import (
    Source,
    Table,
    choose_column,
    output_format,
    read_table,
    read_texts,
    stream_table,
    write_table,
)


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def stream_texts(path: Path, column: str | None = None, size: int = 4096) -> Iterator[list[str]]:
    pick = lambda names: [choose_column(names, column, str(path))]  # noqa: E731
    return (table.text_column() for table in stream_table(path, pick, size))


def refusal(path: Path | str, column: str | None = None) -> str:
    """What reading says, less the folder; always one line."""
    with pytest.raises(TableError) as caught:
        read_texts(path, column)
    message = str(caught.value)
    assert "\n" not in message
    return message.replace(f"{Path(path).parent}{os.sep}", "")


# --- txt ---


def test_txt_is_one_text_a_line(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", 'one\n two, "2" \nthree')
    assert read_table(path).columns == {"text": ["one", ' two, "2" ', "three"]}


def test_txt_skips_blank_lines_and_keeps_the_line_numbers(tmp_path: Path) -> None:
    read = read_table(write(tmp_path / "a.txt", "\none\n\n  \t\ntwo\n\n"))
    assert read.text_column() == ["one", "two"]
    assert list(read.source.rows) == [2, 5]
    assert read.source.where(1) == f"{tmp_path / 'a.txt'}, line 5"


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_txt_takes_the_line_ends_of_every_system(tmp_path: Path, end: str) -> None:
    assert read_texts(write(tmp_path / "a.txt", f"one{end}two{end}")) == ["one", "two"]


def test_txt_is_cut_at_line_ends_only(tmp_path: Path) -> None:
    text = "page\fone\u2028still\x85the same\x1ctext"
    assert read_texts(write(tmp_path / "a.txt", text)) == [text]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_every_unicode_encoding_reads_alike(tmp_path: Path, encoding: str) -> None:
    texts = ["naïve café", "日本語 😀", "Ωmega"]
    path = write(tmp_path / "a.txt", "\n".join(texts).encode(encoding))
    assert read_texts(path) == texts


def test_utf16_big_endian_with_a_mark_is_read(tmp_path: Path) -> None:
    content = b"\xfe\xff" + "text;id\r\nüber;1\r\n".encode("utf-16-be")
    assert read_texts(write(tmp_path / "a.csv", content)) == ["über"]


def test_the_mark_of_utf8_is_not_part_of_a_header(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "text,id\nx,1\n".encode("utf-8-sig"))
    assert list(read_table(path).columns) == ["text", "id"]


@pytest.mark.parametrize("name", ["a.txt", "a.csv", "a.jsonl"])
@pytest.mark.parametrize("lines_before", [1, 5000])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_a_byte_that_is_not_utf8_is_named_with_line_and_offset(
    tmp_path: Path, name: str, lines_before: int, mark: bytes
) -> None:
    before = mark + "“text”\n".encode() * lines_before + b"caf"
    if name == "a.jsonl":
        before = before.replace("“text”".encode(), '"“text”"'.encode())
    message = refusal(write(tmp_path / name, before + b"\xe9 au lait\n"))
    assert message.startswith(f"{name}, line {lines_before + 1}: byte 0xe9 at offset {len(before)}")
    assert "is not UTF-8" in message
    assert "iconv -f cp1252 -t utf-8" in message
    assert name in message.split("utf-8 ")[-1]


def test_a_character_cut_off_by_the_end_of_the_file_is_named(tmp_path: Path) -> None:
    message = refusal(write(tmp_path / "a.txt", b"one\ntwo \xe2\x82"))
    assert message.startswith("a.txt, line 2: byte 0xe2 at offset 8 is not UTF-8")


def test_utf32_is_not_taken_for_utf16(tmp_path: Path) -> None:
    content = b"\xff\xfe\0\0" + "one\ntwo".encode("utf-32-le")
    assert read_texts(write(tmp_path / "a.txt", content)) == ["one", "two"]
    content = b"\0\0\xfe\xff" + "text\n😀\n".encode("utf-32-be")
    assert read_texts(write(tmp_path / "a.csv", content)) == ["😀"]
    message = refusal(write(tmp_path / "b.txt", content + b"\0\xff\0\0"))
    assert message.startswith("b.txt, line 3: byte 0x00 at offset 32 is not UTF-32")


def test_utf16_cut_in_half_is_named(tmp_path: Path) -> None:
    message = refusal(write(tmp_path / "a.txt", "one\ntwo".encode("utf-16")[:-1]))
    assert message.startswith("a.txt, line 2: byte 0x6f at offset 14 is not UTF-16")


# --- csv and tsv ---


def test_csv_reads_every_column_as_text(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", 'id,text\n1,"a, ""b"""\n2,\n')
    assert read_table(path).columns == {"id": ["1", "2"], "text": ['a, "b"', ""]}


def test_csv_keeps_line_breaks_in_cells_and_counts_the_lines_of_the_file(tmp_path: Path) -> None:
    read = read_table(write(tmp_path / "a.csv", 'text\r\n"one\r\nmore"\r\n\r\ntwo\r\n'))
    assert read.text_column() == ["one\r\nmore", "two"]
    assert list(read.source.rows) == [2, 5]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_the_delimiter_of_csv_is_found_in_the_header(tmp_path: Path, delimiter: str) -> None:
    content = f"id{delimiter}text\n1{delimiter}hello\n"
    assert read_texts(write(tmp_path / "a.csv", content)) == ["hello"]


def test_commas_and_semicolons_in_texts_do_not_change_the_delimiter(tmp_path: Path) -> None:
    assert read_texts(write(tmp_path / "a.csv", "text\na; b; c\n")) == ["a; b; c"]
    inches = write(tmp_path / "c.csv", '5" text\t6" text\n1\t2\n')
    assert list(read_table(inches).columns) == ['5" text', '6" text']
    semicolons = write(tmp_path / "b.csv", 'id;"text, as it was said"\n1;a, b, c\n')
    assert read_texts(semicolons, "text, as it was said") == ["a, b, c"]


def test_tsv_is_cut_at_tabs_only(tmp_path: Path) -> None:
    read = read_table(write(tmp_path / "a.tsv", 'a;b,c\ttext\n1\tone, "two"; three\n'))
    assert read.text_column() == ['one, "two"; three']


def test_a_text_of_a_megabyte_is_read(tmp_path: Path) -> None:
    text = "lorem ipsum\n" * 100_000
    assert read_texts(write(tmp_path / "a.csv", f'text\n"{text}"\n')) == [text]


def test_too_many_cells_are_blamed_on_a_comma(tmp_path: Path) -> None:
    message = refusal(write(tmp_path / "a.csv", "id,text\n1,fine\n2,one, two\n"), "text")
    assert message.startswith("a.csv, line 3: the header has 2 cells, this row 3; most likely")
    assert "comma" in message
    assert "semicolon" in refusal(write(tmp_path / "b.csv", "id;text\n2;one; two\n"))
    assert "has a tab in it" in refusal(write(tmp_path / "c.tsv", "id\ttext\n2\tone\ttwo\n"))


def test_too_few_cells_are_blamed_on_a_line_break(tmp_path: Path) -> None:
    message = refusal(write(tmp_path / "a.csv", "id,text\n1,one\ntwo\n"), "text")
    assert message.startswith("a.csv, line 3: the header has 2 cells, this row 1; most likely")
    assert "line break" in message


def test_an_unclosed_quote_is_reported_where_it_opens(tmp_path: Path) -> None:
    lines = ["id,text", "1,fine", '2,"not closed', "3,fine", "4,fine"]
    message = refusal(write(tmp_path / "a.csv", "\n".join(lines)))
    assert message.startswith('a.csv, line 3: a quote (") that opens in this row is not closed')
    assert "line 5" in message


def test_a_quote_closed_only_by_a_later_row_is_reported_where_it_opens(tmp_path: Path) -> None:
    merged = ["id,text", '1,"not closed', "2,fine", '3,"fine', 'x"']
    assert refusal(write(tmp_path / "a.csv", "\n".join(merged))).startswith(
        "a.csv, line 2: a quote"
    )
    wider = ["id,text", '1,"not closed', "2,fine", '3,",x']
    message = refusal(write(tmp_path / "b.csv", "\n".join(wider)))
    assert message.startswith(
        "b.csv, line 2: the header has 2 cells, this row 3; the row runs on to"
    )
    assert "line 4" in message


def test_an_unclosed_quote_in_a_big_file_is_found_before_its_end(tmp_path: Path) -> None:
    content = 'text\nfine\n"open\n' + "x" * 2**20 * 17
    message = refusal(write(tmp_path / "a.csv", content))
    assert message.startswith("a.csv, line 3: a cell of this row has more than 16,777,216 char")
    assert 'most likely a quote (") opens in it and is not closed' in message
    assert ".jsonl and .parquet hold it" in message


def test_a_quote_inside_a_quoted_cell_must_be_doubled(tmp_path: Path) -> None:
    message = refusal(write(tmp_path / "a.csv", 'id,text\n1,ok\n2,"No," he said\n'))
    assert message.startswith('a.csv, line 3: a quote (") closes before the end of its cell')
    assert 'doubled: "say ""hi"""' in message


def test_a_broken_header_is_named(tmp_path: Path) -> None:
    assert "a.csv, line 1: a quote" in refusal(write(tmp_path / "a.csv", 'id,"text\n1,x\n'))
    assert 'two columns are called "text"' in refusal(write(tmp_path / "b.csv", "text,text\na,b\n"))


def test_a_column_without_a_name_is_called_after_its_place(tmp_path: Path) -> None:
    table = read_table(write(tmp_path / "pandas.csv", ",text\n0,hello\n"))
    assert table.columns == {"column 1": ["0"], "text": ["hello"]}


@pytest.mark.parametrize("content", ["text,id\n", "text\r\n\r\n", "text"])
def test_a_header_alone_has_no_rows(tmp_path: Path, content: str) -> None:
    assert refusal(write(tmp_path / "a.csv", content)) == "a.csv has a header but no rows"


def test_blank_lines_alone_have_no_header(tmp_path: Path) -> None:
    assert "a.csv has no header" in refusal(write(tmp_path / "a.csv", "\n\n"))


def test_excels_hint_names_the_delimiter_and_is_no_row(tmp_path: Path) -> None:
    read = read_table(write(tmp_path / "a.csv", "sep=;\r\nid;text\r\n1;one, two\r\n"))
    assert (read.text_column(), list(read.source.rows)) == (["one, two"], [3])
    assert read_texts(write(tmp_path / "b.csv", "sep=|\nid|text\n1|one\n")) == ["one"]
    tabs = write(tmp_path / "c.csv", '\ufeffsep=\t\nid\ttext\n1\t"one\n')
    assert read_texts(tabs) == ['"one']
    message = refusal(write(tmp_path / "d.csv", "sep=;\nid;text\n1;one;two\n"))
    assert message.startswith("d.csv, line 3: the header has 2 cells, this row 3")
    assert refusal(write(tmp_path / "e.csv", "sep=;\n")).startswith("e.csv has no header")


def test_the_delimiter_is_found_in_the_first_line_that_is_not_empty(tmp_path: Path) -> None:
    read = read_table(write(tmp_path / "a.csv", "\n\nid;text\n1;one\n"))
    assert (read.text_column(), list(read.source.rows)) == (["one"], [4])


@pytest.mark.slow
def test_a_cell_of_20_megabytes_is_not_called_an_unclosed_quote(tmp_path: Path) -> None:
    text = "x" * 20_000_000
    message = refusal(write(tmp_path / "a.csv", f"id,text\n1,{text}\n"), "text")
    assert "line 2: a cell of this row has more than 16,777,216 characters" in message
    assert read_texts(write(tmp_path / "a.jsonl", json.dumps(text))) == [text]


# --- jsonl ---


def test_jsonl_keeps_types(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", '{"text": "a", "n": 1.5}\n\n{"text": "b", "n": [1, null]}\n')
    table = read_table(path)
    assert table.columns == {"text": ["a", "b"], "n": [1.5, [1, None]]}
    assert list(table.source.rows) == [1, 3]


def test_bare_strings_are_texts(tmp_path: Path) -> None:
    read = read_table(write(tmp_path / "a.ndjson", '"one"\n{"text": "two"}\n'))
    assert read.text_column() == ["one", "two"]


def test_a_key_that_a_line_lacks_is_none_and_a_blank_text(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", '{"text": "a", "b": "x"}\n{"text": "c"}\n{"d": 1}\n')
    columns = {"text": ["a", "c", None], "b": ["x", None, None], "d": [None, None, 1]}
    assert read_table(path).columns == columns
    assert read_texts(path) == ["a", "c", ""]
    assert read_texts(path, "b") == ["x", "", ""]


@pytest.mark.parametrize(
    ("value", "found"),
    [("true", "is True, not a text"), ("3.5", "is 3.5, not a text"), ('["x"]', "is ['x'], not a")],
)
def test_what_is_not_a_text_is_named_with_its_line(tmp_path: Path, value: str, found: str) -> None:
    path = write(tmp_path / "a.jsonl", f'{{"text": "ok"}}\n\n{{"text": {value}}}\n')
    message = refusal(path)
    assert message.startswith('a.jsonl, line 3: "text" ')
    assert found in message


def test_broken_json_is_named_with_line_and_column(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", '{"text": "ok"}\n{"text": ok}\n')
    assert refusal(path).startswith("a.jsonl, line 2, column 10: not valid JSON (Expecting value)")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('[{"text": "a"}]', "line 1: a JSON array begins here"),
        ('[\n  {"text": "a"}\n]', "line 1: a JSON array begins here"),
        ("12", "found 12"),
        ("null", "found None"),
        ('{"a":' * 100_000, "recursion"),
        ("9" * 10_000, "digits"),
        ("{}", "expected an object with keys"),
    ],
)
def test_json_that_is_no_row_is_refused(tmp_path: Path, line: str, said: str) -> None:
    assert said in refusal(write(tmp_path / "a.jsonl", line))


@pytest.mark.filterwarnings("error")
def test_a_whole_surrogate_pair_is_a_character(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", json.dumps({"text": "so 😀"}) + '\n"\\ud83d\\udc4d"')
    assert read_texts(path) == ["so 😀", "👍"]


def test_half_of_a_surrogate_pair_is_replaced_in_every_column(tmp_path: Path) -> None:
    lines = [{"text": "fine"}, {"text": "\ud83d 👍", "n": ["\udc4d"]}, {"\ud83d": "\ud83d"}]
    path = write(tmp_path / "a.jsonl", "\n".join(map(json.dumps, lines)))
    with pytest.warns(SememeWarning) as notes:
        (table,) = stream_table(path)
    assert table.columns == {
        "text": ["fine", "\ufffd 👍", None],
        "n": [None, ["\ufffd"], None],
        "\ufffd": [None, None, "\ufffd"],
    }
    assert [str(note.message) for note in notes] == [
        f"{path}, line 2: half of a surrogate pair, which is no character; it is read as U+FFFD, "
        "wherever it stands in this file"
    ]


def test_the_keys_of_all_lines_are_the_columns(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", '{"id": 1}\n{"id": 2, "text": "hi"}\n')
    assert list(stream_texts(path, size=1)) == [[""], ["hi"]]
    assert read_texts(path) == read_table(path).text_column() == ["", "hi"]
    assert list(stream_texts(path, "TEXT")) == [["", "hi"]]
    tables = list(stream_table(path, None, 1))
    assert [table.columns for table in tables] == [
        {"id": [1], "text": [None]},
        {"id": [2], "text": ["hi"]},
    ]
    assert refusal(path, "id").startswith('a.jsonl, line 1: "id" is 1, not a text')


def test_an_array_in_a_jsonl_is_told_how_to_become_lines(tmp_path: Path) -> None:
    path = write(tmp_path / "my rows.jsonl", '[\n{"text": "a"},\n{"text": "b"}\n]\n')
    message = refusal(path)
    assert message.startswith("my rows.jsonl, line 1: a JSON array begins here")
    assert "jq -c '.[]' 'my rows.jsonl' > rows.jsonl" in message.replace(f"{tmp_path}/", "")


def test_nan_is_a_missing_text(tmp_path: Path) -> None:
    assert read_texts(write(tmp_path / "a.jsonl", '{"text": NaN}\n"a"\n')) == ["", "a"]


# --- parquet ---


def test_parquet_keeps_types_and_names_rows(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": ["a", None], "n": [1, 2], "a.b": ["x", "y"]}), path)
    assert read_table(path).columns == {"text": ["a", None], "n": [1, 2], "a.b": ["x", "y"]}
    assert read_texts(path, "text") == ["a", ""]
    assert refusal(path, "n").startswith('a.parquet, row 1: "n" is 1, not a text')
    assert list(read_table(path).source.rows) == [1, 2]


def test_every_string_type_of_parquet_is_text(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    plain = pa.array(["a", "b", "a"])
    columns = {
        "plain": plain,
        "large": plain.cast("large_string"),
        "codes": plain.dictionary_encode(),
    }
    pq.write_table(pa.table(columns), tmp_path / "a.parquet", row_group_size=2)
    for name in columns:
        assert read_texts(tmp_path / "a.parquet", name) == ["a", "b", "a"]


def test_broken_parquet_is_refused(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    assert "cannot be read as parquet" in refusal(write(tmp_path / "a.parquet", "text\nhello\n"))
    pq.write_table(pa.table([["x"], ["y"]], names=["text", "text"]), tmp_path / "b.parquet")
    assert '"text" cannot be read' in refusal(tmp_path / "b.parquet")
    pq.write_table(pa.table({"text": pa.array([], "string")}), tmp_path / "c.parquet")
    assert refusal(tmp_path / "c.parquet") == "c.parquet has a schema but no rows"
    pq.write_table(pa.table({"text": ["some text"] * 50}), tmp_path / "d.parquet", compression=None)
    content = (tmp_path / "d.parquet").read_bytes()
    damaged = write(tmp_path / "d.parquet", content.replace(b"some text", b"some\xff\xfeext"))
    assert '"text" cannot be read' in refusal(damaged)


def test_xlsx_without_openpyxl_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(MissingExtra, match=r'needed for xlsx files: pip install "openpyxl>=3.1"'):
        read_texts(workbook(tmp_path / "a.xlsx"))
    with pytest.raises(MissingExtra, match="xlsx files"):
        output_format(tmp_path / "b.xlsx")


def test_parquet_without_pyarrow_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(MissingExtra, match=r'pip install "pyarrow>=16"'):
        read_texts(write(tmp_path / "a.parquet", b"PAR1"))


# --- which column ---


def test_the_only_column_needs_no_name(tmp_path: Path) -> None:
    assert read_table(write(tmp_path / "a.csv", "remark\nhello\n")).text_name() == "remark"


@pytest.mark.parametrize(
    ("header", "chosen"),
    [
        ("title,text", "text"),
        ("query,Sentence", "Sentence"),
        ("TITLE,id", "TITLE"),
        ("id, Content ", " Content "),
        ("Text,text", "text"),
        ("document,question", "document"),
    ],
)
def test_a_column_named_like_a_text_is_found(tmp_path: Path, header: str, chosen: str) -> None:
    assert read_table(write(tmp_path / "a.csv", f"{header}\n1,2\n")).text_name() == chosen


def test_no_likely_column_is_an_error_that_lists_them(tmp_path: Path) -> None:
    message = refusal(write(tmp_path / "a.csv", "sentence1,sentence2\na,b\n"))
    assert 'a.csv has the columns "sentence1", "sentence2"' in message
    assert "--column" in message


def test_a_named_column_matches_exactly_first_then_without_case(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "Body,body,Note\n1,2,3\n")
    assert read_texts(path, "body") == ["2"]
    assert read_texts(path, "Body") == ["1"]
    assert read_texts(path, "NOTE") == ["3"]


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "txt", "parquet"])
def test_a_wrong_column_is_an_error_that_suggests_one(tmp_path: Path, suffix: str) -> None:
    contents = {"csv": "id,text\n1,x\n", "jsonl": '{"id": 1, "text": "x"}', "txt": "hello\n"}
    path = tmp_path / f"a.{suffix}"
    if suffix == "parquet":
        pa = pytest.importorskip("pyarrow")
        pa.parquet.write_table(pa.table({"id": [1], "text": ["x"]}), path)
    else:
        write(path, contents[suffix])
    message = refusal(path, "txet")
    assert f'a.{suffix} has no column "txet" (did you mean "text"?)' in message


def test_a_table_gives_any_column_and_tells_where_a_value_stands(tmp_path: Path) -> None:
    table = read_table(write(tmp_path / "a.tsv", "sentence1\tSentence2\tscore\na\tb\t4.5\n"))
    assert table.text_column("sentence2") == ["b"]
    assert table.column("score") == ["4.5"]
    assert table.source.where(0).endswith("a.tsv, line 2")
    with pytest.raises(TableError, match=r'no column "scores" \(did you mean "score"'):
        table.column("scores")


def test_a_table_made_by_hand_counts_its_own_rows() -> None:
    with pytest.raises(TableError, match='the table, row 2: "text" is 7, not a text'):
        Table({"text": ["a", 7]}).text_column()
    assert Source("a.csv", "line", [2, 5]).where(1) == "a.csv, line 5"


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
def test_only_the_column_of_texts_is_kept_in_memory(tmp_path: Path, name: str) -> None:
    other = "x" * 10_000
    write_table(tmp_path / name, {"text": ["short"] * 500, "other": [other] * 500})
    tracemalloc.start()
    read_texts(tmp_path / name)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < (tmp_path / name).stat().st_size / 5


# --- the file itself ---


@pytest.mark.parametrize("name", ["A.TXT", "a.text", "a.txt.gz", "a.TXT.GZ"])
def test_suffixes_are_known_in_any_case_and_compressed(tmp_path: Path, name: str) -> None:
    content = gzip.compress(b"hello\n", mtime=0) if name.lower().endswith("gz") else b"hello\n"
    assert read_texts(write(tmp_path / name, content)) == ["hello"]


def test_a_path_may_be_a_string(tmp_path: Path) -> None:
    assert read_texts(str(write(tmp_path / "a.txt", "hello"))) == ["hello"]


@pytest.mark.parametrize("name", ["a.md", "a", "a.parquet.gz", "a.gz", "a.json"])
def test_an_unknown_suffix_is_told_what_is_read(tmp_path: Path, name: str) -> None:
    content = gzip.compress(b"hello\n", mtime=0) if name.endswith("gz") else b"hello\n"
    message = refusal(write(tmp_path / name, content))
    assert message.startswith(f"{name} has a suffix that is not known")
    assert ("write one object a line, as .jsonl" in message) == (name == "a.json")
    assert ".txt, .text, .csv, .tsv, .jsonl, .ndjson, .parquet" in message


def test_an_unknown_suffix_of_a_known_kind_is_told_what_to_do(tmp_path: Path) -> None:
    assert "an Excel workbook: name it .xlsx" in refusal(workbook(tmp_path / "a.xls"))


def workbook(path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("[Content_Types].xml", "<x/>")
        archive.writestr("xl/workbook.xml", "<x/>")
    return path


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"one\ntwo\0three\n", "looks binary, not text"),
        (b"%PDF-1.7\n%\xe2\xe3\n", "a PDF: save its text"),
        (gzip.compress(b"hello", mtime=0), "gzip: add .gz"),
        (b"PAR1\x15\x04\0\0", "parquet: name it .parquet"),
        (b"PK\x03\x04\x14\0\0\0", "a zip archive: unpack it"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0", "an old Excel or Word file"),
    ],
)
@pytest.mark.parametrize("name", ["a.txt", "a.csv", "a.jsonl"])
def test_a_binary_file_is_named_for_what_it_is(
    tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    message = refusal(write(tmp_path / name, content))
    assert message.startswith(f"{name} looks binary, not text")
    assert said in message


def test_a_workbook_named_csv_is_recognised(tmp_path: Path) -> None:
    assert "it is an Excel workbook" in refusal(workbook(tmp_path / "a.csv"))


def test_a_text_may_begin_like_a_file_signature(tmp_path: Path) -> None:
    texts = ["PAR1 is a gene", "PK is a unit"]
    assert read_texts(write(tmp_path / "a.txt", "\n".join(texts))) == texts


@pytest.mark.parametrize("name", ["a.txt", "a.csv", "a.jsonl", "a.parquet", "a.xlsx"])
def test_an_empty_file_is_refused(tmp_path: Path, name: str) -> None:
    assert refusal(write(tmp_path / name, "")) == f"{name} is empty"


@pytest.mark.parametrize("content", ["\n \n", b"\xef\xbb\xbf"])
def test_a_file_of_blank_lines_has_no_text(tmp_path: Path, content: str | bytes) -> None:
    assert "a.txt has no text" in refusal(write(tmp_path / "a.txt", content))
    assert "a.jsonl has no rows" in refusal(write(tmp_path / "a.jsonl", content))


def test_a_missing_file_suggests_a_near_name(tmp_path: Path) -> None:
    write(tmp_path / "Questions.csv", "text\nx\n")
    message = refusal(tmp_path / "question.csv")
    assert message == 'there is no file question.csv (did you mean "Questions.csv"?)'
    assert refusal(tmp_path / "zzz.txt") == "there is no file zzz.txt"


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    assert "there is no folder" in refusal(tmp_path / "nowhere" / "a.csv")


@pytest.mark.parametrize("name", ["folder", "folder.csv"])
def test_a_folder_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    assert refusal(tmp_path / name) == f"{name} is a folder: give one of the files in it"


def test_a_file_that_cannot_be_opened_says_why(tmp_path: Path) -> None:
    assert "cannot be read: File name too long" in refusal(tmp_path / ("x" * 300 + ".txt"))
    assert "cannot be read: Not a dir" in refusal(write(tmp_path / "a.txt", "x") / "b.txt")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read all")
def test_a_file_without_permission_says_so(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", "x")
    path.chmod(0)
    assert refusal(path) == "a.txt cannot be read: Permission denied"


@pytest.mark.parametrize(
    "damage", [lambda c: c[:-12], lambda _: b"hello", lambda c: c[:20] + b"?" * 20]
)
def test_a_damaged_gzip_is_refused(tmp_path: Path, damage: object) -> None:
    content = damage(gzip.compress(os.urandom(1000).hex().encode()))  # type: ignore[operator]
    assert "a.txt.gz cannot be read: " in refusal(write(tmp_path / "a.txt.gz", content))


@pytest.mark.parametrize("name", ["a.txt", "a.csv", "a.parquet"])
def test_a_pointer_of_git_lfs_is_not_the_file(tmp_path: Path, name: str) -> None:
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
    message = refusal(write(tmp_path / name, pointer))
    assert message.startswith(f"{name} is a Git LFS pointer")
    assert "git lfs pull" in message


# What the readers look at, far more often than chance would bring it.
pieces = st.sampled_from(
    [b'"', b",", b";", b"\n", b"\r", b"text", b"{", b"}", b":", b"\\ud8", b"\\u00", b"1e9", b"PAR1"]
)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["a.txt", "a.csv", "a.tsv", "a.jsonl", "a.parquet", "a.txt.gz"])
@settings(deadline=None)
@given(content=st.lists(pieces | st.binary(max_size=3)).map(b"".join))
def test_any_bytes_give_texts_or_one_clear_error(name: str, content: bytes) -> None:
    with TemporaryDirectory() as folder:
        path = write(Path(folder, name), content)
        try:
            texts = read_texts(path)
        except TableError as error:
            assert name in str(error)  # noqa: PT017
        else:
            assert len(texts) > 0
            "".join(texts).encode()  # raises if a text cannot be


# --- standard input ---


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> io.BytesIO:
    stream = io.BytesIO()
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(stream, "ascii"))
    return stream


def feed(stream: io.BytesIO, content: bytes) -> None:
    stream.write(content)
    stream.seek(0)


def test_a_dash_reads_lines_of_utf8_from_standard_input(typed: io.BytesIO) -> None:
    feed(typed, "naïve\n\ncafé\n".encode())
    read = read_table("-")
    assert (read.text_column(), list(read.source.rows)) == (["naïve", "café"], [1, 3])
    assert read.source.where(0) == "standard input, line 1"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"a\0b", "looks binary"),
        (b"ok\n\xff", ", line 2: byte 0xff at offset 3"),
    ],
)
def test_standard_input_gets_the_same_errors(typed: io.BytesIO, content: bytes, said: str) -> None:
    feed(typed, content)
    assert refusal("-").startswith(f"standard input{'' if said[0] == ',' else ' '}{said}")


def test_standard_input_that_is_closed_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", None)
    assert refusal("-").startswith("standard input is closed")


# --- pipes ---

needs_pipes = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes have names here")


@needs_pipes
def test_a_descriptor_is_read_as_lines_like_standard_input() -> None:
    end, begin = os.pipe()
    os.write(begin, b"text,id\none,1\n")
    os.close(begin)
    try:
        read = read_table(f"/dev/fd/{end}")  # what the shell puts in the place of <(...)
    finally:
        os.close(end)
    assert read.text_column() == ["text,id", "one,1"]
    assert read.source.where(1) == f"/dev/fd/{end}, line 2"


@pytest.mark.slow
@needs_pipes
def test_dev_stdin_is_read_as_lines_from_a_pipe_and_from_a_file(tmp_path: Path) -> None:
    code = "from sememe.tables import read_texts; print(read_texts('/dev/stdin'))"
    command = [sys.executable, "-c", code]
    piped = subprocess.run(command, input=b"one\ntwo\n", capture_output=True, check=True)
    with write(tmp_path / "a.csv", "one\ntwo\n").open() as file:
        redirected = subprocess.run(command, stdin=file, capture_output=True, check=True)
    assert piped.stdout == redirected.stdout == b"['one', 'two']\n"


@needs_pipes
@pytest.mark.parametrize("name", ["pipe", "pipe.csv", "pipe.jsonl", "pipe.parquet", "pipe.txt.gz"])
def test_a_pipe_is_read_by_its_suffix(tmp_path: Path, name: str) -> None:
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow")
    if name in ("pipe", "pipe.txt.gz"):
        content = gzip.compress(b"one\ntwo\n", mtime=0) if name != "pipe" else b"one\ntwo\n"
    else:
        write_table(tmp_path / name, {"text": ["one", "two"]})
        content = (tmp_path / name).read_bytes()
        (tmp_path / name).unlink()
    os.mkfifo(tmp_path / name)
    writer = Thread(target=write, args=(tmp_path / name, content))
    writer.start()
    assert [text for texts in stream_texts(tmp_path / name, size=1) for text in texts] == [
        "one",
        "two",
    ]
    writer.join()


@pytest.mark.parametrize("suffix", ["txt", "csv", "tsv", "jsonl", "parquet"])
@pytest.mark.parametrize("size", [1, 2, 4])
def test_rows_of_a_stream_are_counted_through(tmp_path: Path, suffix: str, size: int) -> None:
    path = tmp_path / f"t.{suffix}"
    write_table(path, {"text": ["a", "b", "c", "d"]})
    sources = [table.source for table in stream_table(path, None, size)]
    assert [source.record(i) for source in sources for i in range(size)] == [1, 2, 3, 4]
    first = {"csv": 2, "tsv": 2}.get(suffix, 1)
    numbers = [source.number(i) for source in sources for i in range(size)]
    assert numbers == list(range(first, first + 4))


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "parquet"])
def test_blank_cells_keep_their_place(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"t.{suffix}"
    write_table(path, {"id": ["1", "2", "3"], "text": ["a", None, " "]})
    assert list(stream_texts(path, size=2)) == [["a", ""], [" "]]


@pytest.mark.parametrize("suffix", ["txt", "csv", "tsv", "jsonl", "parquet", "txt.gz"])
@pytest.mark.parametrize("size", [1, 3, 4, 100])
def test_a_stream_gives_the_same_texts(tmp_path: Path, suffix: str, size: int) -> None:
    texts = ["a", "b c", "d, e", "f", "g", "h", "i"]
    path = tmp_path / f"t.{suffix}"
    if suffix == "txt.gz":
        path.write_bytes(gzip.compress("\n".join(texts).encode()))
    else:
        write_table(path, {"text": texts})
    blocks = list(stream_texts(path, size=size))
    assert [len(block) for block in blocks[:-1]] == [size] * (len(blocks) - 1)
    assert [text for block in blocks for text in block] == texts == read_texts(path)


def test_a_stream_names_the_line_of_a_bad_row(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text('{"text": "a"}\n{"text": "b"}\n{"text": 7}\n')
    blocks = stream_texts(path, size=2)
    assert next(blocks) == ["a", "b"]
    with pytest.raises(TableError, match="line 3"):
        next(blocks)
    path.write_text("\n\n")
    with pytest.raises(TableError, match="every line is blank"):
        next(stream_texts(path))

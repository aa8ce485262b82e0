"""Columns of parquet: what Arrow knows of them is still there when they are written again."""

import datetime
from pathlib import Path
from typing import Any

import pytest

from sememe.errors import TableError
from sememe.tables import Source, Table, join_parquet, read_table, stream_table, write_table

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")


def sample() -> Any:
    words = ["a", "b", None, "a", "c"]
    columns = {
        "text": pa.array(words),
        "int8": pa.array([1, None, 3, 4, 5], "int8"),
        "uint64": pa.array([2**64 - 1] * 5, "uint64"),
        "nanoseconds": pa.array(range(5), pa.timestamp("ns")),
        "zone": pa.array(range(5), pa.timestamp("ms", "Europe/Berlin")),
        "duration": pa.array(range(5), pa.duration("ns")),
        "dictionary": pa.array(words).dictionary_encode(),
        "map": pa.array([[("k", 1)], [], None, [], []], pa.map_("string", "int32")),
        "large": pa.array(words, "large_string"),
        "view": pa.array(words, pa.string_view()),
        "list": pa.array([[1], [], None, [2, 3], [4]], pa.list_(pa.int16())),
        "float16": pa.array([1, 2, 3, 4, 5], "float16"),
        "bytes": pa.array([b"x"] * 5),
        "null": pa.nulls(5),
    }
    fields = [pa.field(name, column.type) for name, column in columns.items()]
    fields[2] = pa.field("uint64", "uint64", nullable=False, metadata={"unit": "rows"})
    return pa.table(list(columns.values()), pa.schema(fields))


def written(path: Path) -> Path:
    pq.write_table(sample(), path, row_group_size=2)
    return path


def test_columns_are_written_as_they_were_read(tmp_path: Path) -> None:
    table = read_table(written(tmp_path / "a.parquet"))
    write_table(tmp_path / "b.parquet", {**table.columns, "score": [0.5] * 5})
    back = pq.read_table(tmp_path / "b.parquet")
    assert back.drop_columns("score").equals(sample())
    assert not back.schema.field("uint64").nullable
    assert back.schema.field("uint64").metadata[b"unit"] == b"rows"


def test_rows_are_taken_with_their_types_and_places(tmp_path: Path) -> None:
    for table in (
        read_table(written(tmp_path / "a.parquet")).take([4, 0, 1]),
        next(stream_table(tmp_path / "a.parquet", lambda names: names)).take([1, 0]),
    ):
        write_table(tmp_path / "b.parquet", table.columns)
        rows = [table.source.record(i) - 1 for i in range(len(table))]
        expected = pa.concat_tables([sample().slice(row, 1) for row in rows])
        assert pq.read_table(tmp_path / "b.parquet").equals(expected)
        assert table.source.where(0) == f"{tmp_path / 'a.parquet'}, row {rows[0] + 1}"
    assert len(table.take([])) == 0


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_shards_of_a_stream_are_joined_to_what_was_read(tmp_path: Path, size: int) -> None:
    shards = []
    for table in stream_table(written(tmp_path / "a.parquet"), None, size):
        assert 0 < len(table) <= size
        shards.append(tmp_path / f"{table.source.record(0)}.parquet")
        write_table(shards[-1], table.columns)
    join_parquet(tmp_path / "b.parquet", shards)
    assert pq.read_table(tmp_path / "b.parquet").equals(sample())


def test_values_are_those_of_python(tmp_path: Path) -> None:
    columns = read_table(written(tmp_path / "a.parquet")).columns
    assert columns["dictionary"] == ["a", "b", None, "a", "c"]
    assert list(columns["int8"]) == [1, None, 3, 4, 5]
    assert columns["map"][0] == [("k", 1)]
    assert columns["nanoseconds"][3] == "1970-01-01 00:00:00.000000003"
    whole = pa.table({"day": pa.array([86_400 * 10**9], pa.timestamp("ns"))})
    pq.write_table(whole, tmp_path / "b.parquet")
    assert read_table(tmp_path / "b.parquet").columns["day"] == [datetime.datetime(1970, 1, 2)]


def test_a_column_that_cannot_be_read_is_named_where_it_is_needed(tmp_path: Path) -> None:
    texts = pa.table({"text": ["some text"] * 50, "n": range(50)})
    pq.write_table(texts, tmp_path / "a.parquet", compression=None)
    content = (tmp_path / "a.parquet").read_bytes()
    (tmp_path / "a.parquet").write_bytes(content.replace(b"some text", b"some\xff\xfeext"))
    (table,) = stream_table(tmp_path / "a.parquet")
    assert list(table.columns["n"]) == list(range(50))
    with pytest.raises(TableError, match=r'a\.parquet: the column "text" cannot be read'):
        table.text_column()


def test_rows_of_any_table_are_taken_and_still_called_by_their_numbers() -> None:
    table = Table({"text": ["a", "b", "c"]}, Source("f.csv", "line", [2, 5, 6], first=10))
    taken = table.take([2, 0])
    assert taken.columns == {"text": ["c", "a"]}
    assert [taken.source.number(i) for i in range(2)] == [6, 2]
    assert [taken.source.record(i) for i in range(2)] == [13, 11]
    assert taken.take([1]).source.record(0) == 11
    assert Table({"text": ["a", "b"]}).take([1]).source.where(0) == "the table, row 2"

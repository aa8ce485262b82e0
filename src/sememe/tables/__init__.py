"""One loader and one writer for txt, csv, tsv, jsonl and parquet, used by every command.

The format follows the file's suffix. Whatever is wrong with a file becomes one `TableError` that
names the file, the line (or the row, in parquet) and what to do.
"""

from sememe.tables.atomic import replacing
from sememe.tables.parquet import ArrowColumn, join_parquet
from sememe.tables.read import read_table, read_texts, stream_pairs, stream_table, stream_texts
from sememe.tables.table import BlankCells, Source, Table, Texts
from sememe.tables.write import output_format, write_table

__all__ = [
    "ArrowColumn",
    "BlankCells",
    "Source",
    "Table",
    "Texts",
    "join_parquet",
    "output_format",
    "read_table",
    "read_texts",
    "replacing",
    "stream_pairs",
    "stream_table",
    "stream_texts",
    "write_table",
]

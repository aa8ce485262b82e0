"""One loader and one writer for txt, csv, tsv, jsonl, parquet and xlsx, used by every command.

The format follows the file's suffix. Whatever is wrong with a file becomes one `TableError` that
names the file, the line (or the row, in parquet) and what to do.
"""

from sememe.tables.files import check_destination, file_name, replacing
from sememe.tables.kinds import cell_text, dates_of, is_blank, numbers_of
from sememe.tables.parquet import ArrowColumn, join_parquet
from sememe.tables.read import read_table, read_texts, stream_table
from sememe.tables.table import (
    BlankCells,
    Source,
    Table,
    Texts,
    choose_column,
    choose_columns,
    choose_pair,
    series_index,
    to_frame,
)
from sememe.tables.write import (
    new_column,
    output_format,
    replace_unwritable,
    warn_of_replaced,
    write_cells,
    write_table,
)
from sememe.tables.xlsx import join_xlsx

__all__ = [
    "ArrowColumn",
    "BlankCells",
    "Source",
    "Table",
    "Texts",
    "cell_text",
    "check_destination",
    "choose_column",
    "choose_columns",
    "choose_pair",
    "dates_of",
    "file_name",
    "is_blank",
    "join_parquet",
    "join_xlsx",
    "new_column",
    "numbers_of",
    "output_format",
    "read_table",
    "read_texts",
    "replace_unwritable",
    "replacing",
    "series_index",
    "stream_table",
    "to_frame",
    "warn_of_replaced",
    "write_cells",
    "write_table",
]

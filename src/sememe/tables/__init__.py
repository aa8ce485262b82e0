"""One loader and one writer for txt, csv, tsv, jsonl, parquet and xlsx, used by every command.

Whatever is wrong with a file becomes one `TableError` that names the place and what to do.
"""

from sememe.tables.files import check_destination as check_destination
from sememe.tables.files import file_name as file_name
from sememe.tables.files import replacing as replacing
from sememe.tables.kinds import cell_text as cell_text
from sememe.tables.kinds import dates_of as dates_of
from sememe.tables.kinds import is_blank as is_blank
from sememe.tables.kinds import numbers_of as numbers_of
from sememe.tables.parquet import ArrowColumn as ArrowColumn
from sememe.tables.parquet import join_parquet as join_parquet
from sememe.tables.read import read_table as read_table
from sememe.tables.read import read_texts as read_texts
from sememe.tables.read import stream_table as stream_table
from sememe.tables.table import BlankCells as BlankCells
from sememe.tables.table import Source as Source
from sememe.tables.table import Table as Table
from sememe.tables.table import choose_column as choose_column
from sememe.tables.table import choose_columns as choose_columns
from sememe.tables.table import choose_pair as choose_pair
from sememe.tables.table import series_index as series_index
from sememe.tables.table import to_frame as to_frame
from sememe.tables.write import new_column as new_column
from sememe.tables.write import output_format as output_format
from sememe.tables.write import replace_unwritable as replace_unwritable
from sememe.tables.write import warn_of_replaced as warn_of_replaced
from sememe.tables.write import write_table as write_table
from sememe.tables.xlsx import join_xlsx as join_xlsx

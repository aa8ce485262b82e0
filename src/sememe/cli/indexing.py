"""`sememe index`: a file of texts becomes an index, or goes into one that is there."""

import argparse
import json
import re
import sys
import time
from typing import TYPE_CHECKING, Any

import sememe
from sememe.cli.parser import add_command, add_input, add_json, add_model, engine_options
from sememe.errors import StoreMissing, TableError

if TYPE_CHECKING:
    from sememe.cli.parser import Commands
    from sememe.tables import Table

_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,17})(\.[0-9]+)?")
_EXAMPLES = """\
sememe index faq.csv --column answer -o faq.sememe
sememe index tickets.jsonl --column body --id number --replace -o tickets.sememe
sememe index notes.txt -o postgresql://me@server/work/notes"""


def add_commands(commands: "Commands") -> None:
    """Add the command to the parser."""
    parser = add_command(
        commands,
        "index",
        summary="put a file of texts into an index that sememe search finds things in",
        description="Put a file of texts into an index: a new one, or one that is there, whose own "
        "model is taken then. All other columns are kept as metadata. Interrupted, the same "
        "command goes on where it was.",
        examples=_EXAMPLES,
    )
    add_input(parser)
    parser.add_argument("-o", "--output", metavar="INDEX", required=True,
                        help="a folder, or postgresql://user@host/database/name")  # fmt: skip
    parser.add_argument("--id", metavar="NAME", help="the column with the texts' ids (default: the "
                        "one called id; without one, ids are made of the texts)")  # fmt: skip
    parser.add_argument("--replace", action="store_true",
                        help="texts take the place of those with the same ids")  # fmt: skip
    parser.add_argument("--language", choices=("english", "simple"), default="english",
                        help="how words are compared in a new index: by their English stems, or as "
                        "they are (default: %(default)s)")  # fmt: skip
    add_model(parser)
    add_json(parser, "a summary")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from sememe.tables import read_table
    from sememe.tables.files import input_format

    started = time.perf_counter()
    table = read_table(options.file)
    texts, column = table.text_column(options.column), table.text_name(options.column)
    ids, id_column = _ids(table, options.id, column)
    metadata = _metadata(
        table, {column, id_column}, delimited=input_format(options.file) in ("csv", "tsv")
    )
    with _opened(options) as index:
        before = len(index)
        (index.upsert if options.replace else index.add)(texts, ids, metadata)
        after, shown = len(index), repr(index)
    seconds = time.perf_counter() - started
    if options.json:
        said = {"index": options.output, "texts": after, "new": after - before}
        print(json.dumps({**said, "seconds": round(seconds, 3)}))
    print(
        f"{len(texts):,} texts, {after - before:,} of them new, in {seconds:.1f} s: {shown}",
        file=sys.stderr,
    )
    return 0


def _opened(options: argparse.Namespace) -> "sememe.Index":
    try:
        return sememe.Index.open(options.output)
    except StoreMissing:
        encoder = sememe.BiEncoder(options.model, **engine_options(options))
        return sememe.Index.create(options.output, encoder, language=options.language)


def _ids(table: "Table", name: str | None, text: str) -> tuple[list[Any] | None, str | None]:
    """The ids and their column; None for both where there are none."""
    if name is None and ("id" not in table.columns or text == "id"):
        return None, None
    column = name or "id"
    ids = table.column(column)
    seen: dict[object, int] = {}
    for row, own in enumerate(ids):
        if not isinstance(own, str | int) or own == "":
            raise TableError(f'{table.source.where(row)}: "{column}" is {own!r}, which is no id')
        if seen.setdefault(own, row) != row:
            raise TableError(
                f'{table.source.where(row)}: "{column}" is {own!r}, as in '
                f"{table.source.where(seen[own])}; an id stands for one text"
            )
    return ids, column


def _metadata(table: "Table", taken: set[str | None], *, delimited: bool) -> list[dict[str, Any]]:
    kept = {
        f"{name}_" if name in ("id", "text") else name: _typed(values, delimited=delimited)
        for name, values in table.columns.items()
        if name not in taken
    }
    return [dict(zip(kept, row, strict=True)) for row in zip(*kept.values(), strict=True)] or [
        {} for _ in next(iter(table.columns.values()))
    ]


def _typed(values: list[object], *, delimited: bool) -> list[object]:
    """Numbers, where all of a csv's column are (007 is none); dates of other formats are texts."""
    if delimited:
        filled = [str(value) for value in values if value]
        if not all(_NUMBER.fullmatch(value) for value in filled):
            return values
        kind = float if any("." in value for value in filled) else int
        return [kind(str(value)) if value else None for value in values]
    plain = (str, int, float, bool, list, dict, type(None))
    return [value if isinstance(value, plain) else str(value) for value in values]

"""`sememe index`: a file of texts becomes an index, or changes one that exists."""

import argparse
import json
import re
import reprlib
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sememe
from sememe.cli.parser import (
    DEFAULT_MODEL,
    add_command,
    add_input,
    add_json,
    add_model,
    add_vectors,
    engine_options,
    output_directory,
    print_json,
)
from sememe.cli.searching import labelled, one_line
from sememe.errors import (
    InputError,
    SememeError,
    SememeWarning,
    StoreError,
    StoreMissing,
    TableError,
    warn,
)
from sememe.progress import counted

if TYPE_CHECKING:
    from sememe.cli.parser import Commands
    from sememe.search import Index, Row
    from sememe.tables import Source, Table

_EXAMPLES = """\
sememe index faq.csv --column answer -o faq.sememe
sememe index papers.xlsx --column title --column abstract -o papers.sememe
sememe index tickets.jsonl --column body --id number --replace -o tickets.sememe
sememe index reports.jsonl --column body --long split -o reports.sememe
sememe index closed.txt --remove -o tickets.sememe
sememe index --remove --where "year < 2020" -o tickets.sememe
sememe index --export tickets.csv --where "lang = 'en'" -o tickets.sememe
sememe index --reindex --model BAAI/bge-small-en-v1.5 -o faq.sememe
sememe index notes.txt -o postgresql://me@server/work/notes"""
_OF_NEW_TEXTS = ("column", "model", "precision", "device", "language", "long", "vectors")
_RESUMES = "the same command resumes there"
# 1e5 is a code as often as a number: without a point, only exponents as programs write them count.
_NUMBER = re.compile(
    r"-?(0|[1-9][0-9]{0,17})(\.[0-9]+(e[+-]?[0-9]{1,2})?|e[+-][0-9]{2})?", re.IGNORECASE
)


def add_commands(commands: "Commands") -> None:
    """Add the command to the parser."""
    parser = add_command(
        commands,
        "index",
        summary="put a file of texts into an index that sememe search finds things in",
        description="Put a file of texts into a new index, or into an existing one, whose model is "
        "used then. All other columns are kept as metadata. Interrupted, the same command resumes "
        "where it stopped.",
        examples=_EXAMPLES,
    )
    add_input(parser, optional=True)
    parser.add_argument("-o", "--output", metavar="INDEX", required=True,
                        help="a folder, or postgresql://user@host/database/name")  # fmt: skip
    parser.add_argument("--id", metavar="NAME", help="the column with the texts' ids (default: the "
                        "one that the index has them from; for a new index the one called id; "
                        "without one, ids are made of the texts)")  # fmt: skip
    task = parser.add_mutually_exclusive_group()
    task.add_argument("--replace", action="store_true",
                      help="texts take the place of those with the same ids")  # fmt: skip
    task.add_argument("--remove", action="store_true", help="remove the texts with the ids that "
                      "FILE has, or those that --where keeps")  # fmt: skip
    task.add_argument("--reindex", action="store_true", help="encode all texts of the index again, "
                      "without a FILE, with another --model or --precision")  # fmt: skip
    task.add_argument("--list", action="store_true", help="show all texts of the index, or those "
                      "that --where keeps")  # fmt: skip
    task.add_argument("--export", metavar="TABLE", help="write them with their ids and metadata: "
                      "csv, tsv, jsonl, parquet or xlsx")  # fmt: skip
    parser.add_argument("--where", metavar="FILTER", help="which texts to list, export or remove: "
                        "\"lang = 'en' AND year >= 2023\"")  # fmt: skip
    parser.add_argument("--long", choices=("truncate", "split"), help="what a new index does with "
                        "long texts: read their beginning, or store them in passages, of which "
                        "sememe search shows the best (default: truncate)")  # fmt: skip
    parser.add_argument("--language", choices=("english", "simple"),
                        help="how words are compared in a new index: by their English stems, or as "
                        "they are (default: english)")  # fmt: skip
    add_vectors(parser)
    add_model(parser)
    add_json(parser, "a summary")
    parser.set_defaults(run=_run, model=None, precision=None)


def _run(options: argparse.Namespace) -> int:
    started = time.perf_counter()
    if options.list or options.export:
        return _show(options)
    if options.reindex:
        message, summary = _reindex(options)
    elif options.remove:
        message, summary = _remove(options)
    else:
        message, summary = _add(options)
    if options.json:
        print_json(summary)
    first, *more = message.split("\n")
    index = f"Index({summary['index']!r}, {counted(summary['texts'], 'text')})"
    first = f"{first}, in {time.perf_counter() - started:.1f} s: {index}"
    print("\n".join([first, *more]), file=sys.stderr)
    return 0


def _add(options: argparse.Namespace) -> tuple[str, dict[str, Any]]:
    from sememe.search.rows import same

    if options.file is None:
        raise InputError("FILE is missing: give a file of texts (or --reindex, --list, --export).")
    _refuse(options, "a new text", "where")
    started = time.perf_counter()
    index = _existing(options)
    rows, stored, table, column = _rows(options, index)
    texts = [row.text for row in rows]
    vectors = None
    if index is None:
        if "://" not in options.output:
            output_directory(options.output, ())
        encoder = sememe.BiEncoder(options.model or DEFAULT_MODEL, **engine_options(options))
        vectors = _vectors(options, table, texts, encoder)
        index = _created(options, encoder)
    elif options.vectors:
        vectors = _vectors(options, table, texts, index.encoder)
    with index:
        if index.id_column is None and (stored or not len(index)):
            index.id_column = column or ""
        try:
            (index.upsert if options.replace else index.add)(
                texts, [row.id for row in rows], [row.metadata for row in rows], vectors=vectors
            )
        except KeyboardInterrupt:
            by_id = {row.id: row for row in rows}
            done = sum(same(row, by_id[row.id]) for row in index.get(list(by_id)))
            raise KeyboardInterrupt(
                f"{done:,} of {counted(len(rows), 'text')} of {table.source.file} are in the "
                f"index, {_RESUMES}"
            ) from None
        place, size = index.place, len(index)
    new = sum(row.id not in stored for row in rows)
    replaced = sum(not same(stored.get(row.id, row), row) for row in rows)
    message = f"{counted(len(rows), 'text')}, {new:,} new"
    return message + f", {replaced:,} replaced" * options.replace, {
        "index": place, "texts": size, "new": new, "replaced": replaced,
        "seconds": round(time.perf_counter() - started, 3),
    }  # fmt: skip


def _rows(
    options: argparse.Namespace, index: "Index | None"
) -> tuple[list["Row"], dict[str, "Row"], "Table", str | None]:
    """The file's rows, checked to the last cell; the stored ones of their ids; the table without
    blank texts; and the column of the ids.
    """
    from sememe.search.rows import new_rows
    from sememe.tables import read_table
    from sememe.tables.files import input_format

    table = read_table(options.file)
    names = table.text_names(options.column)
    table = _without_blanks(table, names)
    column = _id_column(table, options.id, names, index)
    rows = new_rows(table.text_column(names), _file_ids(table, column) if column else None)
    stored = {} if index is None else {row.id: row for row in index.get(row.id for row in rows)}
    delimited = input_format(options.file) in ("csv", "tsv")
    has_metadata = len(table.columns) > 1 + bool(column)
    fields = {} if index is None or not (delimited and has_metadata) else index.fields()
    # Texts that were joined cannot be taken apart again, so their columns are kept as well.
    taken = {column, *(names if len(names) == 1 else ())}
    metadata = _file_metadata(table, taken, fields, delimited=delimited)
    rows = [
        _with_nulls(row._replace(metadata=values), stored.get(row.id))
        for row, values in zip(rows, metadata, strict=True)
    ]
    if not options.replace:
        _refuse_changes(rows, stored, table.source)
    elif index is not None and not column:
        _refuse_copies(rows, index, table.source)
    if index is not None:
        _warn_of_copies(rows, index, stored, table.source)
    return rows, stored, table, column


def _existing(options: argparse.Namespace) -> "Index | None":
    """The index, if there is one; InputError for options that contradict it."""
    from sememe.search.store import open_store

    try:
        store = open_store(options.output)
    except StoreMissing:
        return None
    info = store.info()
    encoder, is_other = None, False
    if options.model or options.device:
        try:
            encoder = sememe.BiEncoder(
                options.model or info.model,
                engine="auto" if options.device else info.engine,
                precision=info.precision, device=options.device, pooling=info.pooling,
            )  # fmt: skip
        except InputError:  # such as a model that cannot compute as the index's does
            if options.device:
                raise
        is_other = encoder is None or encoder.fingerprint != info.fingerprint
    contradicts = {
        "--device": options.device and is_other and options.model in (None, info.model),
        "--model": options.model and is_other,
        "--precision": options.precision not in (None, "auto", info.precision),
        "--language": options.language not in (None, info.language),
        "--long": options.long not in (None, "split" if info.passage_tokens else "truncate"),
    }
    for option in filter(contradicts.get, contradicts):
        made_with = f"--precision {info.precision} --language {info.language}"
        made_with += " --long split" * bool(info.passage_tokens)
        remedy = ", or encode its texts again: --reindex"
        raise InputError(
            f"{store.place} was made with --model {info.model} {made_with}: leave {option} out"
            f"{remedy * (option not in ('--language', '--long'))}."
        )
    return sememe.Index(store, encoder)


def _vectors(
    options: argparse.Namespace, table: "Table", texts: list[str], encoder: "sememe.BiEncoder"
) -> Any:
    """The texts' vectors in `--vectors`, if that is given."""
    from sememe.encoders.stored import read_vectors

    if not options.vectors:
        return None
    names = table.text_names(options.column)
    return read_vectors(
        options.vectors, texts, encoder, columns=names, encode=encoder.encode_document
    )


def _created(options: argparse.Namespace, encoder: "sememe.BiEncoder") -> "Index":
    from sememe.search.store import open_store

    try:
        return sememe.Index.create(
            options.output, encoder,
            language=options.language or "english", long=options.long or "truncate",
        )  # fmt: skip
    except InputError as error:
        try:
            open_store(options.output).close()
        except SememeError:
            raise error from None
    raise StoreError(
        f"{options.output} was made by another process meanwhile: the same command adds to it.",
        unavailable=True,
    )


def _remove(options: argparse.Namespace) -> tuple[str, dict[str, Any]]:
    from sememe.tables import read_table

    _refuse(options, "--remove", *_OF_NEW_TEXTS)
    if options.where is not None:
        _refuse(options, "--remove --where", "file", "id")
        with sememe.Index.open(options.output) as index:
            removed = index.delete(where=options.where)
            index.compact()
            summary = {"index": index.place, "texts": len(index), "removed": removed}
        return f"{counted(removed, 'text')} removed", summary
    if options.file is None:
        raise InputError("FILE is missing: give a file with ids, or --where.")
    table = read_table(options.file)
    only = next(iter(table.columns)) if len(table.columns) == 1 else None
    with sememe.Index.open(options.output) as index:
        ids = _file_ids(table, table.text_name(options.id or only or index.id_column or "id"))
        stored = {row.id for row in index.get(ids)}
        removed = index.delete(ids)
        index.compact()
        summary = {"index": index.place, "texts": len(index), "removed": removed}
    message = f"{counted(removed, 'text')} removed"
    if missing := [row for row, row_id in enumerate(ids) if row_id not in stored]:
        first = table.source.where(missing[0])
        message += f"\n{counted(len(missing), 'id')} not in it, the first in {first}"
    return message, summary


def _reindex(options: argparse.Namespace) -> tuple[str, dict[str, Any]]:
    from sememe.search.store import open_store

    _refuse(options, "--reindex", "file", "column", "id", "language", "long", "where", "vectors")
    store = open_store(options.output)
    info = store.info()
    with sememe.Index(store, None) as index:
        encoder = sememe.BiEncoder(
            options.model or info.model,
            pooling=None if options.model else info.pooling,
            **engine_options(options),
        )
        is_new = encoder.fingerprint != info.fingerprint
        try:
            index.reindex(encoder)
            if is_new:
                index.compact()
        except KeyboardInterrupt:
            raise KeyboardInterrupt(_RESUMES) from None
        place, size = index.place, len(index)
    verb = "encoded" if is_new else "are encoded so already"
    message = f"{counted(size, 'text')} {verb}, with {encoder.model} in {encoder.precision}"
    summary = {"index": place, "texts": size, "model": encoder.model}
    return message, {**summary, "precision": encoder.precision}


def _show(options: argparse.Namespace) -> int:
    """Print the texts of the index, or write them into a table."""
    from sememe.tables import output_format, write_table

    _refuse(options, "--list" if options.list else "--export", *_OF_NEW_TEXTS, "file", "id")
    file_format = output_format(options.export) if options.export else ""
    with sememe.Index.open(options.output) as index:
        if options.list:
            for row in index.rows(options.where):
                if options.json:
                    print_json({"id": row.id, "text": row.text, "metadata": row.metadata})
                else:
                    print(one_line(" · ".join([row.id, row.text, *labelled(row.metadata)])))
            return 0
        rows = list(index.rows(options.where))
    columns: dict[str, list[Any]] = {"id": [row.id for row in rows]}
    columns["text"] = [row.text for row in rows]
    for key in dict.fromkeys(key for row in rows for key in row.metadata):
        values = [row.metadata.get(key) for row in rows]
        if file_format not in ("jsonl", "parquet"):
            values = [json.dumps(v) if isinstance(v, dict | list) else v for v in values]
        columns[key] = values
    write_table(Path(options.export), columns)
    if options.json:
        print_json({"texts": len(rows), "output": options.export})
    print(f"{counted(len(rows), 'text')} written to {options.export}", file=sys.stderr)
    return 0


def _refuse(options: argparse.Namespace, switch: str, *names: str) -> None:
    """InputError for an option that does nothing with this switch."""
    for name in names:
        if getattr(options, name) is not None:
            option = "FILE" if name == "file" else f"--{name}"
            raise InputError(f"{option} does nothing with {switch}: leave it out.")


def _without_blanks(table: "Table", names: list[str]) -> "Table":
    from sememe.tables import BlankCells

    name = table.text_name(names)
    blanks = BlankCells(name)
    blank = set(blanks.add(table.text_column(names), table.source))
    if not blank:
        return table
    if len(blank) == len(table):
        raise TableError(f'{table.source.file} has no text: every "{name}" is blank')
    blanks.warn("and left out")
    return table.take([row for row in range(len(table)) if row not in blank])


def _id_column(
    table: "Table", name: str | None, texts: list[str], index: "Index | None"
) -> str | None:
    """The column with the ids: the index's, the one that `--id` names, or the one called id."""
    column = None if index is None else index.id_column
    if index is None or column is None:
        if name:
            return table.text_name(name)
        named_id = [each for each in sorted(table.columns, reverse=True) if each.lower() == "id"]
        return next((each for each in named_id if each not in texts), None)
    origin = f'from the column "{column}"' if column else "from the texts, not from a column"
    if name and name.strip().casefold() != column.strip().casefold():
        raise InputError(
            f"{index.place} has its ids {origin}, so --id {name} would add texts twice: leave it "
            "out, or make another index."
        )
    try:
        return table.text_name(column) if column else None
    except TableError as error:
        raise TableError(f"{error}. {index.place} has its ids {origin}") from None


def _file_ids(table: "Table", column: str) -> list[str]:
    """A column of ids; TableError where one is none, or comes twice."""
    from sememe.search.rows import check_ids

    ids: list[str] = []
    first: dict[str, int] = {}
    for row, value in enumerate(table.columns[column]):
        try:
            ids += check_ids([value])  # type: ignore[list-item]
        except InputError as error:
            reason = str(error).removeprefix("ids[0] is ")
            raise TableError(f'{table.source.where(row, column)}: "{column}" is {reason}') from None
        if first.setdefault(ids[row], row) != row:
            raise TableError(
                f'{table.source.where(row, column)}: "{column}" is {value!r}, as in '
                f"{table.source.where(first[ids[row]])}; an id stands for one text"
            )
    return ids


def _file_metadata(
    table: "Table", taken: set[str | None], fields: Mapping[str, set[str]], *, delimited: bool
) -> list[dict[str, Any]]:
    """All other columns, a dict a row; empty cells and null are not kept.

    A csv's cells become numbers where all of a column are, or where the index's `fields` of its
    name have numbers; where they have texts alone, all stay texts. They do as well where two
    different cells are one number, as 1.1 and 1.10 are.
    """
    from sememe.search.rows import why_not_json

    metadata: list[dict[str, Any]] = [{} for _ in range(len(table))]
    names = [name for name in table.columns if name not in taken]
    for name in names:
        key = name  # an index has an id and a text of its own
        while key in ("id", "text") or (key != name and key in names):
            key += "_"
        values = table.columns[name]
        if delimited:
            values = _typed(table, name, fields.get(key, set()) - {"null"})
        for row, value in enumerate(values):
            if not isinstance(value, str | int | float | list | dict | None):
                value = str(value)  # what only parquet has, such as dates
            if reason := why_not_json(value):
                raise TableError(f'{table.source.where(row, name)}: "{name}" {reason}')
            if value is not None:
                metadata[row][key] = value
    return metadata


def _typed(table: "Table", name: str, types: set[str]) -> list[object]:
    """A csv's column, with the numbers as numbers if they may be."""
    cells = [str(value) for value in table.columns[name]]
    numbers: dict[str, int | float] = {
        cell: int(cell) if cell.removeprefix("-").isdecimal() else float(cell)
        for cell in cells
        if _NUMBER.fullmatch(cell)
    }
    if "number" not in types and (types or len(numbers) < len({*cells, ""}) - 1):
        numbers = {}
    first: dict[int | float, str] = {}
    for cell, number in numbers.items():
        if first.setdefault(number, cell) != cell:
            if "number" in types:
                warn(
                    f'{table.source.file}: "{name}" has {first[number]} and {cell}, which are one '
                    "number; its cells are kept as texts here, beside the index's numbers",
                    SememeWarning,
                )
            numbers = {}
            break
    return [numbers.get(cell, cell or None) for cell in cells]


def _with_nulls(row: "Row", stored: "Row | None") -> "Row":
    """The stored row, where all that differs is a null, which a file's rows do not keep."""
    from sememe.search.rows import same

    if stored is None:
        return row
    metadata = {key: value for key, value in stored.metadata.items() if value is not None}
    return stored if same(stored._replace(metadata=metadata), row) else row


def _refuse_changes(rows: list["Row"], stored: Mapping[str, "Row"], source: "Source") -> None:
    """TableError for a row that is stored with another text or metadata."""
    from sememe.search.rows import same

    changed = [number for number, row in enumerate(rows) if not same(stored.get(row.id, row), row)]
    if not changed:
        return
    new = rows[changed[0]]
    before, after = ({"text": row.text, **row.metadata} for row in (stored[new.id], new))
    keys = [key for key in {**before, **after} if repr(before.get(key)) != repr(after.get(key))]
    key = next((key for key in keys if before.get(key) != after.get(key)), keys[0])
    values = [reprlib.repr(each[key]) if key in each else "nothing" for each in (before, after)]
    more = f" (and {counted(len(changed) - 1, 'row')} more)" if len(changed) > 1 else ""
    raise TableError(
        f'{source.where(changed[0])}: "{key}" of the id {new.id!r} is {values[0]} in the index and '
        f"{values[1]} here{more}; --replace puts the file's rows in the place of those"
    )


def _refuse_copies(rows: list["Row"], index: "Index", source: "Source") -> None:
    """TableError for a text without an id of the user's own that exists several times."""
    second_ids = {f"{row.id}-2" for row in rows}
    copies = {row.id for row in index.get(second_ids)} | second_ids & {row.id for row in rows}
    for number, row in enumerate(rows):
        if f"{row.id}-2" in copies:
            raise TableError(
                f"{source.where(number)}: {reprlib.repr(row.text)} is there more than once, and "
                "without a column of ids --replace cannot tell which one is meant"
            )


def _warn_of_copies(
    rows: list["Row"], index: "Index", stored: Mapping[str, "Row"], source: "Source"
) -> None:
    """Warn once of texts that the index has under ids that the file does not have."""
    new = [(number, row) for number, row in enumerate(rows) if row.id not in stored]
    ids = {row.id for row in rows}
    ids_of = index.ids_of({row.text for _, row in new}) if new else {}
    copies = [
        (number, other_ids[0])
        for number, row in new
        if (other_ids := [each for each in ids_of.get(row.text, ()) if each not in ids])
    ]
    if copies:
        number, other_id = copies[0]
        verb = "is" if len(copies) == 1 else "are"
        warn(
            f"{source.file}: {counted(len(copies), 'text')} {verb} in the index already under "
            f"other ids and {verb} added once more ({source.where(number)}: {rows[number].id!r} "
            f"is {other_id!r} there)",
            SememeWarning,
        )

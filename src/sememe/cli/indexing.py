"""`sememe index`: a file of texts becomes an index, or goes into one that is there."""

import argparse
import sys
import time
from typing import TYPE_CHECKING

import sememe
from sememe.cli.parser import (
    DEFAULT_MODEL,
    add_command,
    add_input,
    add_json,
    add_model,
    engine_options,
    output_directory,
    print_json,
)
from sememe.cli.records import (
    as_there,
    check_copies,
    file_ids,
    file_metadata,
    id_column,
    unchanged,
    warn_of_copies,
    without_blanks,
)
from sememe.cli.upkeep import encode_again, remove
from sememe.errors import InputError, SememeError, StoreError, StoreMissing
from sememe.progress import counted

if TYPE_CHECKING:
    from sememe.cli.parser import Commands
    from sememe.search import Row
    from sememe.search.store import IndexInfo
    from sememe.tables import Source

_EXAMPLES = """\
sememe index faq.csv --column answer -o faq.sememe
sememe index tickets.jsonl --column body --id number --replace -o tickets.sememe
sememe index closed.txt --remove -o tickets.sememe
sememe index --reindex --model BAAI/bge-small-en-v1.5 -o faq.sememe
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
    add_input(parser, optional=True)
    parser.add_argument("-o", "--output", metavar="INDEX", required=True,
                        help="a folder, or postgresql://user@host/database/name")  # fmt: skip
    parser.add_argument("--id", metavar="NAME", help="the column with the texts' ids (default: the "
                        "one that the index has them from; for a new index the one called id; "
                        "without one, ids are made of the texts)")  # fmt: skip
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--replace", action="store_true",
                     help="texts take the place of those with the same ids")  # fmt: skip
    how.add_argument("--remove", action="store_true",
                     help="remove the texts with the ids that FILE has")  # fmt: skip
    how.add_argument("--reindex", action="store_true", help="encode all texts that are there "
                     "again, without a FILE, with another --model or --precision")  # fmt: skip
    parser.add_argument("--language", choices=("english", "simple"),
                        help="how words are compared in a new index: by their English stems, or as "
                        "they are (default: english)")  # fmt: skip
    add_model(parser)
    add_json(parser, "a summary")
    parser.set_defaults(run=_run, model=None, precision=None)


def _run(options: argparse.Namespace) -> int:
    if options.reindex:
        return encode_again(options)
    if options.file is None:
        raise InputError("FILE is missing: give a file of texts (or --reindex).")
    return remove(options) if options.remove else _add(options)


def _add(options: argparse.Namespace) -> int:
    from sememe.search.rows import same

    started = time.perf_counter()
    index = _opened(options)
    rows, there, source, column = _rows(options, index)
    with _created(options) if index is None else index as index:
        if index.id_column is None and (there or not len(index)):
            index.id_column = column or ""
        try:
            (index.upsert if options.replace else index.add)(
                [row.text for row in rows], [row.id for row in rows], [row.metadata for row in rows]
            )
        except KeyboardInterrupt:
            wanted = {row.id: row for row in rows}
            done = sum(same(row, wanted[row.id]) for row in index.get(list(wanted)))
            raise KeyboardInterrupt(
                f"{done:,} of {counted(len(rows), 'text')} of {source.file} are in the index, the "
                "same command goes on from there"
            ) from None
        place, after, shown = index.place, len(index), repr(index)
    new = sum(row.id not in there for row in rows)
    replaced = sum(not same(there.get(row.id, row), row) for row in rows)
    seconds = time.perf_counter() - started
    if options.json:
        said = {"index": place, "texts": after, "new": new, "replaced": replaced}
        print_json({**said, "seconds": round(seconds, 3)})
    print(
        f"{counted(len(rows), 'text')}, {new:,} new"
        + f", {replaced:,} replaced" * options.replace
        + f", in {seconds:.1f} s: {shown}",
        file=sys.stderr,
    )
    return 0


def _rows(
    options: argparse.Namespace, index: "sememe.Index | None"
) -> tuple[list["Row"], dict[str, "Row"], "Source", str | None]:
    """The file's rows, those of them that the index has as it has them, and where they stand.

    The last one is the column of their ids.
    """
    from sememe.search.rows import new_rows
    from sememe.tables import read_table
    from sememe.tables.files import input_format

    table = read_table(options.file)
    texts = table.text_names(options.column)
    table = without_blanks(table, texts)
    own = id_column(table, options.id, texts, index)
    ids = file_ids(table, own) if own else None
    rows = new_rows(table.text_column(texts), ids)
    there = {} if index is None else {old.id: old for old in index.get(row.id for row in rows)}
    delimited = input_format(options.file) in ("csv", "tsv")
    more = len(table.columns) > 1 + bool(own)
    fields = {} if index is None or not (delimited and more) else index.fields()
    # Texts that were joined cannot be taken apart again, so their columns are kept as well.
    taken = {own, *(texts if len(texts) == 1 else ())}
    metadata = file_metadata(table, taken, fields, delimited=delimited)
    rows = [
        as_there(row._replace(metadata=found), there.get(row.id))
        for row, found in zip(rows, metadata, strict=True)
    ]
    if not options.replace:
        unchanged(rows, there, table.source)
    elif index is not None and not own:
        check_copies(rows, index, table.source)
    if index is not None:
        warn_of_copies(rows, index, there, table.source)
    return rows, there, table.source, own


def _opened(options: argparse.Namespace) -> "sememe.Index | None":
    """The index that is there; InputError if the options say what it is not."""
    from sememe.search.store import open_store

    try:
        store = open_store(options.output)
    except StoreMissing:
        return None
    info = store.info()
    encoder, other = None, False
    if options.model or options.device:
        encoder = _encoder(options, info)
        other = encoder is None or encoder.fingerprint != info.fingerprint
    wrong = {
        "--device": options.device and other and options.model in (None, info.model),
        "--model": options.model and other,
        "--precision": options.precision not in (None, "auto", info.precision),
        "--language": options.language not in (None, info.language),
    }
    for option in filter(wrong.get, wrong):
        raise InputError(
            f"{store.place} was made with --model {info.model} --precision {info.precision} "
            f"--language {info.language}: leave {option} out"
            + (", or encode its texts again: --reindex." if option != "--language" else ".")
        )
    return sememe.Index(store, encoder)


def _encoder(options: argparse.Namespace, info: "IndexInfo") -> "sememe.BiEncoder | None":
    """The encoder that is asked for; None if there is none that computes as the index's does."""
    try:
        return sememe.BiEncoder(
            options.model or info.model,
            engine="auto" if options.device else info.engine,
            precision=info.precision, device=options.device, pooling=info.pooling,
        )  # fmt: skip
    except InputError:
        if options.device:
            raise
        return None


def _created(options: argparse.Namespace) -> "sememe.Index":
    if "://" not in options.output:
        output_directory(options.output, ())
    encoder = sememe.BiEncoder(options.model or DEFAULT_MODEL, **engine_options(options))
    try:
        return sememe.Index.create(options.output, encoder, language=options.language or "english")
    except InputError:
        if not _is_there(options.output):
            raise
    raise StoreError(
        f"{options.output} was made by another process meanwhile: the same command adds to it.",
        unavailable=True,
    )


def _is_there(place: str) -> bool:
    from sememe.search.store import open_store

    try:
        open_store(place).close()
    except SememeError:
        return False
    return True

"""`sememe index`: a file of texts becomes an index, or changes one that exists."""

import argparse
import json
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sememe
from sememe.cli import parser as cli
from sememe.cli.searching import WIDEST, labelled
from sememe.errors import InputError, StoreMissing
from sememe.progress import counted

if TYPE_CHECKING:
    from sememe.search import Index

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
_NOTHING = "does nothing with {}: leave it out"
_RESUMES = "the same command resumes there"


# fmt: off
def add_commands(commands: cli.Commands) -> None:
    """Add the command to the parser."""
    parser = cli.add_command(
        commands, "index", _run,
        summary="put a file of texts into an index that sememe search finds things in",
        description="Put a file of texts into a new index, or into an existing one, whose model is "
        "used then. All other columns are kept as metadata.",
        examples=_EXAMPLES,
        resumes=True,
    )
    add = partial(cli.option, parser)
    cli.add_input(parser, optional=True)
    add("-o --output INDEX", "a folder, or postgresql://user@host/database/name", required=True)
    add("--id NAME", "the column with the texts' ids (default: the one that the index has them "
        "from; for a new index the one called id; without one, ids are made of the texts)")
    task = partial(cli.option, parser.add_mutually_exclusive_group())
    task("--replace", "texts take the place of those with the same ids")
    task("--remove", "remove the texts with the ids that FILE has, or those that --where keeps")
    task("--reindex", "encode all texts of the index again, without a FILE, with another --model "
         "or --precision")
    task("--list", "show all texts of the index, or those that --where keeps")
    task("--export TABLE", "write them with their ids and metadata: csv, tsv, jsonl, parquet or "
         "xlsx")
    add("--where FILTER", "which texts to list, export or remove: \"lang = 'en' AND year >= "
        "2023\"")
    add("--long", "what a new index does with long texts: read their beginning, or store them in "
        "passages, of which sememe search shows the best (default: truncate)",
        choices=("truncate", "split"))
    add("--language", "how words are compared in a new index: by their English stems, or as they "
        "are (default: english)", choices=("english", "simple"))
    cli.add_vectors(parser)
    cli.add_model(parser)
    cli.add_json(parser, "a summary")
    parser.set_defaults(model=None, precision=None)
# fmt: on


def _run(options: argparse.Namespace) -> int:
    started = time.perf_counter()
    if options.list or options.export:
        return _show(options)
    work = _reindex if options.reindex else _remove if options.remove else _add
    index, message, details = work(options)
    with index:
        summary = {"index": index.place, "texts": len(index), **details}
        name = f"{index.place} has {counted(len(index), 'text')}"
    seconds = time.perf_counter() - started
    first, *more = message.split("\n")
    message = "\n".join([f"{first}, in {seconds:.1f} s: {name}", *more])
    if work is _add:
        summary["seconds"] = round(seconds, 3)
    return cli.report(options, summary, message)


def _add(options: argparse.Namespace) -> tuple["Index", str, dict[str, Any]]:
    from sememe.cli.index_rows import file_rows
    from sememe.search.rows import same

    if options.file is None:
        raise InputError("FILE is missing: give a file of texts (or --reindex, --list, --export).")
    cli.refuse(options, _NOTHING.format("a new text"), "where")
    index = _existing(options)
    rows, stored, table, column = file_rows(
        options.file, index, options.column, options.id, replace=options.replace
    )
    texts = [row.text for row in rows]
    if index is None:
        if "://" not in options.output:
            cli.output_directory(options.output, ())
        model = options.model or cli.DEFAULT_MODEL
        encoder = sememe.BiEncoder(model, **cli.engine_options(options))
        vectors = cli.read_vectors(options, table, texts, encoder, "encode_document")
        index = sememe.Index.create(
            options.output, encoder,
            language=options.language or "english", long=options.long or "truncate",
        )  # fmt: skip
    else:
        opened = index.encoder if options.vectors else None
        vectors = cli.read_vectors(options, table, texts, opened, "encode_document")
    if index.id_column is None and (stored or not len(index)):
        index.id_column = column or ""
    write = index.upsert if options.replace else index.add
    try:
        write(texts, [row.id for row in rows], [row.metadata for row in rows], vectors=vectors)
    except KeyboardInterrupt:
        by_id = {row.id: row for row in rows}
        done = sum(same(row, by_id[row.id]) for row in index.get(list(by_id)))
        raise KeyboardInterrupt(
            f"{done:,} of {counted(len(rows), 'text')} of {table.source.file} are in the index, "
            f"{_RESUMES}"
        ) from None
    new = sum(row.id not in stored for row in rows)
    replaced = sum(not same(stored.get(row.id, row), row) for row in rows)
    message = f"{counted(len(rows), 'text')}, {new:,} new"
    message += f", {replaced:,} replaced" * options.replace
    return index, message, {"new": new, "replaced": replaced}


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


def _remove(options: argparse.Namespace) -> tuple["Index", str, dict[str, Any]]:
    from sememe.cli.index_rows import file_ids
    from sememe.tables import read_table

    cli.refuse(options, _NOTHING.format("--remove"), *_OF_NEW_TEXTS)
    missing = ""
    if options.where is not None:
        cli.refuse(options, _NOTHING.format("--remove --where"), "file", "id")
        index = sememe.Index.open(options.output)
        removed = index.delete(where=options.where)
    elif options.file is None:
        raise InputError("FILE is missing: give a file with ids, or --where.")
    else:
        table = read_table(options.file)
        only = next(iter(table.columns)) if len(table.columns) == 1 else None
        index = sememe.Index.open(options.output)
        ids = file_ids(table, table.text_name(options.id or only or index.id_column or "id"))
        stored = {row.id for row in index.get(ids)}
        removed = index.delete(ids)
        if rows := [row for row, row_id in enumerate(ids) if row_id not in stored]:
            first = table.source.where(rows[0])
            missing = f"\n{counted(len(rows), 'id')} not in it, the first in {first}"
    index.compact()
    return index, f"{counted(removed, 'text')} removed{missing}", {"removed": removed}


def _reindex(options: argparse.Namespace) -> tuple["Index", str, dict[str, Any]]:
    from sememe.search.store import open_store

    other = ("file", "column", "id", "language", "long", "where", "vectors")
    cli.refuse(options, _NOTHING.format("--reindex"), *other)
    store = open_store(options.output)
    info = store.info()
    encoder = sememe.BiEncoder(
        options.model or info.model,
        pooling=None if options.model else info.pooling,
        **cli.engine_options(options),
    )
    index, is_new = sememe.Index(store, None), encoder.fingerprint != info.fingerprint
    index.reindex(encoder)
    if is_new:
        index.compact()
    verb = "encoded" if is_new else "are encoded so already"
    message = f"{counted(len(index), 'text')} {verb}, with {encoder.model} in {encoder.precision}"
    return index, message, {"model": encoder.model, "precision": encoder.precision}


def _show(options: argparse.Namespace) -> int:
    from sememe.reports import one_line
    from sememe.tables import output_format, write_table

    switch = "--list" if options.list else "--export"
    cli.refuse(options, _NOTHING.format(switch), *_OF_NEW_TEXTS, "file", "id")
    file_format = output_format(options.export) if options.export else ""
    with sememe.Index.open(options.output) as index:
        if options.list:
            for row in index.rows(options.where):
                if options.json:
                    cli.print_json({"id": row.id, "text": row.text, "metadata": row.metadata})
                else:
                    line = " · ".join([row.id, row.text, *labelled(row.metadata)])
                    print(one_line(line, WIDEST))
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
    message = f"{counted(len(rows), 'text')} written to {options.export}"
    return cli.report(options, {"texts": len(rows), "output": options.export}, message)

"""`sememe index --remove` and `--reindex`: what is done to an index that is there."""

import argparse
import sys
import time

import sememe
from sememe.cli.parser import engine_options, print_json
from sememe.cli.records import file_ids
from sememe.errors import InputError
from sememe.progress import counted


def remove(options: argparse.Namespace) -> int:
    """Remove the texts with the file's ids."""
    from sememe.tables import read_table

    _refuse(options, "--remove", "column", "model", "precision", "device", "language")
    started = time.perf_counter()
    table = read_table(options.file)
    only = next(iter(table.columns)) if len(table.columns) == 1 else None
    with sememe.Index.open(options.output) as index:
        ids = file_ids(table, table.text_name(options.id or only or index.id_column or "id"))
        there = {row.id for row in index.get(ids)}
        removed = index.delete(ids)
        index.compact()
        place, after, shown = index.place, len(index), repr(index)
    missing = [row for row, own in enumerate(ids) if own not in there]
    if options.json:
        print_json({"index": place, "texts": after, "removed": removed})
    print(
        f"{counted(removed, 'text')} removed, in {time.perf_counter() - started:.1f} s: {shown}"
        + (
            f"\n{counted(len(missing), 'id')} not in it, the first in "
            f"{table.source.where(missing[0])}"
            if missing
            else ""
        ),
        file=sys.stderr,
    )
    return 0


def encode_again(options: argparse.Namespace) -> int:
    """Encode the index's texts with another encoder."""
    from sememe.search.store import open_store

    _refuse(options, "--reindex", "file", "column", "id", "language")
    started = time.perf_counter()
    store = open_store(options.output)
    info = store.info()
    with sememe.Index(store, None) as index:
        encoder = sememe.BiEncoder(
            options.model or info.model,
            pooling=None if options.model else info.pooling,
            **engine_options(options),
        )
        done = "are encoded so already" * (encoder.fingerprint == info.fingerprint)
        try:
            index.reindex(encoder)
            if not done:
                index.compact()
        except KeyboardInterrupt:
            raise KeyboardInterrupt("the same command goes on from there") from None
        place, after, shown = index.place, len(index), repr(index)
    if options.json:
        said = {"index": place, "texts": after, "model": encoder.model}
        print_json({**said, "precision": encoder.precision})
    print(
        f"{counted(after, 'text')} {done or 'encoded'}, with {encoder.model} in "
        f"{encoder.precision}, in {time.perf_counter() - started:.1f} s: {shown}",
        file=sys.stderr,
    )
    return 0


def _refuse(options: argparse.Namespace, switch: str, *names: str) -> None:
    """InputError if an option is given that does nothing with this switch."""
    for name in names:
        if getattr(options, name) is not None:
            given = "FILE" if name == "file" else f"--{name}"
            raise InputError(f"{given} does nothing with {switch}: leave it out.")

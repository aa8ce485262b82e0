"""`sememe index --remove` and `--reindex`: what is done to an index that is there."""

import argparse
import json
import re
import sys
import time
from typing import TYPE_CHECKING

import sememe
from sememe.cli.parser import engine_options
from sememe.cli.records import file_ids
from sememe.errors import InputError
from sememe.progress import counted

if TYPE_CHECKING:
    from sememe.search.store import Id


def remove(options: argparse.Namespace) -> int:
    """Remove the texts with the file's ids."""
    from sememe.tables import read_table

    _refuse(options, "--remove", "column", "model", "precision", "device", "language")
    started = time.perf_counter()
    table = read_table(options.file)
    ids = file_ids(
        table, table.text_name(options.id or (None if len(table.columns) == 1 else "id"))
    )
    with sememe.Index.open(options.output) as index:
        there = {row.id for row in index.get([*ids, *map(_twin, ids)])}
        found = [own if own in there else _twin(own) for own in ids]
        removed = index.delete(found)
        if removed:
            index.compact()
        place, after, shown = index.place, len(index), repr(index)
    missing = [row for row, own in enumerate(found) if own not in there]
    if options.json:
        print(json.dumps({"index": place, "texts": after, "removed": removed}))
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
    from sememe.search.opening import open_store

    _refuse(options, "--reindex", "file", "column", "id", "language")
    started = time.perf_counter()
    store = open_store(options.output)
    model = options.model or store.about().model
    with sememe.Index(store, None) as index:
        encoder = sememe.BiEncoder(model, **engine_options(options))
        try:
            index.reindex(encoder)
        except KeyboardInterrupt:
            raise KeyboardInterrupt("the same command goes on from there") from None
        place, after, shown = index.place, len(index), repr(index)
    if options.json:
        said = {"index": place, "texts": after, "model": encoder.model}
        print(json.dumps({**said, "precision": encoder.precision}))
    print(
        f"{counted(after, 'text')} encoded with {encoder.model} in {encoder.precision}, in "
        f"{time.perf_counter() - started:.1f} s: {shown}",
        file=sys.stderr,
    )
    return 0


def _twin(own: "Id") -> "Id":
    """The same id of the other type, which a file of texts cannot tell apart: 12 for "12"."""
    if isinstance(own, int):
        return str(own)
    return int(own) if re.fullmatch("-?[1-9][0-9]{0,17}|0", own) else own


def _refuse(options: argparse.Namespace, switch: str, *names: str) -> None:
    """InputError if an option is given that does nothing with this switch."""
    for name in names:
        if getattr(options, name) is not None:
            given = "FILE" if name == "file" else f"--{name}"
            raise InputError(f"{given} does nothing with {switch}: leave it out.")

"""New vectors for every row: in another table, which then takes the place of the first."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from struct import pack
from typing import Any

from sememe.errors import StoreError
from sememe.search.postgres import schema
from sememe.search.postgres.connection import Connection, Run
from sememe.search.postgres.packing import packed, vector_fields
from sememe.search.postgres.writing import ALONE, TOGETHER, receive
from sememe.search.store import About, Vectors

_PART = 2_000  # rows that are encoded at a time
_MISSING = (
    "select key, text from rows where not exists (select from next where next.key = rows.key)"
    " order by key limit %s"
)
_GONE = "delete from next where not exists (select from rows where rows.key = next.key)"
Encode = Callable[[list[str]], Vectors]


def reencode(link: Connection, about: About, encode: Encode) -> None:
    """Encode part after part; what was written meanwhile at the end, while nobody writes."""
    if link.transact(partial(_begin, about=about)):
        for part in iter(lambda: link.read(partial(_missing, about=about)), []):
            link.transact(partial(_add, about=about, records=_encoded(part, encode)))
            if len(part) < _PART:  # a busy writer would keep it going for ever
                break
        link.transact(partial(_end, about=about, encode=encode))


def _begin(run: Run, about: About) -> bool:
    """Make the other table, or go on with it; False if the index has these vectors already."""
    run(ALONE)
    known = schema.read_about(run)
    if known["current"].fingerprint == about.fingerprint:
        schema.write_about(run, "current", about)
        return False
    if known.get("next") != about != known["current"]:
        run("drop table if exists next")
        schema.add_vectors(run, "next", about)
        schema.write_about(run, "next", about)
    return True


def _missing(run: Run, about: About) -> list[list[Any]]:
    """Some rows that have no new vector yet."""
    _check(run, about)
    return run(_MISSING, [_PART])


def _check(run: Run, about: About) -> None:
    """Let the other table be for these vectors to the end of the transaction, or StoreError."""
    run(TOGETHER)
    if schema.read_about(run).get("next") != about:
        raise StoreError(
            "Another process began or ended to encode this index anew meanwhile: see which encoder "
            "it has, and call reindex again if that is not yours."
        )


def _encoded(part: list[list[Any]], encode: Encode) -> list[bytes]:
    vectors = vector_fields(encode([text for _, text in part]))
    return packed(zip((pack("!q", key) for key, _ in part), vectors, strict=True))


def _add(run: Run, about: About, records: list[bytes]) -> None:
    """Write vectors, unless somebody who encodes the same has written them."""
    _check(run, about)
    receive(run, "key, vector", records)
    run("insert into next select key, vector from incoming order by key on conflict do nothing")


def _end(run: Run, about: About, encode: Encode) -> None:
    run(ALONE)
    while part := _missing(run, about):
        _add(run, about, _encoded(part, encode))
    run(_GONE)
    run("drop table vectors")
    run("alter table next rename to vectors")
    column = schema.read_about(run)["current"].id_column  # which may be new since the beginning
    run("delete from about")
    schema.write_about(run, "current", replace(about, id_column=column))

"""An index is a schema, `sememe_<name>`, with the tables about, rows and vectors."""

import json

from sememe.errors import ChoiceWarning, InputError, StoreError, StoreMissing, warn
from sememe.search.postgres.connection import Address, Run
from sememe.search.store import IndexInfo, info_values

_LAYOUTS = (1, 2)  # of texts, and of texts in passages
_PREFIX = "sememe_"
_FLOATS, _HALVES = 2_000, 4_000  # the most numbers of a vector that pgvector indexes
_WORDS = 200_000  # characters of a text: a tsvector holds a megabyte


def names(run: Run) -> list[str]:
    """The indexes of this database."""
    schemas = run("select nspname from pg_namespace where starts_with(nspname, %s)", [_PREFIX])
    return sorted(name.removeprefix(_PREFIX) for (name,) in schemas)


def create(run: Run, place: Address, info: IndexInfo) -> None:
    """Make an index with nothing in it, and pgvector's extension."""
    run("select pg_advisory_xact_lock(hashtext('sememe'), 0)")  # one at a time: no name has two
    run("create extension if not exists vector")
    if place.name in names(run):
        raise InputError(f"{place.url} is there already: open it, or take another name.")
    [[encoding]] = run("show server_encoding")
    if encoding != "UTF8":
        raise StoreError(f"{place.url}: the database holds {encoding}, and an index needs UTF8.")
    run(f"create schema {_PREFIX}{place.name}")
    enter(run, place)
    run("create table about (state text primary key, about jsonb not null)")
    language = info.language.replace("'", "''")
    run(
        "create table rows (key bigint generated always as identity primary key, id jsonb not null,"
        " text text not null, metadata jsonb not null,"
        + (
            " start integer not null, unique (id, start),"
            if info.passage_tokens
            else " unique (id),"
        )
        + " words tsvector generated always as"
        f" (to_tsvector('{language}'::regconfig, left(text, {_WORDS}))) stored)"
    )
    run("create index on rows using gin (words)")
    add_vectors(run, "vectors", info)
    write_info(run, "current", info)


def enter(run: Run, place: Address) -> None:
    """Let statements mean the index's tables."""
    indexes = names(run)
    if place.name not in indexes:
        raise StoreMissing(
            f"There is no index {place.url}; in this database are: {', '.join(indexes) or 'none'}."
        )
    extension = run(
        "select quote_ident(nspname), string_to_array(extversion, '.')::int[] from pg_extension"
        " join pg_namespace on pg_namespace.oid = extnamespace where extname = 'vector'"
    )
    if not extension or extension[0][1] < [0, 8]:
        raise StoreError(f"{place.url}: pgvector is missing in the database, or older than 0.8.")
    [[usable]] = run("select has_schema_privilege(%s, 'usage')", [_PREFIX + place.name])
    if not usable:
        raise StoreError(
            f"{place.url}: its owner has to grant usage on schema {_PREFIX}{place.name}."
        )
    run(f"set search_path to {_PREFIX}{place.name}, {extension[0][0]}")
    run("set hnsw.ef_search = 200")
    run("set hnsw.iterative_scan = strict_order")  # on until the filter has let enough through


def add_vectors(run: Run, table: str, info: IndexInfo) -> None:
    """Make a table of vectors with its index of neighbours."""
    run(f"create table {table} (key bigint primary key, vector vector({info.dim}) not null)")
    if info.dim <= _HALVES:
        column, kind = _indexed(info.dim)
        run(f"create index on {table} using hnsw (({column}) {kind}_ip_ops)")
    else:
        warn(
            f"pgvector indexes vectors of up to {_HALVES:,} numbers, and these have "
            f"{info.dim:,}: every search compares all of them.",
            ChoiceWarning,
            once=True,
        )


def distance(dim: int) -> str:
    """What the index of neighbours sorts by, for a query `v`."""
    column, kind = _indexed(dim)
    return f"({column}) <#> v::{kind}"


def _indexed(dim: int) -> tuple[str, str]:
    halves = _FLOATS < dim <= _HALVES
    return (f"vector::halfvec({dim})", "halfvec") if halves else ("vector", "vector")


def read_info(run: Run) -> dict[str, IndexInfo]:
    """What the index remembers of itself, `current`, and what a reencode makes of it, `next`."""
    rows = run("select state, about::text from about")
    values = {state: json.loads(info) for state, info in rows}
    if any(info.pop("layout") not in _LAYOUTS for info in values.values()):
        raise StoreError("This index was made by a later sememe: upgrade yours.")
    return {state: IndexInfo(**info) for state, info in values.items()}


def write_info(run: Run, state: str, info: IndexInfo) -> None:
    """Remember it."""
    data = json.dumps(info_values(info) | {"layout": _LAYOUTS[bool(info.passage_tokens)]})
    run("delete from about where state = %s", [state])
    run("insert into about values (%s, %s::jsonb)", [state, data])

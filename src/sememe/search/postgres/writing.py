"""How rows are written: by a COPY into a table of this session, and from there, in one order."""

from sememe.errors import InputError, StoreError
from sememe.search.postgres.connection import Run
from sememe.search.postgres.schema import read_about, write_about
from sememe.search.store import About

# Held to the end of a transaction: many may add at once, and nobody while one writes otherwise.
_LOCK = "select pg_advisory_xact_lock{}('rows'::regclass::oid::bigint)"
ALONE, TOGETHER = _LOCK.format(""), _LOCK.format("_shared")
IDS = "select jsonb_array_elements(%s::jsonb)"


def receive(run: Run, columns: str, records: list[bytes]) -> None:
    """Bring what is packed into `incoming`."""
    run(
        "create temp table if not exists incoming (place bigint generated always as identity,"
        " key bigint, id jsonb, text text, metadata jsonb, vector vector) on commit delete rows"
    )
    run("truncate incoming")
    run(f"copy incoming ({columns}) from stdin (format binary)", (), records)


def put(run: Run, records: list[bytes], fingerprint: str, replace: bool, place: str) -> None:
    """Write rows; one that takes another's place has a new key, so no vector is of an old text."""
    run(ALONE if replace else TOGETHER)
    if read_about(run)["current"].fingerprint != fingerprint:
        raise StoreError(f"{place} was given another encoder meanwhile: open it again.")
    receive(run, "id, text, metadata, vector", records)
    if replace:
        remove(run, "select id from incoming")
    run(
        "with new as (insert into rows (id, text, metadata) select id, text, metadata from incoming"
        " order by id on conflict do nothing returning key, id)"  # one order: writers never cross
        " insert into vectors select new.key, vector from new join incoming using (id)"
    )
    other = run(
        "select id from incoming join rows using (id) where (rows.text, rows.metadata)"
        " <> (incoming.text, incoming.metadata) order by place limit 1"
    )
    if other:
        raise InputError(
            f"Another row with the id {other[0][0]!r} is in {place}: upsert() replaces it."
        )


def set_about(run: Run, about: About) -> None:
    """Remember it, unless the index was given another encoder meanwhile."""
    run(ALONE)
    if read_about(run)["current"].fingerprint == about.fingerprint:
        write_about(run, "current", about)


def delete(run: Run, ids: str) -> int:
    """Remove the rows of ids in a JSON array; how many there were."""
    run(ALONE)
    return remove(run, IDS, ids)


def remove(run: Run, ids: str, *params: str) -> int:
    """Remove the rows whose ids a query gives."""
    [[count]] = run(
        f"with gone as (delete from rows where id in ({ids}) returning key), other as"
        " (delete from vectors where key in (select key from gone)) select count(*) from gone",
        params,
    )
    return int(count)

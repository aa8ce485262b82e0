"""From a place, a folder or a PostgreSQL address, to the store that is there."""

import os

from sememe.search.sqlite.store import SQLiteStore
from sememe.search.store import About, Store

Place = str | os.PathLike[str]
_POSTGRES = ("postgresql://", "postgres://")


def create_store(place: Place, about: About) -> Store:
    """A new store; InputError if one is there."""
    if shared := _shared(place):
        from sememe.search.postgres.store import PostgresStore

        return PostgresStore.create(shared, about)
    return SQLiteStore.create(place, about)


def open_store(place: Place) -> Store:
    """A store that is there; StoreError if it is not, or not sound."""
    if shared := _shared(place):
        from sememe.search.postgres.store import PostgresStore

        return PostgresStore.open(shared)
    return SQLiteStore.open(place)


def _shared(place: Place) -> str:
    return place if isinstance(place, str) and place.startswith(_POSTGRES) else ""

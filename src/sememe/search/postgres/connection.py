"""Where a server is, postgresql://user:password@host:port/database/name, and a connection to it."""

import getpass
import os
import re
import socket
import ssl
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from threading import RLock
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from sememe.errors import InputError, StoreError
from sememe.extras import importing
from sememe.processes import PerProcess
from sememe.search.store import Run, T

_SHAPE = "postgresql://user:password@host:port/database/name"
_PATIENCE = 10  # seconds to reach the server in
# libpq's modes for pg8000. It cannot try without TLS first, as "allow" does; what "prefer" does
# reaches the same servers.
_TLS = {
    "prefer": None, "disable": False, "allow": None, "require": True, "verify-ca": True,
    "verify-full": True,
}  # fmt: skip


@dataclass(frozen=True)
class Address:
    """A URL without its password, the index's name, its server, and what to log in with."""

    url: str
    name: str
    address: tuple[str, int] | str
    login: dict[str, Any] = field(repr=False)

    def socket(self) -> socket.socket:
        """A socket to the server; OSError when nothing answers."""
        if isinstance(self.address, str):
            made = socket.socket(socket.AF_UNIX)
            made.settimeout(_PATIENCE)
            made.connect(self.address)
        else:
            made = socket.create_connection(self.address, _PATIENCE)
            made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # saves 40 ms of a COPY
        made.settimeout(None)
        return made


def parse_address(url: str) -> Address:
    """The parts of a URL; InputError, without the password, when something is wrong with it."""
    try:
        parts = urlsplit(url)
        port = parts.port or 5432
    except ValueError:
        raise InputError(
            f"This is no place of an index; write {_SHAPE}, with %2F for a / and %40 for an @ in "
            "the password."
        ) from None
    database, _, name = unquote(parts.path).strip("/").partition("/")
    if not (database and name):
        raise InputError(f"{parts.path or '/'} names no database and index in it; write {_SHAPE}.")
    if not re.fullmatch("[a-z0-9_]{1,40}", name):
        raise InputError(f"{name!r} cannot name an index; take up to 40 of a to z, 0 to 9 and _.")
    options = dict(parse_qsl(parts.query))
    host = options.pop("host", None) or unquote(parts.hostname or "localhost")
    tls = options.pop("sslmode", os.environ.get("PGSSLMODE", "prefer"))
    if options or tls not in _TLS:
        place = f"?{parts.query}" if parts.query else f"PGSSLMODE={tls}"
        raise InputError(f"{place}: only host= and sslmode={' or '.join(_TLS)} are known.")
    local = host.startswith("/")
    context: Any = _TLS[tls]
    if tls.startswith("verify"):
        context = ssl.create_default_context()
        context.check_hostname = tls == "verify-full"
    return Address(
        f"postgresql://{parts.netloc.rpartition('@')[2]}/{database}/{name}",
        name,
        f"{host}/.s.PGSQL.{port}" if local else (host, port),
        {
            "user": unquote(parts.username or "") or os.environ.get("PGUSER") or getpass.getuser(),
            "password": unquote(parts.password or "") or os.environ.get("PGPASSWORD", ""),
            "host": host,
            "database": database,
            "ssl_context": False if local else context,
        },
    )


_DENIED = "42501"  # SQLSTATE: insufficient privilege
_MODE = ("WRITE", "ONLY")
_LOST = ("08", "57P")  # SQLSTATEs: a connection exception, a server that shuts down


class _Failed(Exception):
    """A statement failed: what the server says of it, and its SQLSTATE."""

    def __init__(self, error: Exception) -> None:
        answer = error.args[0] if error.args and isinstance(error.args[0], dict) else {}
        hint = answer.get("H") or "the index's owner has to grant it" * (answer.get("C") == _DENIED)
        parts = answer.get("M", "the connection was lost"), hint
        super().__init__(". ".join(part.rstrip(".") for part in parts if part))
        self.code: str = answer.get("C", "")
        self.lost = not self.code or self.code.startswith(_LOST)
        self.unavailable = self.lost or self.code.startswith("53")  # no room, on disk or in memory


class _Session:
    """The connection of this process, if there is one, and who uses it."""

    def __init__(self) -> None:
        self.lock, self.connection = RLock(), None


class Connection:
    """Runs statements, in which `?` is a value; `ready` first, on every new connection.

    Whatever fails takes its connection with it, and so all of its transaction that was not
    committed; if the connection was what failed, it is begun once more on a new one. A forked
    process connects anew: the socket is its parent's.
    """

    def __init__(self, place: Address, ready: Callable[[Run], object]) -> None:
        self._place, self._ready = place, ready
        self._session: PerProcess[Any] = PerProcess(_Session)
        with importing("pg8000", purpose="an index in PostgreSQL"):
            import pg8000.dbapi
        self._pg8000: Any = pg8000.dbapi

    def run(self, sql: str, values: Sequence[object] = ()) -> list[list[Any]]:
        """What one statement gives that may be run twice."""
        return self._trying(lambda: self._run(sql, values))

    def transact(self, step: Callable[[Run], T], *, is_read_only: bool = False) -> T:
        """What `step` gives, by one transaction, which may be run twice if nothing of it counts."""

        def work() -> T:
            self._run(f"BEGIN ISOLATION LEVEL READ COMMITTED READ {_MODE[is_read_only]}")
            result = step(self._run)
            try:
                self._run("COMMIT")
            except _Failed as failed:
                if is_read_only or not failed.lost:
                    raise
                raise StoreError(
                    f"{self._place.url}: the connection was lost while this step was committed, so "
                    "all of it was written or nothing; the same call resumes there.",
                    unavailable=True,
                ) from None
            return result

        return self._trying(work)

    def close(self) -> None:
        """Let the server go; another statement would connect again."""
        session = self._session()
        with session.lock, suppress(Exception):
            connection, session.connection = session.connection, None
            connection.close()

    def _trying(self, work: Callable[[], T]) -> T:
        session = self._session()
        with session.lock:
            while True:
                is_new = session.connection is None
                try:
                    if is_new:
                        session.connection = self._connected()
                        self._ready(self._run)
                    return work()
                except _Failed as failed:
                    self.close()
                    if is_new or not failed.lost:
                        undone = "; nothing of this step was written, call again" * failed.lost
                        raise StoreError(
                            f"{self._place.url}: {failed}{undone}.", unavailable=failed.unavailable
                        ) from None
                except BaseException:
                    self.close()
                    raise

    def _connected(self) -> Any:
        try:
            connection = self._pg8000.connect(
                **self._place.login,
                sock=self._place.socket(),
                application_name="sememe",
                startup_params={"client_encoding": "UTF8"},
            )
        except (self._pg8000.Error, OSError, UnicodeError) as error:
            failed = _Failed(error)
            reason = failed if failed.code else error
            raise StoreError(
                f"{self._place.url} cannot be opened: {reason}.", unavailable=failed.unavailable
            ) from None
        connection.autocommit = True
        return connection

    def _run(
        self, sql: str, values: Sequence[object] = (), stream: Iterable[bytes] | None = None
    ) -> list[list[Any]]:
        cursor = self._session().connection.cursor()
        try:
            cursor.execute(sql.replace("?", "%s"), values, stream)
        except (self._pg8000.Error, OSError) as error:
            raise _Failed(error) from None
        return list(cursor) if cursor.description else []

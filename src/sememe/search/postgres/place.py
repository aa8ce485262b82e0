"""postgresql://user:password@host:port/database/name: a server, a database, an index's name."""

import getpass
import os
import re
import socket
import ssl
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from sememe.errors import InputError

_SHAPE = "postgresql://user:password@host:port/database/name"
_PATIENCE = 10  # seconds to reach the server in
_TLS = {"prefer": None, "disable": False, "require": True, "verify-full": True}  # for pg8000


@dataclass(frozen=True)
class Place:
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


def placed(url: str) -> Place:
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
    tls = options.pop("sslmode", "prefer")
    if options or tls not in _TLS:
        raise InputError(f"?{parts.query}: only host= and sslmode={' or '.join(_TLS)} are known.")
    local = host.startswith("/")
    context = ssl.create_default_context() if tls == "verify-full" else _TLS[tls]
    return Place(
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

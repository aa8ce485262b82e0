"""postgresql://user:password@host:port/database/name: a server, a database, an index's name."""

import getpass
import os
import re
import socket
import ssl
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlsplit

from sememe.errors import InputError

_SHAPE = "postgresql://user:password@host:port/database/name"
_PATIENCE = 10  # seconds to reach the server in
_TLS = {"prefer": None, "disable": False, "require": True, "verify-full": True}


@dataclass(frozen=True)
class Place:
    """Where an index is; `str()` of it has no password."""

    user: str
    password: str = field(repr=False)
    host: str
    port: int
    database: str
    name: str
    tls: str
    authority: str | None

    def __str__(self) -> str:
        server = f"{self.host}:{self.port}/" if self.host[0] != "/" else "/"
        socket = f"?host={self.host}" if self.host[0] == "/" else ""
        return f"postgresql://{server}{self.database}/{self.name}{socket}"

    def socket(self) -> socket.socket:
        """A socket to the server; OSError when nothing answers."""
        if self.host[0] == "/":
            made = socket.socket(socket.AF_UNIX)
            made.settimeout(_PATIENCE)
            made.connect(f"{self.host}/.s.PGSQL.{self.port}")
        else:
            made = socket.create_connection((self.host, self.port), _PATIENCE)
            made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        made.settimeout(None)
        return made

    def ssl_context(self) -> ssl.SSLContext | bool | None:
        """As pg8000 takes it: False is without TLS, None with it where the server has it."""
        if self.tls == "verify-full":
            return ssl.create_default_context(cafile=self.authority)
        return False if self.host[0] == "/" else _TLS[self.tls]


def placed(url: str) -> Place:
    """The parts of the URL; InputError, without the password in it, when there is something wrong."""
    try:
        parts = urlsplit(url)
        port = parts.port or 5432
    except ValueError:
        raise InputError(
            f"this is not the place of an index: write {_SHAPE}, "
            "with %2F for / and %40 for @ in a password"
        ) from None
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    path = [unquote(part) for part in parts.path.strip("/").split("/")]
    if len(path) != 2 or not path[0]:
        raise InputError(f"{parts.path or '/'} does not name a database and an index: write {_SHAPE}")
    if not re.fullmatch("[a-z0-9_]{1,40}", path[1]):
        raise InputError(
            f'"{path[1]}" cannot be an index\'s name: up to 40 of a to z, 0 to 9 and _, please'
        )
    tls = options.pop("sslmode", "prefer")
    host = options.pop("host", "") or parts.hostname or "localhost"
    authority = options.pop("sslrootcert", None)
    if tls not in _TLS:
        raise InputError(f"sslmode={tls} is not known: take one of {', '.join(_TLS)}")
    if options:
        raise InputError(f"{next(iter(options))}= is not known: only sslmode, sslrootcert and host are")
    return Place(
        user=unquote(parts.username or "") or os.environ.get("PGUSER") or getpass.getuser(),
        password=unquote(parts.password or "") or os.environ.get("PGPASSWORD", ""),
        host=host,
        port=port,
        database=path[0],
        name=path[1],
        tls=tls,
        authority=authority,
    )

"""One connection to the server: made on use, made anew when it was lost, for one thread at a time."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from threading import RLock
from typing import Any, TypeVar

from sememe.errors import MissingExtra, StoreError
from sememe.search.postgres.place import Place

Records = list[list[Any]]
Run = Callable[..., Records]
T = TypeVar("T")
_LOST = ("", "08", "57P")  # no answer, a connection exception, a server that shuts down
_AGAIN = ("40001", "40P01", "23505")  # another writer was quicker: what it wrote is there now
_TRIES = 5


class _Failed(Exception):
    """A statement failed: what the server says, and its SQLSTATE if it said anything."""

    def __init__(self, error: Exception) -> None:
        answer = error.args[0] if error.args and isinstance(error.args[0], dict) else {}
        super().__init__(answer.get("M", "the connection was lost"))
        self.code: str = answer.get("C", "")
        self.lost = not self.code or self.code.startswith(_LOST[1:])


def require_pg8000() -> Any:
    """pg8000 as the DB-API has it, or MissingExtra with the command that installs it."""
    try:
        import pg8000.dbapi
    except ImportError:
        raise MissingExtra(
            'an index in PostgreSQL needs pg8000: pip install "sememe[postgres]"'
        ) from None
    return pg8000.dbapi


class Connection:
    """Runs statements, in which `%s` is a parameter; `ready` first, on every new connection.

    Whatever fails takes its connection with it, and so all of its transaction that was not
    committed; where the connection or a race was the reason it is begun once more.
    """

    def __init__(self, place: Place, ready: Callable[[Run], object]) -> None:
        self._place = place
        self._ready = ready
        self._pg8000 = require_pg8000()
        self._open: Any = None
        self._lock = RLock()

    def run(self, sql: str, params: Sequence[object] = ()) -> Records:
        """What one statement gives that may be run twice."""
        return self._trying(lambda: self._run(sql, params))

    def transact(self, step: Callable[[Run], T]) -> T:
        """What `step` gives; all of its statements are written, or none."""
        return self._trying(lambda: self._transaction(step))

    def close(self) -> None:
        """Let the server go; StoreError-free, and the next statement would connect again."""
        with self._lock, suppress(Exception):
            if self._open is not None:
                self._open.close()
        self._open = None

    def _trying(self, work: Callable[[], T]) -> T:
        with self._lock:
            for left in reversed(range(_TRIES)):
                try:
                    if self._open is None:
                        self._open = self._connected()
                        self._ready(self._run)
                    return work()
                except _Failed as failed:
                    self.close()
                    if not left or not (failed.lost or failed.code in _AGAIN):
                        raise StoreError(f"{self._place}: {failed}") from None
                except BaseException:
                    self.close()
                    raise
        raise AssertionError("unreachable")

    def _connected(self) -> Any:
        place = self._place
        try:
            opened = self._pg8000.connect(
                user=place.user,
                password=place.password,
                host=place.host,
                database=place.database,
                sock=place.socket(),
                ssl_context=place.ssl_context(),
                application_name="sememe",
                startup_params={"client_encoding": "UTF8"},
            )
        except (self._pg8000.Error, OSError) as error:
            failed = _Failed(error)
            said = failed if failed.code else getattr(error, "strerror", None) or error
            raise StoreError(f"{place} cannot be opened: {said}") from None
        opened.autocommit = True
        return opened

    def _run(
        self, sql: str, params: Sequence[object] = (), stream: Iterable[bytes] | None = None
    ) -> Records:
        cursor = self._open.cursor()
        try:
            cursor.execute(sql, params, stream)
        except (self._pg8000.Error, OSError) as error:
            raise _Failed(error) from None
        return list(cursor) if cursor.description else []

    def _transaction(self, step: Callable[[Run], T]) -> T:
        self._run("begin isolation level read committed")
        result = step(self._run)
        try:
            self._run("commit")
        except _Failed as failed:
            if not failed.lost:
                raise
            raise StoreError(
                f"{self._place}: the connection was lost when this step was to be written, all of "
                "it or nothing: the same call once more goes on from there"
            ) from None
        return result

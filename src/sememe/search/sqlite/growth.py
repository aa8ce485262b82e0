"""When the graph of neighbours grows, and when it is built anew: by whoever writes, at the end."""

import sqlite3
from contextlib import suppress
from pathlib import Path

from sememe.search.sqlite import near
from sememe.search.sqlite.graph import FOLDER, covered, new_graph, open_graph
from sememe.search.sqlite.schema import FILE, get_state, open_file, set_state

_LATE = 0.25  # of the graph's vectors: over that, what came later is taken in
_DEAD = 0.25  # of the graph's vectors: over that, it is built without them


def settle(folder: Path, dim: int, *, whole: bool = False) -> None:
    """Take into the graph what came later, if that is much or all is wanted; or build it anew."""
    connection = open_file(folder / FILE)
    try:
        _settle(connection, folder / FOLDER, dim, whole)
    finally:
        connection.close()


def _settle(connection: sqlite3.Connection, folder: Path, dim: int, whole: bool) -> None:
    path = folder / (str(get_state(connection, "graph")) or "none")
    last, count, size = covered(path.name) if path.is_file() else (0, 0, 0)
    if not size or path.stat().st_size != size:  # an index may be copied without it, or with a part
        last, count = 0, 0
    live, late = (
        connection.execute("SELECT count(*) FROM texts WHERE key > ?", (after,)).fetchone()[0]
        for after in (0, last)
    )
    dead = count - (live - late)
    stale = dead > _DEAD * count or (whole and dead > 0)
    if not (stale or late > max(near.FLAT, _LATE * count) or (whole and late)):
        return
    if live <= near.FLAT:
        _remember(connection, folder, "")
        return
    graph = None if stale else open_graph(path, dim, to_grow=True)
    graph = new_graph(dim) if graph is None else graph
    if graph is not None:
        graph.grow(*near.read_vectors(connection, graph.last, dim))
        _remember(connection, folder, graph.save(folder, get_state(connection, "generation")))


def _remember(connection: sqlite3.Connection, folder: Path, name: str) -> None:
    set_state(connection, "graph", name)
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.name != name:
            with suppress(OSError):  # Windows keeps what a reader has mapped; next time, then
                path.unlink()

"""When the graph of neighbours grows, and when it is built anew: by whoever writes, at the end."""

import sqlite3
from pathlib import Path

from sememe.search.sqlite.graph import FOLDER, new_graph, open_graph
from sememe.search.sqlite.near import FLAT, read_vectors
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
    path, last, covered = _graph_file(connection, folder)
    live, late = (
        connection.execute("SELECT count(*) FROM texts WHERE key > ?", (after,)).fetchone()[0]
        for after in (0, last)
    )
    dead = covered - (live - late)
    stale = dead > _DEAD * covered or (whole and dead > 0)
    if not (stale or late > max(FLAT, _LATE * covered) or (whole and late)):
        return
    if live <= FLAT:
        _remember(connection, folder, "")
        return
    graph = None if stale else open_graph(path, dim, to_grow=True)
    graph = new_graph(dim) if graph is None else graph
    if graph is not None:
        graph.grow(*read_vectors(connection, graph.last, dim))
        folder.mkdir(exist_ok=True)
        name = f"{get_state(connection, 'generation')}-{graph.last}-{len(graph)}.faiss"
        graph.save(folder / name)
        _remember(connection, folder, name)


def _graph_file(connection: sqlite3.Connection, folder: Path) -> tuple[Path, int, int]:
    """The graph's file, its last key and how many there are, as its name says; or zeros."""
    path = folder / (str(get_state(connection, "graph")) or "none")
    if not path.is_file():  # an index that was copied without it
        return path, 0, 0
    _, last, count = path.stem.split("-")
    return path, int(last), int(count)


def _remember(connection: sqlite3.Connection, folder: Path, name: str) -> None:
    set_state(connection, "graph", name)
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.name != name:
            path.unlink(missing_ok=True)

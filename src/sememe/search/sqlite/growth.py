"""When the graph of neighbours grows, and when it is built anew: by whoever writes, at the end."""

import sqlite3
from contextlib import suppress
from functools import partial
from pathlib import Path

from sememe.progress import progress_bar
from sememe.search.sqlite import graph
from sememe.search.sqlite.near import read_vectors
from sememe.search.sqlite.opened import Opened
from sememe.search.sqlite.schema import get_about, get_state, said, set_state

_LATE = 0.25  # of the graph's vectors: over that, what came later is taken in
_DEAD = 0.25  # of the graph's vectors: over that, it is built without them


def settle(
    file: Opened, folder: Path, *, whole: bool = False, progress: bool | None = None
) -> None:
    """Take into the graph what came later, if that is much or all is wanted; or build it anew.

    Nobody else may write meanwhile. Between its parts the file is free: others search, or fork.
    """
    folder = folder / graph.FOLDER
    name, count, live, late = file.read(lambda connection: _counted(connection, folder))
    dead = count - (live - late)
    stale = dead > _DEAD * count or (whole and dead > 0)
    if not (stale or late > max(graph.FLAT, _LATE * count) or (whole and late)):
        return
    if live <= graph.FLAT:
        _remember(file, folder, "")
        return
    dim = file.read(get_about).dim
    found = None if stale else graph.open_graph(folder / name, dim, to_grow=True)
    found = graph.new_graph(dim) if found is None else found
    if found is not None:
        with progress_bar(live if stale else late, "neighbours", progress) as bar:
            while part := file.read(partial(_part, after=found.last, dim=dim)):
                found.grow(*part)
                bar.update(len(part[0]))
        _remember(file, folder, found.save(folder))


def _counted(connection: sqlite3.Connection, folder: Path) -> tuple[str, int, int, int]:
    """The graph's name and size; how many rows there are, and how many behind the graph."""
    name = get_state(connection, "graph")
    last, count, size = graph.covered(name)
    if not size or not (folder / name).is_file() or (folder / name).stat().st_size != size:
        last, count = 0, 0  # an index may be copied without it, or with a part
    # The + keeps to the index of ids, which is much smaller than the texts.
    sql = "SELECT count(*) FROM texts WHERE +key > ?"
    live, late = (connection.execute(sql, (after,)).fetchone()[0] for after in (0, last))
    return name, count, live, late


def _part(
    connection: sqlite3.Connection, after: int, dim: int
) -> tuple[graph.Keys, graph.Vectors] | None:
    return next(read_vectors(connection, after, dim), None)


def _remember(file: Opened, folder: Path, name: str) -> None:
    file.read(lambda connection: set_state(connection, "graph", name))
    with said(folder):
        for path in folder.iterdir() if folder.is_dir() else ():
            if path.name != name:
                with suppress(OSError):  # Windows keeps what a reader has mapped; next time, then
                    path.unlink()

"""When the graph of neighbours grows, and when it is built anew: by whoever writes, at the end."""

import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from sememe.progress import progress_bar
from sememe.search.sqlite import graph
from sememe.search.sqlite.near import read_vectors
from sememe.search.sqlite.opened import Opened
from sememe.search.sqlite.schema import get_about, get_state, set_state

_LATE = 0.25  # of the graph's vectors: over that, what came later is taken in
_DEAD = 0.25  # of the graph's vectors: over that, it is built without them


def settle(folder: Path, *, whole: bool = False, progress: bool | None = None) -> None:
    """Take into the graph what came later, if that is much or all is wanted; or build it anew."""
    with closing(Opened(folder)) as opened, opened.mutex:
        _settle(opened.connection, folder / graph.FOLDER, whole, progress)


def _settle(
    connection: sqlite3.Connection, folder: Path, whole: bool, progress: bool | None
) -> None:
    path = folder / (str(get_state(connection, "graph")) or "none")
    last, count, size = graph.covered(path.name)
    if not path.is_file() or path.stat().st_size != size:
        last, count = 0, 0  # an index may be copied without it, or with a part
    # The + keeps to the index of ids, which is much smaller than the texts.
    live, late = (
        connection.execute("SELECT count(*) FROM texts WHERE +key > ?", (after,)).fetchone()[0]
        for after in (0, last)
    )
    dead = count - (live - late)
    stale = dead > _DEAD * count or (whole and dead > 0)
    if not (stale or late > max(graph.FLAT, _LATE * count) or (whole and late)):
        return
    if live <= graph.FLAT:
        _remember(connection, folder, "")
        return
    dim = get_about(connection).dim
    found = None if stale else graph.open_graph(path, dim, to_grow=True)
    found = graph.new_graph(dim) if found is None else found
    if found is not None:
        with progress_bar(live if stale else late, "neighbours", progress) as bar:
            for keys, rows in read_vectors(connection, found.last, dim):
                found.grow(keys, rows)
                bar.update(len(keys))
        _remember(connection, folder, found.save(folder))


def _remember(connection: sqlite3.Connection, folder: Path, name: str) -> None:
    set_state(connection, "graph", name)
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.name != name:
            with suppress(OSError):  # Windows keeps what a reader has mapped; next time, then
                path.unlink()

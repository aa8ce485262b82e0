"""The map of clusters: one HTML file that needs no network and no other file."""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from scipy.spatial import KDTree

from sememe.arguments import did_you_mean, shown
from sememe.errors import InputError, SememeWarning, warn
from sememe.progress import counted
from sememe.reports import packed_array, packed_json, shortened, write_page
from sememe.tables import cell_text, dates_of, numbers_of

_SCRIPTS = (
    "map-data.js", "map-colors.js", "map-view.js", "map-dots.js", "map-canvas.js",
    "map-pointer.js", "map-tip.js", "map-filters.js", "map-list.js", "map-export.js",
    "map-start.js",
)  # fmt: skip
_LONGEST_TEXT = 1_000
_LONGEST_EXAMPLE = 300
_LONGEST_TERM = 60
_LONGEST_CELL = 300
_LONGEST_CATEGORY = 60  # characters on average; longer ones are texts to read
_CHARACTERS = 25_000_000  # of texts, and again of columns; deflated, two or three bytes make one
_MOST_COLUMNS = 30
_COLORS = 12  # as many as map-colors.js has


def write_map(
    path: str | os.PathLike[str],
    points: ArrayLike,
    labels: ArrayLike,
    texts: Sequence[str],
    clusters: Sequence[Mapping[str, Any]],
    *,
    columns: Mapping[str, Sequence[object]] | None = None,
    color: str | None = None,
    rows: ArrayLike | None = None,
    tree: Sequence[Mapping[str, Any]] = (),
    title: str = "Map of clusters",
) -> None:
    """Write a map of texts that can be searched, zoomed, filtered and coloured, as one HTML file.

    The file asks nothing of the network, and its content security policy forbids it to. Texts may
    come from anybody: they are data in it, never markup. Of each text the first 1,000 characters
    are kept, of each cell 300; fewer of the texts where there are more than 25 million in all.

    A column is one of numbers, of dates (see `sememe.tables.dates_of`), of categories, or, where
    its values are long or hardly any comes twice, of texts, which can be read and not coloured by.
    Columns of lists are left out, and all after the thirtieth; a warning says so.

    Args:
        points: float (n, 2), finite, on any scale; with `rows`, of each of these.
        labels, texts: the cluster of each text, int (n,), -1 for an outlier; and n strings.
        clusters: one for each label: its label, size, terms, examples, and name, if it has one.
        columns, color, title: see `Clusters.save_map`.
        rows: the rows of the texts that are drawn; None draws them all.
        tree: the hierarchy of the clusters, by which the list of them is folded: of a leaf the
            label, of a branch the name and the children.

    InputError for a `color` that is no column to colour by;
    TableError where the file cannot be written.
    """
    points, labels = np.asarray(points, dtype=np.float64), np.asarray(labels)
    rows = np.arange(len(texts)) if rows is None else np.asarray(rows)
    ranked = sorted(clusters, key=lambda cluster: -cluster["size"])
    position = {cluster["label"]: place for place, cluster in enumerate(ranked)}
    members = np.array([position.get(label, -1) for label in labels[rows].tolist()], np.int64)
    columns = {} if columns is None else columns
    check_color(color, columns)
    page_columns = _columns(columns, color, rows)
    colors = neighbor_colors(points, members, len(ranked))
    excerpts = [shortened(texts[row], _LONGEST_TEXT) for row in rows.tolist()]
    if sum(map(len, excerpts)) > _CHARACTERS:
        excerpts = [shortened(text, _CHARACTERS // len(excerpts)) for text in excerpts]
    data = {
        "points": packed_array(_quantised(points), "<i2"),
        "clusters": [
            {"color": number, **_described(cluster)}
            for cluster, number in zip(ranked, colors, strict=True)
        ],
        "tree": [_branch(node, position) for node in tree],
        "members": packed_array(members, "<i4"),
        "rows": packed_array(rows, "<i4"),
        "texts": packed_json(excerpts),
        "columns": page_columns,
        "color": color,
    }
    write_page(path, "map", _SCRIPTS, title, data)


def neighbor_colors(points: NDArray[Any], members: NDArray[Any], count: int) -> list[int]:
    """A number from 0 to 11 for each of `count` clusters, which its neighbours on a map don't have.

    Neighbours are clusters whose points lie among each other's, and those with the nearest
    middles. A greedy colouring takes them by size; where a cluster has more than eleven
    neighbours, it shares with the one it has least to do with.
    """
    placed = np.flatnonzero(members >= 0)
    present = np.unique(members[placed])
    if len(present) < 2:
        return [0] * count
    middles = np.array([np.median(points[members == i], axis=0) for i in present])
    pairs = [_neighbors(points[placed], members[placed], 8), _neighbors(middles, present, 6)]
    first, second = np.concatenate(pairs, axis=1)
    contact = sparse.coo_array((np.ones(len(first)), (first, second)), (count, count)).tocsr()
    contact = (contact + contact.T).tocsr()
    colors = np.full(count, _COLORS)  # a number past the last, until it has one
    for cluster in range(count):
        row = slice(contact.indptr[cluster], contact.indptr[cluster + 1])
        shares = np.bincount(colors[contact.indices[row]], contact.data[row], _COLORS + 1)
        uses = np.bincount(colors, minlength=_COLORS)
        colors[cluster] = np.lexsort((uses[:_COLORS], shares[:_COLORS]))[0]
    return colors.tolist()


def _neighbors(points: NDArray[Any], members: NDArray[Any], k: int) -> NDArray[Any]:
    """The clusters of each point and of its k nearest neighbours, as pairs: (2, pairs)."""
    _, indices = KDTree(points).query(points, k=min(k + 1, len(points)))
    others = indices[:, 1:]
    return np.stack([np.repeat(members, others.shape[1]), members[others].ravel()])


def _columns(
    columns: Mapping[str, Sequence[object]], color: str | None, rows: NDArray[Any]
) -> list[dict[str, Any]]:
    """The columns as the page reads them; a warning names those that it does not get."""
    page_columns: list[dict[str, Any]] = []
    characters = 0
    missing: list[str] = []
    for name in sorted(columns, key=lambda name: name != color):  # which must not be left out
        values = list(columns[name])
        column = None if len(page_columns) == _MOST_COLUMNS else _column(str(name), values, rows)
        size = 0 if column is None else sum(map(len, column["values"]))
        if column is None or characters + size > _CHARACTERS:
            missing.append(str(name))
            continue
        characters += size
        page_columns.append({**column, "values": packed_json(column["values"])})
    if missing:
        names = ", ".join(f'"{name}"' for name in missing[:3]) + ", …" * (len(missing) > 3)
        warn(
            f"the map leaves out {counted(len(missing), 'column')} ({names}): it shows up to "
            f"{_MOST_COLUMNS} columns of {_CHARACTERS // 10**6} million characters, and no lists.",
            SememeWarning,
        )
    return page_columns


def _column(name: str, values: list[Any], rows: NDArray[Any]) -> dict[str, Any] | None:
    """The column's different values, most frequent first, and which each row has; None of lists."""
    kind, numbers = _kind(name, values)
    if kind == "lists":
        return None
    cells = [shortened(cell_text(values[row]).strip(), _LONGEST_CELL) for row in rows]
    distinct = [cell for cell, _ in Counter(cell for cell in cells if cell).most_common()]
    code = {cell: place for place, cell in enumerate(distinct)} | {"": -1}
    return {
        "name": name,
        "kind": kind,
        "values": distinct,
        "codes": packed_array(np.array([code[cell] for cell in cells]), "<i4"),
        "numbers": numbers and packed_array(np.array(numbers, dtype=np.float64)[rows], "<f8"),
    }


def _kind(name: str, values: Sequence[Any]) -> tuple[str, list[float | None] | None]:
    """What a column's values are, and their numbers: of dates, milliseconds from 1970 on."""
    if any(isinstance(value, list | tuple | dict | set | np.ndarray) for value in values):
        return "lists", None
    if numbers := numbers_of(name, values):
        return "number", numbers
    if dates := dates_of(name, values):
        start, unit = datetime(1970, 1, 1), timedelta(milliseconds=1)
        return "date", [None if date is None else (date - start) / unit for date in dates]
    distinct = {cell_text(value).strip() for value in values} - {""}
    is_long = sum(map(len, distinct)) > _LONGEST_CATEGORY * len(distinct)
    is_unique = len(distinct) > max(20, len(values) // 2)
    return "text" if is_long or is_unique else "category", None


def check_color(color: str | None, columns: Mapping[str, Sequence[object]]) -> None:
    """Raise InputError where a map with these columns cannot open coloured by `color`."""
    if color is None:
        return
    if color not in columns:
        guess = did_you_mean(str(color), columns)
        names = ", ".join(f'"{name}"' for name in columns) or "none"
        raise InputError(f"color={shown(color)} is no column of the map{guess}; there are {names}.")
    if _kind(color, list(columns[color]))[0] in ("text", "lists"):
        raise InputError(
            f"color={shown(color)}: its values are lists or long, or hardly any comes twice; "
            "choose a column of categories, numbers or dates."
        )


def _quantised(points: NDArray[Any]) -> NDArray[Any]:
    """The points centred and scaled to the range of int16; a screen has far fewer pixels."""
    if len(points) == 0:
        return points
    low, high = points.min(axis=0), points.max(axis=0)
    half = max(float((high - low).max()) / 2, 1e-12)
    scaled: NDArray[Any] = np.rint((points - (low + high) / 2) / half * 32_767)
    return scaled


def _described(cluster: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "label": int(cluster["label"]),
        "size": int(cluster["size"]),
        "name": shortened(cluster.get("name", ""), _LONGEST_TERM),
        "terms": [shortened(term, _LONGEST_TERM) for term in cluster["terms"]],
        "examples": [shortened(text, _LONGEST_EXAMPLE) for text in cluster["examples"]],
    }


def _branch(node: Mapping[str, Any], position: Mapping[int, int]) -> int | dict[str, Any]:
    """A leaf as its cluster's position, a branch as its name and what is below it."""
    if node.get("label") is not None:
        return position[node["label"]]
    children = [_branch(child, position) for child in node["children"]]
    return {"name": shortened(node["name"], _LONGEST_TERM), "children": children}

"""The map of clusters: one HTML file that needs no network and no other file."""

import base64
import os
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sememe.errors import InputError
from sememe.reports import shortened, write_page

_SCRIPTS = ("map-texts.js", "map-canvas.js", "map-panel.js")
_LONGEST_TEXT = 1_000
_LONGEST_EXAMPLE = 300
_LONGEST_TERM = 60


class Cluster(Protocol):
    """What the map needs to know of a cluster."""

    @property
    def label(self) -> int:
        """Its number in `labels`."""

    @property
    def size(self) -> int:
        """How many texts it has."""

    @property
    def terms(self) -> Sequence[str]:
        """The terms that name it, best first."""

    @property
    def examples(self) -> Sequence[str]:
        """Some of its texts."""


def write_map(
    path: str | os.PathLike[str],
    points: ArrayLike,
    labels: ArrayLike,
    texts: Sequence[str],
    clusters: Sequence[Cluster],
    *,
    title: str = "Map of clusters",
) -> None:
    """Write a map of texts that can be searched, zoomed and filtered, as one HTML file.

    The file asks nothing of the network, and its content security policy forbids it to. Texts may
    come from anybody: they are data in it, never markup. Of each text the first 1,000 characters
    are kept.

    Args:
        path: the HTML file. It appears whole or not at all.
        points: float (n, 2), where each text lies, on any scale.
        labels: int (n,), the cluster of each text, -1 for an outlier.
        texts: n strings.
        clusters: one for each label, with attributes label, size, terms and examples.
        title: shown above the map.

    Raises:
        InputError: points, labels and texts are not of one number, a point is not finite, or a
            label has no cluster.
        TableError: the file cannot be written.

    Example:
        >>> from types import SimpleNamespace
        >>> tea = SimpleNamespace(label=0, size=2, terms=["tea"], examples=["Green tea"])
        >>> write_map("map.html", [[0, 0], [0, 1]], [0, 0], ["Tea", "Green tea"], [tea])
        ... # doctest: +SKIP
    """
    points, labels = np.asarray(points, dtype=np.float64), np.asarray(labels)
    _check(points, labels, texts)
    ranked = sorted(clusters, key=lambda cluster: -cluster.size)
    data = {
        "points": _packed(_quantised(points), "<i2"),
        "clusters": [_described(cluster) for cluster in ranked],
        "members": _packed(_positions(labels, [cluster.label for cluster in ranked]), "<i4"),
        "texts": [shortened(text, _LONGEST_TEXT) for text in texts],
    }
    write_page(path, "map", _SCRIPTS, title, data)


def _check(points: NDArray[Any], labels: NDArray[Any], texts: Sequence[str]) -> None:
    if points.ndim != 2 or points.shape[1] != 2:
        raise InputError(f"points have shape {points.shape}: give one row a text, (n, 2).")
    if labels.shape != (len(points),) or len(texts) != len(points):
        raise InputError(
            f"{len(points)} points, {labels.size} labels and {len(texts)} texts: "
            "give one label and one text for each point."
        )
    bad = np.flatnonzero(~np.isfinite(points).all(axis=1))
    if len(bad):
        raise InputError(f"point {bad[0]} is not finite: it has no place on the map.")


def _quantised(points: NDArray[Any]) -> NDArray[Any]:
    """The points centred and scaled to the range of int16; a screen has far fewer pixels."""
    if len(points) == 0:
        return points
    low, high = points.min(axis=0), points.max(axis=0)
    half = max(float((high - low).max()) / 2, 1e-12)
    scaled: NDArray[Any] = np.rint((points - (low + high) / 2) / half * 32_767)
    return scaled


def _positions(labels: NDArray[Any], order: list[int]) -> NDArray[np.int64]:
    """Labels as positions in the list of clusters, -1 for outliers."""
    position = {label: place for place, label in enumerate(order)} | {-1: -1}
    present = np.unique(labels)
    missing = [int(label) for label in present if int(label) not in position]
    if missing:
        raise InputError(f"label {missing[0]} has no cluster: give a cluster for each label.")
    places = np.array([position[int(label)] for label in present], dtype=np.int64)
    return places[np.searchsorted(present, labels)]


def _packed(values: NDArray[Any], dtype: str) -> str:
    return base64.b64encode(values.astype(dtype).tobytes()).decode("ascii")


def _described(cluster: Cluster) -> dict[str, Any]:
    return {
        "size": int(cluster.size),
        "terms": [shortened(term, _LONGEST_TERM) for term in cluster.terms],
        "examples": [shortened(text, _LONGEST_EXAMPLE) for text in cluster.examples],
    }

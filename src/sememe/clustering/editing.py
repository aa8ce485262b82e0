"""What a user changes about a clustering: names, unions, splits, parts of it.

A number always means the same cluster: a union keeps the first one's, the largest part of a split
keeps the old one, and new parts get numbers that nobody had.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from sememe.arguments import shown, whole_number
from sememe.clustering.resolution import best_grain
from sememe.errors import InputError
from sememe.neighbors import communities as by
from sememe.neighbors import normalized, self_join
from sememe.neighbors.communities import Labels, neighbor_graph, neighborhood_size, smoothed
from sememe.progress import counted

if TYPE_CHECKING:
    from sememe.clustering.result import Clusters
    from sememe.clustering.terms import Cluster


def renamed(groups: "Clusters", names: Mapping[int, str]) -> list["Cluster"]:
    """The clusters, some under other names."""
    if not isinstance(names, Mapping):
        raise InputError(f'names={shown(names)}: give names by number, such as {{6: "refunds"}}.')
    numbers = {groups.cluster(label).label: name for label, name in names.items()}
    for label, name in numbers.items():
        if not isinstance(name, str) or not name.strip():
            raise InputError(f"the name of cluster {label} is {shown(name)}: give a text.")
    result = [
        replace(one, name=" ".join(numbers[one.label].split()), renamed=True)
        if one.label in numbers
        else one
        for one in groups.clusters
    ]
    seen: dict[str, int] = {}
    for one in result:
        other = seen.setdefault(one.name, one.label)
        if other != one.label and (one.label in numbers or other in numbers):
            raise InputError(
                f"clusters {other} and {one.label} would both be called {shown(one.name)}: give "
                "each its own name, or merge them."
            )
    return result


def merged(groups: "Clusters", numbers: Iterable[int]) -> tuple[Labels, int]:
    """Labels where several clusters are one, under the first one's number."""
    labels = [groups.cluster(number).label for number in numbers]
    if len(set(labels)) < len(labels):
        twice = next(label for label in labels if labels.count(label) > 1)
        raise InputError(f"cluster {twice} cannot be merged with itself: give different numbers.")
    if len(labels) < 2:
        raise InputError("merge() takes two clusters or more, such as merge(3, 17).")
    return np.where(np.isin(groups.labels, labels), labels[0], groups.labels), labels[0]


def split(groups: "Clusters", number: int, into: int | None) -> tuple[Labels, list[int]]:
    """Labels where a cluster is several, and their numbers, the largest part's first."""
    label = groups.cluster(number).label
    of_node = groups.space.of_nodes(groups.labels)
    nodes = np.flatnonzero(of_node == label)
    into = None if into is None else whole_number("into", into, least=2)
    if len(nodes) < (into or 2):
        raise InputError(
            f"cluster {label} has {counted(len(nodes), 'different text')}: it cannot be split in "
            f"{into or 'two'}."
        )
    vectors = groups.space.vectors[nodes]
    neighbors = self_join(vectors, neighborhood_size(len(nodes)))
    graph = neighbor_graph(neighbors)
    smooth = smoothed(vectors, graph)
    if into is None:
        parts = best_grain(vectors, neighbors, graph, smooth=smooth)[0].labels
        size = np.bincount(parts)
        if (size > 1).sum() > 1:  # texts alone go to the nearest of the others
            centers = normalized(by.sums(smooth, parts))
            centers[size == 1] = 0
            parts = by.numbered((smooth @ centers.T).argmax(axis=1))
        else:
            parts = by.exactly(2, graph, smooth)
    else:
        parts = by.exactly(into, graph, smooth)
    order = np.argsort(-np.bincount(parts), kind="stable")
    fresh = int(groups.labels.max()) + 1
    numbers = [label, *range(fresh, fresh + len(order) - 1)]
    of_part = np.empty(len(order), dtype=np.int64)
    of_part[order] = numbers
    of_node[nodes] = of_part[parts]
    labels = np.where(groups.labels == label, of_node[groups.space.node], groups.labels)
    return labels, numbers

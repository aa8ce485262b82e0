"""What a user changes about a clustering: names, unions, splits, parts of it.

A number always means the same cluster: a union keeps the first one's, and so does the largest part
of a split; the others get new ones.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from sememe.arguments import shown, whole_number
from sememe.clustering.folder import describe_encoder
from sememe.clustering.resolution import best_grain
from sememe.clustering.terms import (
    Encode,
    NameMaker,
    central_texts,
    described,
    made_name,
    unused_name,
)
from sememe.errors import InputError, SememeError, SememeWarning, reason, warn
from sememe.neighbors import communities as by
from sememe.neighbors import normalized, self_join
from sememe.neighbors.communities import Labels, neighbor_graph, neighborhood_size, smoothed
from sememe.progress import counted

if TYPE_CHECKING:
    from sememe.clustering.result import Clusters


def made_names(groups: "Clusters", make: NameMaker) -> Iterator[tuple[int, str]]:
    """The number of each cluster that the user has not named, and what `make` calls it."""
    vectors = groups.vectors
    names = {one.label: one.name.casefold() for one in groups.clusters}
    for one in groups.clusters:
        if one.renamed:
            continue
        rows = np.flatnonzero(groups.labels == one.label)
        central = central_texts(groups.texts, vectors, rows)
        name = made_name(make, one.label, central, one.terms)
        del names[one.label]
        name = unused_name([name], central, names.values()) or f"{name} {one.label}"
        names[one.label] = name.casefold()
        yield one.label, name


def rename(self: "Clusters", names: Mapping[int, str] | NameMaker) -> "Clusters":
    """The same clusters, some under other names, which they keep until you give others.

    Args:
        names: names by number, or a function of a cluster's central texts and its terms, such as a
            call of a language model, which names those that you have not named yet.

    Raises:
        InputError: there is no cluster of a number, a name is no text, or two have one name.
    """
    if callable(names):
        names = dict(made_names(self, names))
    if not isinstance(names, Mapping):
        raise InputError(f'names={shown(names)}: give names by number, such as {{6: "refunds"}}.')
    numbers = {self.cluster(label).label: name for label, name in names.items()}
    for label, name in numbers.items():
        if not isinstance(name, str) or not name.strip():
            raise InputError(f"the name of cluster {label} is {shown(name)}: give a text.")
    result = [
        replace(one, name=" ".join(numbers[one.label].split()), renamed=True)
        if one.label in numbers
        else one
        for one in self.clusters
    ]
    seen: dict[str, int] = {}
    for one in result:
        other = seen.setdefault(one.name, one.label)
        if other != one.label and (one.label in numbers or other in numbers):
            raise InputError(
                f"clusters {other} and {one.label} would both be called {shown(one.name)}: give "
                "each its own name, or merge them."
            )
    return replace(self, clusters=result)


def merge(self: "Clusters", *numbers: int) -> "Clusters":
    """Unite clusters under the first one's number; the other numbers stay as they are."""
    labels = [self.cluster(number).label for number in numbers]
    if len(set(labels)) < len(labels):
        twice = next(label for label in labels if labels.count(label) > 1)
        raise InputError(f"cluster {twice} cannot be merged with itself: give different numbers.")
    if len(labels) < 2:
        raise InputError("merge() takes two clusters or more, such as merge(3, 17).")
    united = np.where(np.isin(self.labels, labels), labels[0], self.labels)
    return _relabelled(self, united, labels[:1])


def split(self: "Clusters", label: int, into: int | None = None) -> "Clusters":
    """Split a cluster, in `into` parts or as many as its texts form.

    The largest part keeps the number; the others get new ones.
    """
    label = self.cluster(label).label
    of_node = self.space.of_nodes(self.labels)
    nodes = np.flatnonzero(of_node == label)
    into = None if into is None else whole_number("into", into, least=2)
    if len(nodes) < (into or 2):
        raise InputError(
            f"cluster {label} has {counted(len(nodes), 'different text')}: it cannot be split in "
            f"{into or 'two'}."
        )
    vectors = self.space.vectors[nodes]
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
    fresh = int(self.labels.max()) + 1
    numbers = [label, *range(fresh, fresh + len(order) - 1)]
    of_part = np.empty(len(order), dtype=np.int64)
    of_part[order] = numbers
    of_node[nodes] = of_part[parts]
    labels = np.where(self.labels == label, of_node[self.space.node], self.labels)
    return _relabelled(self, labels, numbers)


def subset(self: "Clusters", *numbers: int) -> "Clusters":
    """The texts of some clusters alone, with their numbers, names and places on the map."""
    clusters = list({one.label: one for one in map(self.cluster, numbers)}.values())
    rows = np.flatnonzero(np.isin(self.labels, [one.label for one in clusters]))
    columns = self.columns.items()
    return replace(
        self,
        labels=self.labels[rows],
        texts=[self.texts[row] for row in rows],
        clusters=sorted(clusters, key=lambda one: -one.size),
        space=self.space.take(rows),
        columns={name: [values[row] for row in rows.tolist()] for name, values in columns},
        index=None if self.index is None else self.index[rows],
    )


def _relabelled(groups: "Clusters", labels: Labels, changed: Collection[int]) -> "Clusters":
    """The clusters under other labels; those that changed get new terms, examples and names."""
    kept = set(labels.tolist()).difference(changed)
    others = [one for one in groups.clusters if one.label in kept]
    names = {one.label: one.name for one in groups.clusters if one.renamed}
    numbers, compact = np.unique(labels[labels >= 0], return_inverse=True)
    every = np.full(len(labels), -1, dtype=np.int64)
    every[labels >= 0] = compact
    fresh = described(
        groups.texts,
        groups.vectors,
        every,
        groups.naming,
        [one.name for one in others],
        _phrase_encoder(groups),
        np.searchsorted(numbers, sorted(changed)).tolist(),
    )
    for one in fresh:
        label = int(numbers[one.label])
        name = names.get(label, one.name)
        others.append(replace(one, label=label, name=name, renamed=label in names))
    clusters = sorted(others, key=lambda one: (-one.size, one.label))
    return replace(groups, labels=labels, clusters=clusters)


def _phrase_encoder(groups: "Clusters") -> Encode | None:
    """Gives phrases vectors beside the texts'; None where that may cost money, or cannot be."""
    if describe_encoder(groups.encoder) is None:
        return None  # the user's own
    try:
        groups.encoded(["a"])
    except SememeError as error:
        warn(f"Names are made without the encoder: {reason(error)}.", SememeWarning)
        return None
    return groups.encoded

"""The clusters of clusters: Ward's unions, of which every fourth level is kept."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sememe.clustering.terms import class_terms
from sememe.neighbors.communities import sums, unions

if TYPE_CHECKING:
    from sememe.clustering.result import Clusters

_FEWER = 4  # times as few nodes, from one level to the next
_TERMS = 3


@dataclass(frozen=True)
class Tree:
    """A node of the hierarchy; `print` shows all below it, indented.

    Attributes:
        name: the cluster's name, or, of a branch, the terms that tell it from its siblings.
        size: how many texts are below it.
        label: the cluster of a leaf; None of a branch.
        children: the nodes below a branch, largest first.
    """

    name: str
    size: int
    label: int | None = None
    children: tuple["Tree", ...] = ()

    def __str__(self) -> str:
        return "\n".join(self._lines(""))

    def _lines(self, indent: str) -> Iterator[str]:
        number = "" if self.label is None else f"{self.label}: "
        yield f"{indent}{number}{self.name} ({self.size:,})"
        for child in self.children:
            yield from child._lines(indent + "  ")

    def to_dict(self) -> dict[str, object]:
        """The tree as nested dicts, for JSON."""
        result: dict[str, object] = {"name": self.name, "size": self.size}
        if self.label is not None:
            return {**result, "label": self.label}
        return {**result, "children": [child.to_dict() for child in self.children]}


def hierarchy(groups: "Clusters") -> Tree:
    """The tree of the clusters: each level has about a quarter as many nodes as the one below."""
    order = [one.label for one in groups.clusters]
    nodes = {
        place: Tree(one.name, one.size, one.label) for place, one in enumerate(groups.clusters)
    }
    members = {place: [label] for place, label in enumerate(order)}
    of_node = groups.space.of_nodes(groups.labels)
    inside = np.flatnonzero(of_node >= 0)
    place = {label: position for position, label in enumerate(order)}
    positions = np.array([place[label] for label in of_node[inside].tolist()], dtype=np.int64)
    pending: dict[int, list[int]] = {position: [position] for position in nodes}
    goal = len(order) // _FEWER
    for one, other in unions(sums(groups.space.vectors[inside], positions)):
        pending[one] += pending.pop(other)
        if len(pending) == goal and goal > 2:
            nodes, members = _level(groups, nodes, members, pending)
            pending = {position: [position] for position in nodes}
            goal = len(nodes) // _FEWER
    top = sorted(nodes.values(), key=lambda node: -node.size)
    return Tree("all", sum(node.size for node in top), None, tuple(top))


def _level(
    groups: "Clusters",
    nodes: dict[int, Tree],
    members: dict[int, list[int]],
    pending: dict[int, list[int]],
) -> tuple[dict[int, Tree], dict[int, list[int]]]:
    """The nodes of the next level, by position, and the clusters below each."""
    united = {
        position: [label for part in parts for label in members[part]]
        for position, parts in pending.items()
    }
    texts = [
        [groups.texts[row] for row in np.flatnonzero(np.isin(groups.labels, labels))]
        for labels in united.values()
    ]
    result = {}
    for (position, parts), terms in zip(pending.items(), class_terms(texts), strict=True):
        children = sorted((nodes[part] for part in parts), key=lambda node: -node.size)
        if len(children) == 1:
            result[position] = children[0]
            continue
        name = ", ".join(terms[:_TERMS]) or children[0].name
        size = sum(child.size for child in children)
        result[position] = Tree(name, size, None, tuple(children))
    return result, united

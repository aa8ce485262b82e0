"""The clusters of clusters: Ward's unions, of which every fourth level is kept."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sememe.clustering.terms import Naming, described
from sememe.neighbors.communities import sums, unions

if TYPE_CHECKING:
    from sememe.clustering.result import Clusters

_FEWER = 4  # times as few nodes, from one level to the next


@dataclass(frozen=True)
class Tree:
    """A node of the hierarchy; `print` shows all below it, indented.

    A leaf has the cluster's name and `label`. A branch has none, the terms that tell it from its
    siblings, and children, largest first. `size` is how many texts are below it.
    """

    name: str
    size: int
    label: int | None = None
    children: tuple["Tree", ...] = ()

    @property
    def labels(self) -> list[int]:
        """The clusters below it, or the one that it is."""
        below = [label for child in self.children for label in child.labels]
        return below if self.label is None else [self.label]

    def __repr__(self) -> str:
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


def tree(self: "Clusters") -> Tree:
    """The clusters of clusters, by Ward's method: `print` shows them, indented.

    Each level has about a quarter as many nodes as the one below.
    """
    labels = np.array([one.label for one in self.clusters], dtype=np.int64)
    of_node = self.space.of_nodes(self.labels)
    inside = np.flatnonzero(of_node >= 0)
    order = np.argsort(labels)
    places = order[np.searchsorted(labels, of_node[inside], sorter=order)]
    leaves = (Tree(one.name, one.size, one.label) for one in self.clusters)
    level = {place: [leaf] for place, leaf in enumerate(leaves)}
    goal = len(level) // _FEWER
    for one, other in unions(sums(self.space.vectors[inside], places)):
        level[one] += level.pop(other)
        if len(level) == goal and goal > 2:
            branches = _branches(self, list(level.values()))
            level = {place: [branch] for place, branch in zip(level, branches, strict=True)}
            goal //= _FEWER
    top = [node for nodes in level.values() for node in nodes]
    return _branch("all", top)


def _branch(name: str, children: list[Tree]) -> Tree:
    order = sorted(children, key=lambda node: -node.size)
    return Tree(name, sum(node.size for node in children), None, tuple(order))


def _branches(groups: "Clusters", united: list[list[Tree]]) -> list[Tree]:
    """A branch for each list of nodes, named by what tells it from the others."""
    labels = np.full(len(groups.labels), -1)
    for branch, nodes in enumerate(united):
        below = [label for node in nodes for label in node.labels]
        labels[np.isin(groups.labels, below)] = branch
    names = described(groups.texts, groups.vectors, labels, Naming(groups.naming.stop_words))
    return [
        _branch(one.name, nodes) if len(nodes) > 1 else nodes[0]
        for nodes, one in zip(united, names, strict=True)
    ]

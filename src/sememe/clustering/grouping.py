"""From texts to clusters: one pass over the steps that the other files of this room hold."""

from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sememe.clustering import communities as by
from sememe.clustering.graph import neighbor_graph, neighborhood_size, smoothed
from sememe.clustering.resolution import Grain, grains
from sememe.clustering.result import Clusters
from sememe.clustering.terms import described
from sememe.errors import InputError
from sememe.neighbors import Neighbors, self_join, unit
from sememe.text import Encoder, check_texts

Granularity = Literal["coarse", "fine"] | float

_LARGE = 100_000  # from here on the grain is chosen on a sample, and nothing is smoothed
_SAMPLE = 20_000
_BLOCK_ROWS = 65_536
_FAR = 2.0  # times as far from its neighbours as they are from theirs


def cluster(
    texts: Iterable[str],
    encoder: Encoder,
    *,
    clusters: int | None = None,
    threshold: float | None = None,
    granularity: Granularity | None = None,
) -> Clusters:
    """Group texts by meaning, name the groups, and say which texts belong to none.

    With nothing but texts and an encoder, the number of clusters is found in the data. At most one
    of the three arguments says more. Identical texts are always together, and equal
    vectors in the same order give an equal result.

    Args:
        texts: the texts.
        encoder: anything with `.encode(texts)`, such as a `BiEncoder`.
        clusters: exactly so many clusters.
        threshold: a cosine between -1 and 1. The texts of each cluster are, on average over all
            pairs of different ones, at least so similar, and those of any two clusters less
            (agglomerative clustering with average linkage).
        granularity: "coarse" (at most half as many clusters as would be found with nothing given)
            or "fine" (at least twice as many), as far as the graph of near texts goes; or a
            positive resolution of the Leiden method (Traag et al. 2019), from about 0.05 for a
            few clusters to 30 for hundreds.

    Returns:
        Clusters: labels int64 (n,), -1 for an outlier; the clusters, largest first, with their
        terms and examples.

    Raises:
        InputError: a text that is not a string, more than one of the three arguments, one out of
            its range, more clusters asked than there are different texts, or vectors that are not
            finite.

    Example:
        >>> class Letters:
        ...     def encode(self, texts):
        ...         return [[text.count("a"), text.count("b")] for text in texts]
        >>> found = cluster(["aaa", "aab", "bbb", "bba"], Letters(), clusters=2)
        >>> found.labels.tolist()
        [0, 0, 1, 1]
    """
    texts = _strings(texts)
    _check(clusters, threshold, granularity)
    vectors = encoder.encode(texts) if texts else np.empty((0, 0), dtype=np.float32)
    return cluster_vectors(
        vectors, texts, clusters=clusters, threshold=threshold, granularity=granularity
    )


def cluster_vectors(
    vectors: ArrayLike,
    texts: Sequence[str],
    *,
    clusters: int | None = None,
    threshold: float | None = None,
    granularity: Granularity | None = None,
) -> Clusters:
    """Do what `cluster` does with vectors that are there already.

    Args:
        vectors: float (n, dim), of any length: they are compared by their cosine.
        texts: the n texts. Of identical ones the first vector counts.
        clusters: see `cluster`.
        threshold: see `cluster`.
        granularity: see `cluster`.

    Raises:
        InputError: as in `cluster`, or when there are not as many vectors as texts.

    Example:
        >>> found = cluster_vectors([[1, 0], [1, 0.1], [0, 1]], ["a", "b", "c"], threshold=0.9)
        >>> found.labels.tolist()
        [0, 0, -1]
    """
    texts = _strings(texts)
    _check(clusters, threshold, granularity)
    rows = unit(vectors)
    if len(rows) != len(texts):
        raise InputError(f"{len(rows)} vectors for {len(texts)} texts: give one vector a text.")
    first, position = _different(texts, rows)
    copies = np.bincount(position, minlength=len(first))
    if clusters is not None and clusters > len(first):
        raise InputError(
            f"clusters={clusters}, but only {len(first)} of the {len(texts)} texts "
            "differ from one another: ask for fewer clusters."
        )
    if len(first) < len(rows):
        rows = rows[first]
    labels, resolution, why, recall = _partition(rows, clusters, threshold, granularity, copies)
    if len(first) < len(position):  # only now, when there is room for both again
        rows = rows[position]
    labels = _largest_first(labels[position])
    return Clusters(
        labels=labels,
        texts=texts,
        clusters=described(texts, rows, labels),
        vectors=rows,
        resolution=resolution,
        why=why,
        recall=recall,
    )


def _partition(
    vectors: NDArray[np.float32],
    clusters: int | None,
    threshold: float | None,
    granularity: Granularity | None,
    copies: NDArray[np.int64],
) -> tuple[by.Labels, float | None, str | None, float]:
    """Labels of the different texts, outliers -1; the resolution, why, the neighbours' recall."""
    if len(vectors) == 0:
        return np.empty(0, dtype=np.int64), None, None, 1.0
    if threshold is not None:
        return _without_lone(by.linked(vectors, threshold), copies), None, None, 1.0
    neighbors = self_join(vectors, neighborhood_size(len(vectors)))
    graph = neighbor_graph(neighbors)
    large = len(vectors) > _LARGE
    # Two more copies of a million vectors would not fit beside them.
    smooth = vectors if large else smoothed(vectors, graph)
    if clusters is not None:
        labels = by.exactly(clusters, graph, smooth)
        return _without_far(labels, neighbors, copies), None, None, neighbors.recall

    def at(resolution: float) -> by.Labels:
        labels = by.communities(graph, resolution)
        return labels if large else by.refined(smooth, labels)

    if granularity is None or isinstance(granularity, str):
        if large:
            grain, why = _chosen_on_sample(vectors, granularity)
            grain = Grain(grain.resolution, at(grain.resolution), 0.0)
        else:
            grain, why = _chosen(grains(vectors, neighbors, at), granularity)
    else:
        grain, why = Grain(float(granularity), at(float(granularity)), 0.0), None
    labels = _without_far(_without_lone(grain.labels, copies), neighbors, copies)
    return labels, grain.resolution, why, neighbors.recall


def _chosen_on_sample(vectors: NDArray[np.float32], granularity: str | None) -> tuple[Grain, str]:
    """The grain of a sample: the same resolution gives about the same clusters on all texts."""
    rows = np.sort(np.random.default_rng(0).choice(len(vectors), _SAMPLE, replace=False))
    sample = vectors[rows]
    neighbors = self_join(sample, neighborhood_size(len(sample)))
    graph = neighbor_graph(neighbors)
    smooth = smoothed(sample, graph)
    found = grains(sample, neighbors, lambda at: by.refined(smooth, by.communities(graph, at)))
    grain, why = _chosen(found, granularity)
    return grain, f"on a sample of {_SAMPLE:,} texts, {why}"


def _chosen(found: list[Grain], granularity: str | None) -> tuple[Grain, str]:
    best = max(found, key=lambda grain: grain.score)
    tried = (
        f"of {len(found)} resolutions tried, {found[0].resolution:g} to {found[-1].resolution:g}"
    )
    if granularity is None:
        return best, f"{tried}, {best.resolution:.2g} gave the tightest and best separated clusters"
    if granularity == "coarse":
        fit = [grain for grain in found if grain.count <= best.count / 2]
        bound, last = f"at most half of {best.count}", found[0]
    else:
        fit = [grain for grain in found if grain.count >= best.count * 2]
        bound, last = f"at least twice {best.count}", max(found, key=lambda grain: grain.count)
    if not fit:
        return last, f"{tried}, none gave {bound} clusters; {last.resolution:.2g} came nearest"
    choice = max(fit, key=lambda grain: grain.score)
    return choice, f"{tried}, {choice.resolution:.2g} gave the best clusters that are {bound}"


def _without_lone(labels: by.Labels, copies: NDArray[np.int64]) -> by.Labels:
    """Mark as outliers the clusters of a single text (one that occurs twice is a cluster)."""
    size = np.bincount(labels, weights=copies)
    return np.where(size[labels] > 1, labels, -1)


def _without_far(labels: by.Labels, neighbors: Neighbors, copies: NDArray[np.int64]) -> by.Labels:
    """Mark as outliers the texts that nobody is near to.

    Such a text is in the neighbourhood of none of its neighbours, and lies much farther from them
    than they lie from theirs (the local outlier factor of Breunig et al. 2000, on chord lengths).
    No cluster loses its last text.
    """
    indices = neighbors.indices
    if indices.shape[1] == 0:
        return labels
    distance = np.sqrt(np.maximum(2 - 2 * neighbors.similarity, 0)).mean(axis=1)
    usual = distance[indices].mean(axis=1)
    mutual = np.empty(len(labels), dtype=bool)
    for start in range(0, len(labels), _BLOCK_ROWS):  # neighbours of neighbours: k times as many
        own = np.arange(start, min(start + _BLOCK_ROWS, len(labels)))
        mutual[own] = (indices[indices[own]] == own[:, None, None]).any(axis=(1, 2))
    far = ~mutual & (copies == 1) & (distance > _FAR * usual)
    size = np.bincount(labels[labels >= 0], minlength=1)
    left = np.bincount(labels[(labels >= 0) & ~far], minlength=len(size))
    return np.where(far & (left[labels] > 0), -1, labels)


def _largest_first(labels: by.Labels) -> by.Labels:
    """Number the clusters by size, the largest 0; of equals, the one that begins first."""
    kept = labels[labels >= 0]
    names, first, size = np.unique(kept, return_index=True, return_counts=True)
    order = np.lexsort((first, -size))
    renamed = np.full(int(labels.max(initial=-1)) + 2, -1, dtype=np.int64)  # [-1] stays -1
    renamed[names[order]] = np.arange(len(names))
    return renamed[labels]


def _different(
    texts: Sequence[str], vectors: NDArray[np.float32]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The rows where a new text with a new vector begins, and which of these each row repeats."""
    by_text: dict[str, int] = {}
    by_vector: dict[bytes, int] = {}  # by a hash: the vectors themselves would be held twice
    first: list[int] = []
    position = np.empty(len(texts), dtype=np.int64)
    for row, text in enumerate(texts):
        if text not in by_text:
            by_text[text] = by_vector.setdefault(_digest(vectors[row]), len(first))
            if by_text[text] == len(first):
                first.append(row)
        position[row] = by_text[text]
    return np.array(first, dtype=np.int64), position


def _digest(vector: NDArray[np.float32]) -> bytes:
    return blake2b(vector.tobytes(), digest_size=16).digest()


def _strings(texts: Iterable[str]) -> list[str]:
    if isinstance(texts, str):
        raise InputError("texts is one string: give a list of texts.")
    return check_texts(texts)


def _check(clusters: object, threshold: object, granularity: object) -> None:
    given = {"clusters": clusters, "threshold": threshold, "granularity": granularity}
    named = [f"{name}=" for name, value in given.items() if value is not None]
    if len(named) > 1:
        raise InputError(f"{' and '.join(named)} were both given: give one of them at most.")
    if clusters is not None and (not _is_whole(clusters) or clusters < 1):  # type: ignore[operator]
        raise InputError(f"clusters={clusters!r}: give a whole number of at least 1.")
    if threshold is not None and not (_is_number(threshold) and -1 < threshold < 1):  # type: ignore[operator]
        raise InputError(f"threshold={threshold!r}: give a cosine between -1 and 1, such as 0.7.")
    if granularity is None or granularity in ("coarse", "fine"):
        return
    if not (_is_number(granularity) and 0 < granularity < float("inf")):  # type: ignore[operator]
        raise InputError(
            f'granularity={granularity!r}: give "coarse", "fine" or a positive resolution.'
        )


def _is_whole(value: object) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    return _is_whole(value) or isinstance(value, (float, np.floating))

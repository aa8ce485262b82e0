"""From texts to clusters: one pass over the steps that the other files of this room hold."""

import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Literal, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from sememe.arguments import real_number, shown, whole_number
from sememe.cascade import Cascade, as_teacher, teach
from sememe.checkpoint import DEFAULT_MODEL
from sememe.clustering.resolution import RUNS, Grain, grains
from sememe.clustering.result import Clusters
from sememe.clustering.terms import described
from sememe.costs import Budget, rate, record_rate, warn_of_duration
from sememe.errors import InputError
from sememe.neighbors import Neighbors, nearest, normalized, self_join
from sememe.neighbors import communities as by
from sememe.neighbors.approximate import APPROXIMATE_FROM
from sememe.neighbors.communities import neighbor_graph, neighborhood_size, smoothed
from sememe.progress import counted
from sememe.protocols import Encoder, Scorer
from sememe.text import check_texts, rows_with_text

Granularity = Literal["coarse", "fine"] | float

_BLOCK_ROWS = 65_536
_SAMPLED_PARTITIONS = 2  # what it costs to partition the sample 12 times, and all texts once
_CONSEQUENCE = "and in no cluster"
_FAR = 2.0  # times as far from its neighbours as they are from theirs
# What clustering costs, in comparisons of two texts. Measured on mixed Gaussians of 384 dimensions,
# 20,000 and 60,000 (by threshold 40,000), on two busy cores: right within a factor of two.
_NEIGHBORS, _PARTITION = 20_000, 5_000  # a text
_LINKAGE = 10  # a pair of texts
_TIMED = 2000  # texts compared with one another, to know how fast this machine is


def cluster(
    texts: Iterable[str],
    encoder: Encoder | str | os.PathLike[str] = DEFAULT_MODEL,
    *,
    clusters: int | None = None,
    threshold: float | None = None,
    granularity: Granularity | None = None,
    cross: Scorer | str | os.PathLike[str] | None = None,
    budget: Budget | str | int | None = None,
    progress: bool | None = None,
) -> Clusters:
    """Group texts by meaning, name the groups, and say which texts belong to none.

    By default the number of clusters follows from the data; at most one of `clusters`, `threshold`
    and `granularity` says otherwise. Identical texts are always together, and equal vectors in the
    same order give an equal result.

    Args:
        texts: the texts. A blank one is no text: it is not encoded, is in no cluster, and changes
            nothing about the others.
        encoder: a bi-encoder's name or directory, or anything with `.encode(texts)`, such as a
            `BiEncoder`.
        clusters: exactly so many clusters.
        threshold: a cosine between -1 and 1. The texts of each cluster are, on average over all
            pairs of different ones, at least so similar, and those of any two clusters less
            (agglomerative clustering with average linkage).
        granularity: "coarse" (at most half as many clusters as there are by default)
            or "fine" (at least twice as many), as far as the graph of near texts goes; or a
            positive resolution of the Leiden method (Traag et al. 2019), from about 0.05 for a
            few clusters to 30 for hundreds.
        cross: a cross-encoder's name or directory, or anything with `.score(pairs)`, that teaches
            the bi-encoder what it knows about some pairs. `Clusters.cascade` says what that cost
            and whether it is trusted; where not, the clusters are the bi-encoder's.
        budget: how many pairs it may read: "3n" (three for each text, the default), a number, a
            time such as "2min", or "all" (of the neighbours' graph).
        progress: progress bars: True, False, or None for some on a terminal.

    Returns:
        Clusters: labels int64 (n,), -1 for an outlier or a blank text; the clusters, largest
        first, with their terms and examples.

    Raises:
        InputError: a text that is not a string, what is no encoder or no cross-encoder, more than
            one of the three arguments, one out of its range, `threshold` with `cross`, more
            clusters than there are different texts, or vectors or scores that are not finite.
        ModelNotFound: there is no model of that name.

    Example:
        >>> class Letters:
        ...     def encode(self, texts):
        ...         return [[text.count("a"), text.count("b")] for text in texts]
        >>> groups = cluster(["aaa", "aab", "bbb", "bba"], Letters(), clusters=2)
        >>> groups.labels.tolist()
        [0, 0, 1, 1]
    """
    from sememe.encoders.opening import as_encoder, encoded  # on use: an engine comes with it

    texts = check_texts(texts)
    options = check_options(clusters, threshold, granularity, progress)
    options = replace(options, teacher=as_teacher(cross, budget))
    if options.teacher and options.threshold is not None:
        raise InputError(
            "threshold= is a cosine of the bi-encoder, and cross= changes the cosines: give "
            "clusters= or granularity= beside it."
        )
    encoder = as_encoder(encoder)
    rows = rows_with_text(texts, _CONSEQUENCE)
    filled = [texts[row] for row in rows]
    _check_count(options.clusters, len(set(filled)), len(rows))
    vectors = encoded(encoder, filled, progress) if rows else np.empty((0, 0), dtype=np.float32)
    return group_points(_unit_rows(vectors, rows), rows, texts, options)


def cluster_vectors(
    vectors: ArrayLike,
    texts: Sequence[str],
    *,
    clusters: int | None = None,
    threshold: float | None = None,
    granularity: Granularity | None = None,
    progress: bool | None = None,
) -> Clusters:
    """Do what `cluster` does with vectors that you have already.

    Args:
        vectors: float (n, dim), of any length: they are compared by their cosine.
        texts: the n texts. Of identical ones the first vector counts, of blank ones none.
        clusters, threshold, granularity, progress: see `cluster`.

    Raises:
        InputError: as in `cluster`, or when there are not as many vectors as texts.

    Example:
        >>> groups = cluster_vectors([[1, 0], [1, 0.1], [0, 1]], ["a", "b", "c"], threshold=0.9)
        >>> groups.labels.tolist()
        [0, 0, -1]
    """
    texts = check_texts(texts)
    options = check_options(clusters, threshold, granularity, progress)
    points = _unit_rows(vectors, texts)
    rows = rows_with_text(texts, _CONSEQUENCE)
    return group_points(points if len(rows) == len(texts) else points[rows], rows, texts, options)


def _unit_rows(vectors: ArrayLike, texts: Sequence[object]) -> NDArray[np.float32]:
    points = normalized(vectors)
    if len(points) != len(texts):
        raise InputError(
            f"{counted(len(points), 'vector')} for {counted(len(texts), 'text')}: give one vector "
            "a text."
        )
    return points


def group_points(
    points: NDArray[np.float32], rows: list[int], texts: list[str], options: "Options"
) -> Clusters:
    """Cluster the texts at `rows`, the ones that are not blank, by their unit vectors."""
    filled = [texts[row] for row in rows]
    first, position = _different(filled, points)
    copies = np.bincount(position, minlength=len(first))
    _check_count(options.clusters, len(first), len(rows))
    if len(first) < len(points):
        points = points[first]
    labels, resolution, why, recall, cascade = _partition(
        points, options, copies, [filled[row] for row in first]
    )
    points = points if cascade is None else cascade.vectors
    if len(first) < len(position):  # only now, when there is room for both again
        points = points[position]
    labels = _largest_first(labels[position])
    groups = described(filled, points, labels)
    if len(rows) < len(texts):
        filled_labels, filled_points = labels, points
        labels = np.full(len(texts), -1, np.int64)
        points = np.zeros((len(texts), points.shape[1]), np.float32)
        labels[rows] = filled_labels
        points[rows] = filled_points
    report, linear_map = (None, None) if cascade is None else (cascade.report, cascade.map)
    return Clusters(labels, texts, groups, points, resolution, why, recall, report, linear_map)


def _partition(
    vectors: NDArray[np.float32],
    options: "Options",
    copies: NDArray[np.int64],
    texts: Sequence[str],
) -> tuple[by.Labels, float | None, str | None, float, Cascade | None]:
    """Labels of the different texts, outliers -1; the resolution, why, the neighbours' recall."""
    if len(vectors) == 0:
        return np.empty(0, dtype=np.int64), None, None, 1.0, None
    _warn_of_duration(vectors, options)
    if options.threshold is not None:
        return _without_lone(by.linked(vectors, options.threshold), copies), None, None, 1.0, None
    neighbors = self_join(
        vectors,
        neighborhood_size(len(vectors)),
        options.progress,
        approximate_from=options.approximate_from,
    )
    cascade, weights = None, None
    if options.teacher is not None:
        cascade = teach(texts, vectors, neighbors, *options.teacher, options.progress)
        vectors, neighbors, weights = cascade.vectors, cascade.neighbors, cascade.weights
    graph = neighbor_graph(neighbors, weights)
    large = len(vectors) > options.sampled_from
    # Two more copies of a million vectors would not fit beside them.
    smooth = vectors if large else smoothed(vectors, graph)
    why = None
    if options.clusters is not None:
        labels, resolution = by.exactly(options.clusters, graph, smooth), None
    elif isinstance(options.granularity, float):
        resolution = options.granularity
        labels = by.communities(graph, resolution)
        labels = labels if large else by.refined(smooth, labels)
    elif large:
        rows = np.sort(np.random.default_rng(0).choice(len(vectors), options.sample, replace=False))
        sample_neighbors = self_join(vectors[rows], neighborhood_size(len(rows)))
        sample_graph = neighbor_graph(sample_neighbors)
        # The same resolution gives about the same clusters on all texts.
        grain, why = _best_grain(
            vectors[rows],
            sample_neighbors,
            sample_graph,
            smoothed(vectors[rows], sample_graph),
            options.granularity,
        )
        why = f"on a sample of {len(rows):,} texts, {why}"
        labels, resolution = by.communities(graph, grain.resolution), grain.resolution
    else:
        grain, why = _best_grain(vectors, neighbors, graph, smooth, options.granularity)
        labels, resolution = grain.labels, grain.resolution
    if resolution is not None:
        labels = _without_lone(labels, copies)
    labels = _without_far(labels, neighbors, copies)
    return labels, resolution, why, neighbors.recall, cascade


def _warn_of_duration(vectors: NDArray[np.float32], options: "Options") -> None:
    n = len(vectors)
    if n < options.warn_from:
        return
    if options.threshold is not None:
        work = f"Comparing all of {counted(n, 'text')} with one another for threshold="
        seconds = _seconds(vectors, _LINKAGE * float(n) ** 2)
        warn_of_duration(work, seconds, "granularity= takes much less.")
        return
    if options.clusters is not None:
        partitions = by.SEARCH_STEPS
    elif isinstance(options.granularity, float):
        partitions = 1
    else:
        partitions = _SAMPLED_PARTITIONS if n > options.sampled_from else RUNS
    seconds = _seconds(vectors, n * (_NEIGHBORS + _PARTITION * partitions))
    warn_of_duration(f"Clustering {counted(n, 'text')}", seconds)


def _seconds(vectors: NDArray[np.float32], comparisons: float) -> float:
    """How long so many comparisons take on this machine, which is measured once a process."""
    work = f"comparisons of two vectors of {vectors.shape[1]}"
    if not rate(work):
        sample = vectors[:_TIMED]
        seconds = []
        for _ in range(3):
            started = time.perf_counter()
            nearest(sample, 1)
            seconds.append(time.perf_counter() - started)
        record_rate(work, len(sample) ** 2, min(seconds))
    return comparisons / rate(work)


def _best_grain(
    vectors: NDArray[np.float32],
    neighbors: Neighbors,
    graph: sparse.csr_matrix,
    smooth: NDArray[np.float32],
    granularity: str | None,
) -> tuple[Grain, str]:
    """The partition whose clusters hold best, and in words why."""
    all_grains = grains(
        vectors, neighbors, lambda at: by.refined(smooth, by.communities(graph, at))
    )
    best = max(all_grains, key=lambda grain: grain.score)
    low, high = all_grains[0].resolution, all_grains[-1].resolution
    tried = f"of {len(all_grains)} resolutions tried, {low:g} to {high:g}"
    if granularity is None:
        return best, f"{tried}, {best.resolution:.2g} gave the tightest and best separated clusters"
    default = f"as many clusters as the default's {best.count:,}"
    if granularity == "coarse":
        coarser = [grain for grain in all_grains if grain.resolution <= best.resolution]
        candidates = [grain for grain in coarser if grain.count] or coarser
        fitting = [grain for grain in candidates if grain.count <= best.count / 2]
        bound, last = f"at most half {default}", min(candidates, key=lambda grain: grain.count)
    else:
        candidates = [grain for grain in all_grains if grain.resolution >= best.resolution]
        fitting = [grain for grain in candidates if grain.count >= best.count * 2]
        bound, last = f"at least twice {default}", max(candidates, key=lambda grain: grain.count)
    if not fitting:
        return last, f"{tried}, none gave {bound}; {last.resolution:.2g} came nearest"
    choice = max(fitting, key=lambda grain: grain.score)
    return choice, f"{tried}, {choice.resolution:.2g} gave the best of those with {bound}"


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
    expected = distance[indices].mean(axis=1)
    mutual = np.empty(len(labels), dtype=bool)
    for start in range(0, len(labels), _BLOCK_ROWS):  # neighbours of neighbours: k times as many
        rows = np.arange(start, min(start + _BLOCK_ROWS, len(labels)))
        mutual[rows] = (indices[indices[rows]] == rows[:, None, None]).any(axis=(1, 2))
    far = ~mutual & (copies == 1) & (distance > _FAR * expected)
    size = np.bincount(labels[labels >= 0], minlength=1)
    remaining = np.bincount(labels[(labels >= 0) & ~far], minlength=len(size))
    return np.where(far & (remaining[labels] > 0), -1, labels)


def _largest_first(labels: by.Labels) -> by.Labels:
    """Number the clusters by size, the largest 0; of equals, the one that begins first."""
    names, first, size = np.unique(labels[labels >= 0], return_index=True, return_counts=True)
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
            digest = blake2b(vectors[row].tobytes(), digest_size=16).digest()
            by_text[text] = by_vector.setdefault(digest, len(first))
            if by_text[text] == len(first):
                first.append(row)
        position[row] = by_text[text]
    return np.array(first, dtype=np.int64), position


def _check_count(clusters: int | None, different: int, texts: int) -> None:
    if clusters is not None and clusters > different:
        raise InputError(
            f"clusters={clusters}, but only {different} of the {counted(texts, 'text')} differ "
            "from one another: ask for fewer clusters."
        )


@dataclass(frozen=True)
class Options:
    """The options of `cluster`, checked, and from how many texts on the ways of many are taken.

    Attributes:
        approximate_from: neighbours are approximate.
        sampled_from: the grain is chosen on a sample of `sample` texts, and nothing is smoothed.
        warn_from: below, it is less than a minute.
    """

    clusters: int | None
    threshold: float | None
    granularity: Granularity | None
    progress: bool | None
    teacher: tuple[Scorer, Budget] | None = None
    approximate_from: int = APPROXIMATE_FROM
    sampled_from: int = 100_000
    sample: int = 20_000
    warn_from: int = 20_000


def check_options(
    clusters: object, threshold: object, granularity: object, progress: bool | None
) -> Options:
    """The options of `cluster`; InputError where one is wrong, or two exclude each other."""
    values = {"clusters": clusters, "threshold": threshold, "granularity": granularity}
    names = [f"{name}=" for name, value in values.items() if value is not None]
    if len(names) > 1:
        raise InputError(f"{' and '.join(names)} cannot be given together: give one of them.")
    return Options(
        None if clusters is None else whole_number("clusters", clusters),
        None if threshold is None else real_number(
            "threshold", threshold, above=-1, below=1, example=0.7
        ),
        None if granularity is None else _granularity(granularity),
        progress,
    )  # fmt: skip


def _granularity(value: object) -> Granularity:
    if isinstance(value, str) and value in ("coarse", "fine"):
        return cast(Granularity, value)
    try:
        return real_number("granularity", value, above=0)
    except InputError:
        raise InputError(
            f'granularity={shown(value)}: give "coarse", "fine" or a positive resolution.'
        ) from None

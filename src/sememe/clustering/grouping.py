"""From texts to clusters: one pass over the steps that the other files of this room hold."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from hashlib import blake2b
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sememe.arguments import one_of, real_number, whole_number
from sememe.cascade import Cascade, LinearMap, as_teacher, teach
from sememe.cascade.labels import Evidence, Labels
from sememe.clustering.folder import checked_columns, describe_encoder
from sememe.clustering.membership import Space, assign, without_far
from sememe.clustering.resolution import RUNS, best_grain
from sememe.clustering.result import NO_CLUSTER, Clusters
from sememe.clustering.terms import Encode, NameMaker, Naming, described
from sememe.costs import Budget, clustering_comparisons, warn_of_duration
from sememe.data import Data
from sememe.errors import InputError
from sememe.neighbors import Neighbors, normalized, self_join
from sememe.neighbors import communities as by
from sememe.neighbors.approximate import APPROXIMATE_FROM
from sememe.neighbors.communities import neighbor_graph, neighborhood_size, smoothed
from sememe.neighbors.exact import Floats, comparison_seconds
from sememe.progress import counted
from sememe.protocols import Encoder, Scorer
from sememe.tables import series_index
from sememe.text import check_texts, rows_with_text

_SAMPLED_PARTITIONS = 2  # what it costs to partition the sample about 8 times, and all texts once
_LINKAGE = 10  # comparisons that a pair of texts costs, by threshold

SAMPLED_FROM = 100_000

Granularity = Literal["coarse", "fine"] | float


def cluster(
    texts: Iterable[str],
    encoder: Encoder | str | os.PathLike[str] | None = None,
    *,
    vectors: ArrayLike | None = None,
    clusters: int | None = None,
    threshold: float | None = None,
    granularity: Granularity | None = None,
    cross: Scorer | str | os.PathLike[str] | None = None,
    budget: Budget | str | int | None = None,
    labels: Data | None = None,
    target: float | None = None,
    outliers: Literal["nearest"] | None = None,
    names: NameMaker | None = None,
    stop_words: Iterable[str] = (),
    columns: Data | None = None,
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
            `BiEncoder`. None is all-MiniLM-L6-v2, or, with `vectors`, no encoder.
        vectors: float (n, dim), the texts' vectors, if you have them already: of any length, since
            they are compared by their cosine. Of identical texts the first one's counts.
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
        labels: from 50 labelled pairs (two texts and a label, 1 if they belong together, else 0) or
            texts with their groups, by which the cross-encoder is judged: a file, a DataFrame, a
            dict of columns or a list of dicts. `Clusters.cascade.gain` has the average precision
            that it gains over the bi-encoder; where its 95 % interval is clear of 0, it decides.
        target: such a gain, above 0 and below 1: no more pairs are read once the interval lies
            above it or below it. For `labels`.
        outliers: "nearest" puts the texts that belong to none into the nearest cluster.
        names: makes the clusters' names: a function of a cluster's central texts and its terms, two
            lists of str, such as a call of a language model. The default is made of the terms.
        stop_words: words that are in no term, beside those of the texts' language.
        columns: your own data, n rows (a dict of columns, a DataFrame, a list of dicts): what
            `over`, the map and `save` show beside the texts.
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
    from sememe.encoders.opening import encoded, unit_vectors  # on use: an engine comes with it

    index, texts = series_index(texts), check_texts(texts)
    options = Options(
        clusters,
        threshold,
        granularity,
        outliers,
        Naming.checked(names, stop_words),
        as_teacher(cross, budget),
        target,
        progress,
    )
    if labels is not None and options.teacher is None:
        raise InputError("labels judge a cross-encoder: give that too (--cross, cross=).")
    if target is not None and labels is None:
        raise InputError("target= is a gain that labels show: give labels= too.")
    judges = None if labels is None else Labels.read(labels, groups=True)
    data = checked_columns(columns, len(texts))
    rows = rows_with_text(texts, NO_CLUSTER)
    filled = [texts[row] for row in rows]
    options.check_count(len(set(filled)), len(rows))
    opened, points = unit_vectors(texts, rows, encoder, vectors, progress)
    encode = None if opened is None else partial(encoded, opened, progress=False)
    if judges is not None:
        of_labels = judges.vectors(filled, points, encode)
        options.evidence = Evidence(judges, of_labels, options.target)
    if describe_encoder(opened) is None:
        encode = None  # the user's own, which may cost money by the text
    groups = group_points(points, rows, texts, options, encode)
    return replace(groups, columns=data, encoder=opened, index=index)


@dataclass
class Options:
    """The options of `cluster`, checked, and from how many texts on the ways of many are taken.

    Attributes:
        approximate_from: neighbours are approximate.
        sampled_from: the grain is chosen on a sample of `sample` texts, and nothing is smoothed.
        warn_from: below, it is less than a minute.
        evidence: the labels and the vectors of their texts, once these are there.
    """

    clusters: int | None = None
    threshold: float | None = None
    granularity: Granularity | None = None
    outliers: Literal["nearest"] | None = None
    naming: Naming = field(default_factory=Naming)
    teacher: tuple[Scorer, Budget] | None = None
    target: float | None = None
    progress: bool | None = None
    approximate_from: int = APPROXIMATE_FROM
    sampled_from: int = SAMPLED_FROM
    sample: int = 20_000
    warn_from: int = 20_000
    evidence: Evidence | None = None

    def __post_init__(self) -> None:
        names = ("clusters", "threshold", "granularity")
        passed = [f"{name}=" for name in names if getattr(self, name) is not None]
        if len(passed) > 1:
            raise InputError(f"{' and '.join(passed)} cannot be given together: give one of them.")
        if self.clusters is not None:
            self.clusters = whole_number("clusters", self.clusters)
        if self.threshold is not None:
            self.threshold = real_number(
                "threshold", self.threshold, above=-1, below=1, example=0.7
            )
        if self.granularity not in (None, "coarse", "fine"):
            self.granularity = real_number(
                "granularity", self.granularity, above=0, example='2.5, or "coarse" or "fine"'
            )
        if self.outliers is not None:
            one_of("outliers", self.outliers, ("nearest",))
        if self.target is not None:
            self.target = real_number("target", self.target, above=0, below=1, example=0.02)
        if self.teacher and self.threshold is not None:
            raise InputError(
                "threshold= is a cosine of the bi-encoder, and cross= changes the cosines: give "
                "clusters= or granularity= beside it."
            )

    def check_count(self, different: int, texts: int) -> None:
        """InputError if there are fewer different texts than clusters that are asked for."""
        if self.clusters is not None and self.clusters > different:
            raise InputError(
                f"clusters={self.clusters}, but only {different:,} of the {counted(texts, 'text')} "
                "differ from one another: ask for fewer clusters."
            )


def group_points(
    points: Floats,
    rows: list[int],
    texts: list[str],
    options: Options,
    encode: Encode | None = None,
) -> Clusters:
    """Cluster the texts at `rows`, the ones that are not blank, by their unit vectors."""
    filled = [texts[row] for row in rows]
    first, position = _different(filled, points)
    copies = np.bincount(position, minlength=len(first))
    options.check_count(len(first), len(rows))
    if len(first) < len(points):
        points = points[first]
    partition = _partition(points, options, copies, [filled[row] for row in first])
    cascade = partition.cascade
    if cascade is not None and cascade.map is not None:
        points = cascade.vectors
        encode = encode and partial(_moved, cascade.map, encode)
    labels, node = (np.full(len(texts), -1, np.int64) for _ in range(2))
    node[rows] = position
    labels[rows] = _largest_first(partition.labels[position])
    space = Space(points, node, options.threshold, partition.neighbors)
    if options.outliers == "nearest":
        labels = _with_outliers(space, labels)
    if len(first) < len(position):  # only now, when there is room for both again
        points = points[position]
    return Clusters(
        labels,
        texts,
        described(filled, points, labels[rows], options.naming, encode=encode),
        space,
        partition.resolution,
        partition.why,
        1.0 if partition.neighbors is None else partition.neighbors.recall,
        naming=options.naming,
        cascade=None if cascade is None else cascade.report,
        map=None if cascade is None else cascade.map,
    )


def _moved(linear_map: LinearMap, encode: Encode, texts: list[str]) -> Floats:
    """The vectors of more texts, moved as those of the clustered ones were."""
    return linear_map.move(normalized(encode(texts)))


@dataclass(frozen=True)
class _Partition:
    """Labels of the different texts, outliers -1; the neighbours they came from; why these."""

    labels: by.Labels
    neighbors: Neighbors | None = None
    resolution: float | None = None
    why: str | None = None
    cascade: Cascade | None = None


def _partition(
    vectors: Floats, options: Options, copies: NDArray[np.int64], texts: Sequence[str]
) -> _Partition:
    if len(vectors) == 0:
        return _Partition(np.empty(0, dtype=np.int64))
    _warn_of_duration(vectors, options)
    if options.threshold is not None:
        return _Partition(_without_lone(by.linked(vectors, options.threshold), copies))
    neighbors = self_join(
        vectors,
        neighborhood_size(len(vectors)),
        options.progress,
        approximate_from=options.approximate_from,
    )
    cascade, weights = None, None
    if options.teacher is not None:
        cascade = teach(
            texts, vectors, neighbors, *options.teacher, options.progress, options.evidence
        )
        vectors, neighbors, weights = cascade.vectors, cascade.neighbors, cascade.weights
    graph = neighbor_graph(neighbors, weights)
    large = len(vectors) > options.sampled_from
    # Two more copies of a million vectors would not fit beside them.
    smooth = vectors if large else smoothed(vectors, graph)
    resolution, why = None, None
    if options.clusters is not None:
        labels = by.exactly(options.clusters, graph, smooth)
    elif isinstance(options.granularity, float):
        resolution = options.granularity
        labels = by.communities(graph, resolution)
        labels = labels if large else by.refined(smooth, labels)
    elif large:
        rows = np.sort(np.random.default_rng(0).choice(len(vectors), options.sample, replace=False))
        sample_neighbors = self_join(vectors[rows], neighborhood_size(len(rows)))
        sample_graph = neighbor_graph(sample_neighbors)
        # The same resolution gives about the same clusters on all texts.
        grain, why = best_grain(vectors[rows], sample_neighbors, sample_graph, options.granularity)
        why = f"on a sample of {len(rows):,} texts, {why}"
        labels, resolution = by.communities(graph, grain.resolution), grain.resolution
    else:
        grain, why = best_grain(vectors, neighbors, graph, options.granularity, smooth)
        labels, resolution = grain.labels, grain.resolution
    if resolution is not None:
        labels = _without_lone(labels, copies)
    labels = without_far(labels, neighbors, copies)
    return _Partition(labels, neighbors, resolution, why, cascade)


def _with_outliers(space: Space, labels: by.Labels) -> by.Labels:
    """The labels, where each outlier has joined the cluster that is nearest."""
    rows = np.flatnonzero((labels < 0) & (space.node >= 0))
    labels = labels.copy()
    labels[rows] = assign(space, labels, space.vectors[space.node[rows]], every=True).labels
    return _largest_first(labels)


def default_partitions(texts: int, sampled_from: int = SAMPLED_FROM) -> int:
    """How many partitions of the graph of all texts `cluster` pays for, to choose one."""
    return _SAMPLED_PARTITIONS if texts > sampled_from else RUNS


def _warn_of_duration(vectors: Floats, options: Options) -> None:
    n, dim = vectors.shape
    if n < options.warn_from:
        return
    if options.threshold is not None:
        work = f"Comparing all of {counted(n, 'text')} with one another for threshold="
        seconds = _LINKAGE * float(n) ** 2 * comparison_seconds(dim)
        warn_of_duration(work, seconds, "granularity= takes much less.")
        return
    partitions = default_partitions(n, options.sampled_from)
    if options.clusters is not None:
        partitions = by.SEARCH_STEPS
    elif isinstance(options.granularity, float):
        partitions = 1
    seconds = clustering_comparisons(n, partitions) * comparison_seconds(dim)
    warn_of_duration(f"Clustering {counted(n, 'text')}", seconds)


def _without_lone(labels: by.Labels, copies: NDArray[np.int64]) -> by.Labels:
    """Mark as outliers the clusters of a single text (one that occurs twice is a cluster)."""
    size = np.bincount(labels, weights=copies)
    return np.where(size[labels] > 1, labels, -1)


def _largest_first(labels: by.Labels) -> by.Labels:
    """Number the clusters by size, the largest 0; of equals, the one that begins first."""
    names, first, size = np.unique(labels[labels >= 0], return_index=True, return_counts=True)
    order = np.lexsort((first, -size))
    renamed = np.full(int(labels.max(initial=-1)) + 2, -1, dtype=np.int64)  # [-1] stays -1
    renamed[names[order]] = np.arange(len(names))
    return renamed[labels]


def _different(
    texts: Sequence[str], vectors: Floats
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

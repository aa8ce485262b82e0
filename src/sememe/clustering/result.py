"""What clustering gives back: labels, clusters with their names, and ways to show and keep them."""

import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sememe.arguments import as_path, one_of, shown
from sememe.cascade import CascadeReport, LinearMap
from sememe.clustering import editing, folder, hierarchy
from sememe.clustering.counts import Counts, counts_over
from sememe.clustering.membership import Assignment, Space, assign, strengths
from sememe.clustering.terms import Cluster, Naming
from sememe.data import Data
from sememe.errors import InputError
from sememe.neighbors import normalized, unit_rows
from sememe.progress import counted
from sememe.protocols import Encoder
from sememe.reports import html_table, one_line
from sememe.tables import choose_column, to_frame
from sememe.text import as_list, check_texts, rows_with_text

if TYPE_CHECKING:
    import pandas  # type: ignore[import-untyped,import-not-found,unused-ignore]

NO_CLUSTER = "and in no cluster"  # what follows for a blank text
_BAR = 12


@dataclass(frozen=True, eq=False, repr=False)
class Clusters:
    """The clusters of a list of texts. `print` shows them, `len` counts them.

    Attributes:
        labels: int64 (n,), the cluster of each text, -1 for an outlier or a blank text.
        texts: the n texts.
        clusters: the clusters, largest first. A new clustering's labels count them from 0.
        space: the vectors of the different texts, and their neighbours.
        resolution: the Leiden resolution used, None where `clusters=` or `threshold=` was given.
        why: why that resolution, where it was chosen from the data.
        recall: which share of the true nearest neighbours the clusters were built on (measured on
            a sample), 1 where all texts were compared.
        columns: the user's own data, n values by column name.
        encoder: what made the vectors, and will make those of new texts.
        naming: how names are made, should the clusters change.
        cascade: what the cross-encoder cost, and whether it was trusted; None without one.
        map: what moved the vectors as it taught; None where nothing moved.
        index: of the pandas Series that the texts came in, else None; a folder does not keep it.
        title: shown above the map.
        color: the column that the map opens coloured by; None for the clusters.

    Example:
        >>> import sememe
        >>> vectors = [[1, 0], [1, 0.1], [0, 1], [0.1, 1]]
        >>> groups = sememe.cluster(["cat", "kitten", "bus", "tram"], vectors=vectors, clusters=2)
        >>> groups.assign(vectors=[[0.9, 0.2]]).labels.tolist()
        [0]
        >>> groups.rename({0: "animals"}).subset(0).texts
        ['cat', 'kitten']
        >>> groups.merge(0, 1).split(0, into=2).labels.tolist()
        [0, 0, 1, 1]
    """

    labels: NDArray[np.int64]
    texts: list[str]
    clusters: list[Cluster]
    space: Space
    resolution: float | None = None
    why: str | None = None
    recall: float = 1.0
    columns: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    encoder: Encoder | None = None
    naming: Naming = field(default_factory=Naming)
    cascade: CascadeReport | None = None
    map: LinearMap | None = None
    index: Any = None
    title: str = "Clusters"
    color: str | None = None

    def __len__(self) -> int:
        return len(self.clusters)

    @property
    def vectors(self) -> NDArray[np.float32]:
        """float32 (n, dim), rows of unit length (zeros stay zeros; of a blank text, zeros)."""
        node, vectors = self.space.node, self.space.vectors
        if len(node) == len(vectors):
            return vectors  # all texts differ
        result = np.zeros((len(node), vectors.shape[1]), np.float32)
        result[node >= 0] = vectors[node[node >= 0]]
        return result

    @cached_property
    def outliers(self) -> NDArray[np.int64]:
        """The rows of the texts that belong to no cluster, int64, in order; blank ones are none."""
        return np.flatnonzero((self.labels < 0) & (self.space.node >= 0))

    @cached_property
    def blanks(self) -> NDArray[np.int64]:
        """The rows of the blank texts, int64, in order."""
        return np.flatnonzero(self.space.node < 0)

    @cached_property
    def strength(self) -> NDArray[np.float32]:
        """How strongly each text belongs to its cluster: float32 (n,), 0 to 1, 0 in no cluster.

        The mean of two parts: the share of the text's nearest neighbours that are in the cluster,
        and how much nearer its centre is than the next one's (the simplified silhouette).
        """
        return strengths(self.space, self.labels)

    @property
    def xy(self) -> NDArray[np.float32]:
        """The texts' places on the map: float32 (n, 2), from -1 to 1; NaN for a blank text.

        They are computed when they are first needed, and stay through `merge`, `split` and `save`.
        """
        return self.space.layout(self.labels)

    def cluster(self, label: int) -> Cluster:
        """The cluster with a number; InputError if there is none."""
        for one in self.clusters:
            if one.label == label and not isinstance(label, bool):
                return one
        span = ", ".join(str(one.label) for one in self.clusters[:8]) + ", …" * (len(self) > 8)
        raise InputError(f"there is no cluster {shown(label)}; the numbers are {span or 'none'}.")

    def assign(
        self,
        texts: Iterable[str] | None = None,
        *,
        vectors: ArrayLike | None = None,
        outliers: Literal["nearest"] | None = None,
        progress: bool | None = None,
    ) -> Assignment:
        """File new texts under these clusters.

        A text joins the cluster that has the most of its nearest neighbours and the nearest
        centre. A text that was clustered keeps its cluster.

        Args:
            texts: the texts; blank ones are in no cluster. Left out where `vectors` are passed.
            vectors: float (q, dim), their vectors, of the encoder that was clustered with.
            outliers: "nearest" files the texts that fit none under the nearest cluster.
            progress: see `BiEncoder.encode`.

        Returns:
            Assignment: labels int64 (q,), -1 for a text that fits none, and strength float32 (q,).

        Raises:
            InputError: texts or vectors that cannot be used, or an encoder that has changed.
        """
        if outliers is not None:
            one_of("outliers", outliers, ("nearest",))
        if texts is not None:
            texts = check_texts(texts)
            count, rows = len(texts), rows_with_text(texts, NO_CLUSTER)
            if vectors is None:
                points = self.encoded([texts[row] for row in rows], progress)
            else:
                points = self._moved(unit_rows(vectors, count)[rows])
        elif vectors is not None:
            points = self._moved(normalized(vectors))
            count, rows = len(points), [*range(len(points))]
        else:
            raise InputError("assign() takes texts, or vectors=.")
        labels, strength = np.full(count, -1, np.int64), np.zeros(count, np.float32)
        filed = assign(self.space, self.labels, points, every=outliers is not None)
        labels[rows], strength[rows] = filed
        return Assignment(labels, strength)

    def encoded(self, texts: list[str], progress: bool | None = False) -> NDArray[np.float32]:
        """Unit vectors that can be compared with `vectors`; InputError without an encoder."""
        from sememe.encoders.opening import encoded  # on use: an engine comes with it

        if self.encoder is None:
            raise InputError(
                "these clusters have no encoder: pass assign(vectors=...), or open them with one, "
                "as in Clusters.open(folder, encoder)."
            )
        vectors = encoded(self.encoder, texts, progress) if texts else np.empty((0, 0))
        return self._moved(normalized(vectors))

    def _moved(self, points: NDArray[np.float32]) -> NDArray[np.float32]:
        """More unit vectors, moved as those were that were clustered."""
        if len(points) and points.shape[1] != self.space.vectors.shape[1]:
            raise InputError(
                f"vectors have {points.shape[1]} dimensions, and those that were clustered have "
                f"{self.space.vectors.shape[1]}: encode the texts with the same encoder."
            )
        return points if self.map is None or not len(points) else self.map.move(points)

    rename = editing.rename
    merge = editing.merge
    split = editing.split
    subset = editing.subset
    tree = hierarchy.tree
    save = folder.save

    def over(
        self, column: str | Sequence[Any], by: Literal["day", "month", "year"] | None = None
    ) -> Counts:
        """Count the texts of each cluster over time, or over the categories of a column.

        Args:
            column: the name of one of `columns`, or n values. Dates are recognised; a warning
                names the cells that are none. Rows without a value are counted nowhere.
            by: the length of a period; None for days, or, where those are more than 200, months
                or years.

        Returns:
            Counts: `print` shows it; `.rows`, `.counts`, `.shares` and `.to_frame()` give it.

        Raises:
            TableError: there is no such column.
            InputError: it has not n values, `by` is given and it holds no dates, or it has more
                than 200 categories.
        """
        if not isinstance(column, str):
            return counts_over(self, "value", as_list(column, "column"), by)
        if not self.columns:
            raise InputError(
                "these clusters have no columns: cluster(..., columns=) takes them, or pass the "
                "values."
            )
        column = choose_column(list(self.columns), column, self.title)
        return counts_over(self, column, list(self.columns[column]), by)

    @classmethod
    def open(
        cls,
        directory: str | os.PathLike[str],
        encoder: Encoder | str | os.PathLike[str] | None = None,
    ) -> "Clusters":
        """Open a clustering that `save` or `sememe cluster -o` wrote.

        Args:
            directory: the folder.
            encoder: the encoder that it was made with, or another name of it. None opens it by the
                name that is stored, when it is first needed.

        Raises:
            InputError: there is no clustering, it is damaged or of another version, or the encoder
                is another one.
        """
        return cls(**folder.read(directory, encoder))

    def to_frame(self) -> "pandas.DataFrame":
        """One row a text: text, cluster (-1 for an outlier or a blank), name, strength, terms.

        Its index is that of the Series that the texts came in. MissingExtra without pandas.
        """
        terms = {one.label: ", ".join(one.terms) for one in self.clusters}
        names = {one.label: one.name for one in self.clusters}
        labels = self.labels.tolist()
        return to_frame(
            {
                "text": self.texts,
                "cluster": self.labels,
                "name": [names.get(label, "") for label in labels],
                "strength": self.strength,
                "terms": [terms.get(label, "") for label in labels],
            },
            self.index,
        )

    def to_dict(self) -> dict[str, Any]:
        """The clusters as plain dicts, lists, strings and numbers, for JSON; texts by row, from 0.

        A blank text is none: `texts` does not count it, and `outliers` does not name it.
        """
        return {
            "texts": len(self.texts) - len(self.blanks),
            "resolution": self.resolution,
            "why": self.why,
            "recall": self.recall,
            **({} if self.cascade is None else {"cascade": self.cascade.to_dict()}),
            "clusters": [asdict(one) for one in self.clusters],
            "outliers": self.outliers.tolist(),
            "blank": self.blanks.tolist(),
        }

    def save_map(
        self,
        path: str | os.PathLike[str],
        *,
        columns: Data | None = None,
        color: str | None = None,
        title: str | None = None,
        most: int = 100_000,
    ) -> None:
        """Write a map of the texts: one HTML file that opens offline in any browser.

        Of more than `most` texts a sample of so many is drawn, and the title says so.

        Args:
            path: the HTML file.
            columns: the user's own data, as `cluster` takes them: what the map can be coloured and
                filtered by, and shows beside each text. None for `self.columns`.
            color: the column that the map opens coloured by; None for the clusters.
            title: shown above the map; None for `self.title`.
            most: how many texts are drawn.

        Raises:
            InputError: there are no texts to draw, a column has not n values, or `color` is not a
                column to colour by.
        """
        rows = np.flatnonzero(self.space.node >= 0)
        if not len(rows):
            raise InputError("there are no texts to draw a map of.")
        from sememe.reports.cluster_map import write_map

        data = folder.checked_columns(columns, len(self.texts))
        if columns is None:
            text = folder.text_column(self)
            data = {name: v for name, v in self.columns.items() if name != text}
        places, title = None, title or self.title
        if len(rows) > most:
            title = f"{title} ({most:,} of {len(rows):,} texts drawn)"
            rows = np.sort(np.random.default_rng(0).choice(rows, most, replace=False))
            if self.space.points is None:  # only those that are drawn need a place
                places = self.space.take(rows).layout(self.labels[rows])
        write_map(
            as_path("path", path), self.xy[rows] if places is None else places,
            self.labels, self.texts, [asdict(one) for one in self.clusters],
            columns=data, color=color, rows=rows, title=title,
            tree=[child.to_dict() for child in self.tree().children],
        )  # fmt: skip

    def __repr__(self) -> str:
        return f"<Clusters: {self._counts()}>"

    def _repr_html_(self) -> str:
        rows = [
            (one.label, one.name, f"{one.size:,}", ", ".join(one.terms), " · ".join(one.examples))
            for one in self.clusters
        ]
        return html_table(("cluster", "name", "texts", "terms", "examples"), rows, self._counts())

    def __str__(self) -> str:
        width = max(40, shutil.get_terminal_size().columns)
        lines = [self._counts()]
        digits = len(str(max((one.size for one in self.clusters), default=0)))
        indent = " " * (digits + _BAR + 2)
        for one in self.clusters:
            filled = max(1, round(_BAR * one.size / self.clusters[0].size))
            head = f"{one.size:>{digits}} {'█' * filled}{'·' * (_BAR - filled)} "
            terms = ", ".join(one.terms)
            name = f"{one.name} ({terms})" if terms else one.name
            name = terms if terms.startswith(one.name) else name
            lines.append(head + one_line(f"{one.label}: {name}", width - len(head)))
            lines += [
                indent + one_line(f"“{example}”", width - len(indent))
                for example in one.examples[:2]
            ]
        return "\n".join(lines)

    def _counts(self) -> str:
        blank = len(self.blanks)
        return (
            f"{counted(len(self), 'cluster')} of {counted(len(self.texts) - blank, 'text')}, "
            f"{counted(len(self.outliers), 'outlier')}" + f", {blank:,} blank" * (blank > 0)
        )

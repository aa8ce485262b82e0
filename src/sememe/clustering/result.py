"""What clustering gives back: labels, clusters with their names, and ways to show and keep them."""

import os
import shutil
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sememe.cascade import CascadeReport, LinearMap
from sememe.errors import InputError
from sememe.extras import importing
from sememe.progress import counted
from sememe.reports import html_table

if TYPE_CHECKING:
    import pandas  # type: ignore[import-untyped,import-not-found,unused-ignore]

_BAR = 12


@dataclass(frozen=True)
class Cluster:
    """One group of texts.

    Attributes:
        label: its number in `Clusters.labels`; 0 is the largest.
        size: how many texts it has, repeated ones counted.
        terms: the words and pairs of words that tell it from the others, best first.
        examples: its most central texts, different from one another.
    """

    label: int
    size: int
    terms: tuple[str, ...]
    examples: tuple[str, ...]


@dataclass(frozen=True, eq=False, repr=False)
class Clusters:
    """The clusters of a list of texts. `print` shows them, `len` counts them.

    Attributes:
        labels: int64 (n,), the cluster of each text, -1 for an outlier or a blank text.
        texts: the n texts.
        clusters: the clusters, largest first.
        vectors: float32 (n, dim), rows of unit length (zeros stay zeros; of a blank text, zeros).
        resolution: the Leiden resolution used, None where `clusters=` or `threshold=` was given.
        why: why that resolution, where it was chosen from the data.
        recall: which share of the true nearest neighbours the clusters were built on (measured on
            a sample), 1 where all texts were compared.
        cascade: what the cross-encoder cost, and whether it was trusted; None without one.
        map: what moved the vectors as it taught; None where nothing moved.
    """

    labels: NDArray[np.int64]
    texts: list[str]
    clusters: list[Cluster]
    vectors: NDArray[np.float32]
    resolution: float | None = None
    why: str | None = None
    recall: float = 1.0
    cascade: CascadeReport | None = None
    map: LinearMap | None = None

    def __len__(self) -> int:
        return len(self.clusters)

    @property
    def outliers(self) -> NDArray[np.int64]:
        """The rows of the texts that belong to no cluster, int64, in order; blank ones are none."""
        return np.setdiff1d(np.flatnonzero(self.labels < 0), self.blanks, assume_unique=True)

    @property
    def blanks(self) -> NDArray[np.int64]:
        """The rows of the blank texts, int64, in order."""
        blank = [row for row, text in enumerate(self.texts) if not text.strip()]
        return np.array(blank, dtype=np.int64)

    def to_frame(self) -> "pandas.DataFrame":
        """One row a text: text, cluster (-1 for an outlier or a blank) and the cluster's terms.

        Raises:
            MissingExtra: pandas is not installed.
        """
        with importing("pandas", purpose="to_frame()"):
            import pandas
        terms = [", ".join(one.terms) for one in self.clusters] + [""]  # [-1] is the outliers'
        return pandas.DataFrame(
            {"text": self.texts, "cluster": self.labels, "terms": [terms[i] for i in self.labels]}
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
            "clusters": [
                {
                    "label": one.label,
                    "size": one.size,
                    "terms": list(one.terms),
                    "examples": list(one.examples),
                }
                for one in self.clusters
            ],
            "outliers": self.outliers.tolist(),
            "blank": self.blanks.tolist(),
        }

    def save_map(
        self,
        path: str | os.PathLike[str],
        *,
        columns: Mapping[str, Sequence[object]] | None = None,
        color: str | None = None,
        title: str = "Clusters",
        most: int = 100_000,
    ) -> None:
        """Write a map of the texts: one HTML file that opens offline in any browser.

        Of more than `most` texts a sample of so many is drawn, and the title says so.

        Args:
            path: the HTML file.
            columns: the user's own data, n values by column name (a dict, a DataFrame): what the
                map can be coloured and filtered by, and shows beside each text.
            color: the column that the map opens coloured by; None for the clusters.
            title: shown above the map.
            most: how many texts are drawn.

        Raises:
            InputError: there are no texts to draw, a column has not n values, or `color` is not a
                column to colour by.

        Example:
            >>> groups.save_map("map.html", columns={"month": months}, color="month")
            ... # doctest: +SKIP
        """
        rows = np.delete(np.arange(len(self.texts)), self.blanks)
        if not len(rows):
            raise InputError("there are no texts to draw a map of.")
        from sememe.clustering.layout import layout_2d
        from sememe.neighbors import self_join
        from sememe.neighbors.communities import neighborhood_size  # on use: with scikit-network
        from sememe.reports.cluster_map import write_map

        if len(rows) > most:
            title = f"{title} ({most:,} of {len(rows):,} texts drawn)"
            rows = np.sort(np.random.default_rng(0).choice(rows, most, replace=False))
        vectors = self.vectors[rows]
        neighbors = self_join(vectors, neighborhood_size(len(rows)))
        points = layout_2d(vectors, neighbors, labels=self.labels[rows])
        write_map(
            Path(path), points, self.labels, self.texts, self.clusters,
            columns=columns, color=color, rows=rows, title=title,
        )  # fmt: skip

    def __repr__(self) -> str:
        return f"<Clusters: {self._counts()}>"

    def _repr_html_(self) -> str:
        """The table that a notebook shows."""
        rows = [
            (one.label, f"{one.size:,}", ", ".join(one.terms), " · ".join(one.examples))
            for one in self.clusters
        ]
        return html_table(("cluster", "texts", "terms", "examples"), rows, self._counts())

    def __str__(self) -> str:
        """A table as wide as the terminal: size, terms and two examples of each cluster."""
        width = max(40, shutil.get_terminal_size().columns)
        lines = [self._counts()]
        digits = len(str(max((one.size for one in self.clusters), default=0)))
        indent = " " * (digits + _BAR + 2)
        for one in self.clusters:
            filled = max(1, round(_BAR * one.size / self.clusters[0].size))
            head = f"{one.size:>{digits}} {'█' * filled}{'·' * (_BAR - filled)} "
            lines.append(head + _shortened(", ".join(one.terms) or "-", width - len(head)))
            lines += [
                indent + _shortened(f"“{example}”", width - len(indent))
                for example in one.examples[:2]
            ]
        return "\n".join(lines)

    def _counts(self) -> str:
        blank = len(self.blanks)
        return (
            f"{counted(len(self), 'cluster')} of {counted(len(self.texts) - blank, 'text')}, "
            f"{counted(len(self.outliers), 'outlier')}" + f", {blank:,} blank" * (blank > 0)
        )


def _shortened(text: str, width: int) -> str:
    """The text on one line of at most `width` columns; wide characters take two."""
    text = " ".join(text.split())
    columns = np.cumsum([_columns(character) for character in text])
    if len(columns) == 0 or columns[-1] <= width:
        return text
    return text[: int(np.searchsorted(columns, width - 1, side="right"))].rstrip() + "…"


def _columns(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) == "Cf":
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1

"""How the clusters are spread over time, or over the categories of a column."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sememe.arguments import one_of
from sememe.errors import InputError
from sememe.progress import counted
from sememe.reports import html_table, text_table
from sememe.tables import cell_text, dates_of, to_frame

if TYPE_CHECKING:
    import pandas  # type: ignore[import-untyped,import-not-found,unused-ignore]

    from sememe.clustering.result import Clusters

_FORMS = {"day": "%Y-%m-%d", "month": "%Y-%m", "year": "%Y"}
_MOST = 200  # categories, or days before they become months
_SHOWN = 12  # columns, in a terminal


@dataclass(frozen=True, eq=False)
class Counts:
    """A table: a row a cluster (the last one the outliers), a column a period or category.

    Attributes:
        column: what the columns are values of.
        values: the periods or categories, in order; rows without a value are counted nowhere.
        labels, names: of each row, -1 for the outliers.
        counts: int64 (rows, columns), numbers of texts.
    """

    column: str
    values: list[str]
    labels: list[int]
    names: list[str]
    counts: NDArray[np.int64]

    @property
    def shares(self) -> NDArray[np.float64]:
        """Which share of a column's texts are in each cluster: float64, a column's sum is 1."""
        return np.asarray(self.counts / np.maximum(self.counts.sum(axis=0), 1))

    @property
    def rows(self) -> list[dict[str, Any]]:
        """A dict a cluster and value: cluster, name, the value, texts, share; 0 texts too."""
        shares = self.shares
        return [
            {
                "cluster": label,
                "name": self.names[row],
                self.column: value,
                "texts": int(self.counts[row, place]),
                "share": float(shares[row, place]),
            }
            for row, label in enumerate(self.labels)
            for place, value in enumerate(self.values)
        ]

    def to_frame(self) -> "pandas.DataFrame":
        """The rows as a DataFrame; MissingExtra if pandas is not installed."""
        rows = self.rows
        names = ("cluster", "name", self.column, "texts", "share")
        return to_frame({name: [row[name] for row in rows] for name in names})

    def __repr__(self) -> str:
        lines = [["cluster", *self.values[-_SHOWN:]]]
        for label, name, counts in zip(self.labels, self.names, self.counts.tolist(), strict=True):
            head = f"{label} {name}"[:40] if label >= 0 else name
            lines.append([head, *map(str, counts[-_SHOWN:])])
        return "\n".join(text_table(lines, left=1))

    def _repr_html_(self) -> str:
        rows = zip(self.labels, self.names, self.counts.tolist(), strict=True)
        cells = [(label, name, *counts) for label, name, counts in rows]
        return html_table(("cluster", "name", *self.values), cells, self.column)


def counts_over(groups: "Clusters", column: str, values: Sequence[Any], unit: str | None) -> Counts:
    """Count the texts of each cluster by date, or by category."""
    if len(values) != len(groups.texts):
        raise InputError(
            f"{counted(len(values), 'value')} for {counted(len(groups.texts), 'text')}: give one "
            "value for each text."
        )
    if unit is not None:
        one_of("by", unit, _FORMS)
    dates = dates_of(column, values)
    if dates is None and unit is not None:
        raise InputError(f'"{column}" holds no dates (such as 2026-11-29) to count by {unit}.')
    cells = [cell_text(value) for value in values] if dates is None else _periods(dates, unit)
    for row in groups.blanks:
        cells[row] = ""
    order = Counter(cell for cell in cells if cell)
    names = sorted(order) if dates else [name for name, _ in order.most_common()]
    if dates is None and len(names) > _MOST:
        raise InputError(
            f'"{column}" has {len(names):,} different values: choose a column of dates, or of at '
            f"most {_MOST} categories."
        )
    labels = [*(one.label for one in groups.clusters), -1]
    row_of = {label: row for row, label in enumerate(labels)}
    place = {name: position for position, name in enumerate(names)}
    counts = np.zeros((len(labels), len(names)), dtype=np.int64)
    for cell, label in zip(cells, groups.labels.tolist(), strict=True):
        if cell:
            counts[row_of[label], place[cell]] += 1
    rows = [*(one.name for one in groups.clusters), "outliers"]
    return Counts(column, names, labels, rows, counts)


def _periods(dates: Sequence[datetime | None], unit: str | None) -> list[str]:
    """The period of each date; without a unit, the finest that gives at most 200 (or years)."""
    for form in _FORMS.values() if unit is None else [_FORMS[unit]]:
        periods = [date.strftime(form) if date else "" for date in dates]
        if len(set(periods)) <= _MOST:
            break
    return periods

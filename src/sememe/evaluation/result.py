"""What came of an evaluation: figures, differences, and what they say in words."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sememe.evaluation.intervals import Interval
from sememe.progress import counted
from sememe.reports import text_table, write_page
from sememe.tables import replacing, to_frame

if TYPE_CHECKING:
    import pandas

_CLEAR = 0.05


@dataclass(frozen=True)
class Row:
    """One model.

    Attributes:
        model: how it is called.
        figures: each metric with its 95 % interval, the main one first; its ends are NaN where
            there are too few items for one.
        seconds: what it took to encode or score everything and measure.
    """

    model: str
    figures: dict[str, Interval]
    seconds: float

    @property
    def main(self) -> Interval:
        """The main metric's figure."""
        return next(iter(self.figures.values()))


@dataclass(frozen=True)
class Difference:
    """The main metric of the first model less the second's, on the same items.

    Attributes:
        low, high: its 95 % interval.
        p: two-sided, corrected for the number of tests (Holm, 1979).
    """

    first: str
    second: str
    difference: float
    low: float
    high: float
    p: float


@dataclass(frozen=True)
class Evaluation:
    """Models measured on the same data.

    Attributes:
        kind: what was measured: similarity, pairs, triplets, retrieval, reranking, groups, classes.
        name: the data.
        items: how many pairs, triplets, queries or texts there are.
        rows: a model each, the best first.
        differences: of each two models; empty where there are too few items for a test.
        failures: why a model could not be measured, by its name.
    """

    kind: str
    name: str
    items: int
    rows: list[Row]
    differences: list[Difference]
    failures: dict[str, str]

    @property
    def metric(self) -> str:
        """The main metric."""
        return next(iter(self.rows[0].figures))

    @property
    def leaders(self) -> list[str]:
        """The model with the highest figure, and those that no test tells from it."""
        best = self.rows[0].model
        clear = {
            other
            for each in self.differences
            for other in (each.first, each.second)
            if best in (each.first, each.second) and each.p < _CLEAR
        }
        return [best, *(row.model for row in self.rows[1:] if row.model not in clear)]

    @property
    def verdict(self) -> str:
        """Which model is best, and which cannot be told from it, in words."""
        best, *equals = self.leaders
        main = self.rows[0].main
        is_highest = len(self.rows) > 1 and main.value > self.rows[1].main.value
        sentences = [
            f"{best}: {self.metric} {main.with_range()}{', the highest' if is_highest else ''}."
        ]
        if equals:
            items = counted(self.items, "item")
            sentences.append(f"These {items} do not tell it from {', '.join(equals)}.")
        for row in self.rows[1:]:
            if row.model not in equals:
                points, pair = 100 * (main.value - row.main.value), {best, row.model}
                p = next(each.p for each in self.differences if {each.first, each.second} == pair)
                sentences.append(f"{row.model} is {points:.1f} points lower (p = {p:.2g}).")
        return " ".join(sentences)

    def summary(self) -> dict[str, Any]:
        """All of it as JSON values; figures as they are, not times 100, and None for a NaN."""
        values = asdict(
            self, dict_factory=lambda items: {k: v if v == v else None for k, v in items}
        )
        words = {"metric": self.metric, "leaders": self.leaders, "verdict": self.verdict}
        return {**values, **words}

    def save(self, directory: str | os.PathLike[str]) -> None:
        """Write evaluation.json and evaluation.html, one page that opens offline, into a folder.

        Raises TableError where they cannot be written.
        """
        folder, summary = Path(directory), self.summary()
        folder.mkdir(parents=True, exist_ok=True)
        with replacing(folder / "evaluation.json") as temporary:
            temporary.write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
        write_page(folder / "evaluation.html", "evaluation", ("evaluation.js",), self.name, summary)

    def to_frame(self) -> "pandas.DataFrame":
        """A row a model: each metric, and the ends of its interval as `METRIC low` and `high`.

        Raises MissingExtra without pandas.
        """
        columns: dict[str, list[object]] = {"model": [row.model for row in self.rows]}
        for metric in self.rows[0].figures:
            each = [row.figures[metric] for row in self.rows]
            columns[metric] = [figure.value for figure in each]
            columns[f"{metric} low"] = [figure.low for figure in each]
            columns[f"{metric} high"] = [figure.high for figure in each]
        return to_frame({**columns, "seconds": [row.seconds for row in self.rows]})

    def __repr__(self) -> str:
        """The data, a table of the figures times 100, and the verdict."""
        main, *others = self.rows[0].figures
        table = [["model", f"{main} (95 %)", *others, "seconds"]]
        for row in self.rows:
            figures = [row.figures[metric].with_margin() for metric in others]
            table.append([row.model, row.main.with_range(), *figures, f"{row.seconds:.1f}"])
        head = f"{self.name}: {self.kind}, {counted(self.items, 'item')}"
        return "\n".join([head, "", *text_table(table, left=1), "", self.verdict])

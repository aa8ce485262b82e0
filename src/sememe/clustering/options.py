"""The options of `cluster`, checked in one place."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from sememe.arguments import one_of, real_number, whole_number
from sememe.cascade.labels import Evidence
from sememe.clustering.terms import Naming
from sememe.costs import Budget
from sememe.errors import InputError
from sememe.neighbors.approximate import APPROXIMATE_FROM
from sememe.progress import counted
from sememe.protocols import Scorer
from sememe.text import as_list

SAMPLED_FROM = 100_000

Granularity = Literal["coarse", "fine"] | float


@dataclass
class Options:
    """The options of `cluster`, and from how many texts on the ways of many are taken.

    Attributes:
        approximate_from: neighbours are approximate.
        sampled_from: the grain is chosen on a sample of `sample` texts, and nothing is smoothed.
        warn_from: below, it is less than a minute.
        evidence: the labels and the vectors of their texts, once these are there.

    Raises:
        InputError: one is wrong, or two exclude each other.
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
                f"clusters={self.clusters}, but only {different} of the {counted(texts, 'text')} "
                "differ from one another: ask for fewer clusters."
            )


def checked_columns(
    columns: Mapping[str, Sequence[Any]] | None, texts: int
) -> dict[str, Sequence[Any]]:
    """The user's columns as lists; InputError where one has not a value a text."""
    result: dict[str, Sequence[Any]] = {}
    for name in () if columns is None else columns:
        values = as_list(columns[name], f"columns[{name!r}]")  # type: ignore[index]
        if len(values) != texts:
            raise InputError(
                f'the column "{name}" has {counted(len(values), "value")}, and there are '
                f"{counted(texts, 'text')}: give one value a text."
            )
        result[str(name)] = values
    return result

"""The order that a fixed jury gives the candidates, before anything is labelled.

The jury never depends on what the user listed: a weak majority would win its own vote. It is the
default model, whose vote counts twice, a static table, and words alone. So the default model's own
first place is by construction, and a model that is better than the whole jury may look worse. The
order therefore says what to measure first and breaks ties; it never drops a candidate.

`docs/decisions/select.md` says what was measured.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sememe.checkpoint import DEFAULT_MODEL, read
from sememe.errors import SememeError, reason
from sememe.evaluation.kinds import RerankingTask, RetrievalTask, TextTask, TripletTask
from sememe.evaluation.metrics import rank_scores, ranking, spearman, v_measure
from sememe.evaluation.systems import EncoderSystem
from sememe.extras import importing
from sememe.neighbors import nearest, normalized
from sememe.selection.candidates import Candidate, Models, available_precisions
from sememe.selection.sample import Sample, Work
from sememe.selection.systems import DEPTH, Words

Evidence = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]

JURY_VOTES = {"default": 2.0, "static": 1.0, "words": 1.0}
"""The jurors by their role, and how much the vote of each counts."""

FEWEST_JURORS = 3
"""With fewer, the order is no more than agreement with the default model."""

FULL_WEIGHT, NO_WEIGHT = 50, 200
"""Labels up to which the prior counts half as much as they do, and from which it counts nothing."""
_WEIGHT = 0.5

# How often the order of two candidates was right on 21 data sets, by their distance in standard
# deviations of the prior: up to .25, .5, 1, 2, and more.
_GAPS = (0.25, 0.5, 1.0, 2.0)
_RIGHT = {
    "search": (0.59, 0.85, 0.97, 0.99, 1.0),
    "cluster": (0.59, 0.67, 0.82, 0.93, 1.0),
    "classify": (0.61, 0.56, 0.68, 0.83, 0.96),
    "pairs": (0.61, 0.69, 0.82, 0.88, 0.95),
}
_RANK = 60  # of Cormack et al.: how little the first ranks differ
_RELEVANT = 10
_PENALTY = 10.0  # of ridge regression, in units of the vectors' mean variance
_TEXTS, _PAIRS = 1000, 2000  # that the jury and the candidates answer, at most
_LSA = 128  # components


@dataclass(frozen=True)
class Prior:
    """What the jury makes of the candidates.

    Attributes:
        work: what the candidates are for.
        values: by candidate, the higher the better; those that gave no evidence are not in it.
        jury: who judged.
    """

    work: Work
    values: Mapping[str, float]
    jury: tuple[str, ...]

    @property
    def is_order(self) -> bool:
        """Whether the jury is large enough for its order to mean more than agreement."""
        return len(self.jury) >= FEWEST_JURORS

    def share_right(self, first: str, second: str) -> float:
        """How often, on 21 data sets, an order of two candidates as far apart was right."""
        scores = standardized(self.values)
        gap = abs(scores[first] - scores[second])
        return _RIGHT[self.work][int(np.searchsorted(_GAPS, gap))]


def ask_jury(
    sample: Sample, candidates: Sequence[Candidate], pool: Models, failures: dict[str, str]
) -> Prior | None:
    """The jury's order of the candidates that read each text alone; None without its first juror.

    Why a candidate could not answer goes into `failures`, by its name.
    """
    material = Material(sample)
    jury = jury_systems(pool, material)
    if "default" not in jury:
        return None
    votes: dict[str, Evidence] = {role: material.evidence(system) for role, system in jury.items()}
    evidence: dict[str, Evidence] = {}
    of_family: dict[str, Evidence] = {}  # precisions of one model answer alike
    for candidate in candidates:
        if candidate.open_scorer is None and not candidate.how:
            try:
                if candidate.family not in of_family:
                    of_family[candidate.family] = material.evidence(candidate.system)
                evidence[candidate.name] = of_family[candidate.family]
            except Exception as error:  # reported; the others go on
                failures[candidate.name] = reason(error)
    return judge(sample.work, evidence, votes)


class Material:
    """What the jury and the candidates answer: up to 1,000 texts, 2,000 pairs, or all queries."""

    def __init__(self, sample: Sample) -> None:
        random, task = np.random.default_rng(0), sample.task
        rows = random.permutation(len(sample.texts))[:_TEXTS]
        self.work = sample.work
        self.texts = [sample.texts[i] for i in rows]
        self.groups = round((len(rows) / 2) ** 0.5) + 1
        if isinstance(task, TextTask):
            self.groups = len(np.unique(task.gold))
        is_search = isinstance(task, RetrievalTask | RerankingTask)
        self.queries = list(task.queries) if is_search else sample.queries  # type: ignore[union-attr]
        self.documents = sample.texts
        self.sources = None if is_search else sample.sources
        self.pairs: list[tuple[str, str]] = list(getattr(task, "pairs", ()))[:_PAIRS]
        if isinstance(task, TripletTask):
            pairs = [(anchor, other) for anchor, *others in task.rows for other in others]
            self.pairs = pairs[:_PAIRS]

    def pair_up(self, system: EncoderSystem) -> None:
        """Without pairs, take each text with the one nearest to it, and with one at random."""
        if self.work == "pairs" and not self.pairs:
            places = nearest(system.vectors(self.texts), 1).indices[:, 0]
            random = np.random.default_rng(0).permutation(len(self.texts))
            self.pairs = [
                (text, self.texts[other])
                for others in (places, random)
                for text, other in zip(self.texts, others, strict=True)
            ]

    def evidence(self, system: Any) -> Any:
        """What a system makes of the material, as `judge` takes it."""
        if self.work == "cluster":
            return system.group(self.texts, self.groups)
        if self.work == "pairs":
            return system.score(self.pairs)
        if self.work == "classify":
            return system.vectors(self.texts)
        depth = min(DEPTH, len(self.documents))
        places = system.rank(self.queries, self.documents, depth)[0]
        return places if self.sources is None else without_sources(places, self.sources)


def without_sources(places: npt.NDArray[Any], sources: Sequence[int]) -> npt.NDArray[Any]:
    """Rankings (queries, depth - 1) without the document that each query is a sentence of."""
    rows = zip(places, sources, strict=True)
    return np.array([row[row != source][: len(row) - 1] for row, source in rows])


def jury_systems(pool: Models, material: Material) -> dict[str, Any]:
    """The default model, a static table, and words, by their role, as far as they are installed."""
    jury: dict[str, Any] = {}
    for role, name in (("default", DEFAULT_MODEL), ("static", "wordllama")):
        with suppress(SememeError):
            checkpoint = read(name)
            fastest = (
                {} if checkpoint.static else {"precision": available_precisions(checkpoint)[0]}
            )
            jury[role] = pool.encoder(name, **fastest)
    if "default" in jury:
        material.pair_up(jury["default"])
    words: Any = (
        Words() if material.work == "search" else EncoderSystem(LatentWords(material.texts))
    )
    return {**jury, "words": words}


class LatentWords:
    """Latent semantic analysis (Deerwester et al. 1990) of the material's source words."""

    def __init__(self, texts: list[str]) -> None:
        with importing("sklearn", purpose="judging candidates without labels"):
            from sklearn.decomposition import TruncatedSVD
            from sklearn.feature_extraction.text import TfidfVectorizer
            from sklearn.pipeline import make_pipeline
        words = TfidfVectorizer(sublinear_tf=True, token_pattern=r"(?u)\b\w+\b")
        size = min(_LSA, len(texts) - 1, words.fit_transform(texts).shape[1] - 1)
        self._model = make_pipeline(words, TruncatedSVD(max(1, size), random_state=0)).fit(texts)

    def encode(self, texts: list[str]) -> Any:
        """Vectors, float (n, 128)."""
        return self._model.transform(texts)


def judge(work: Work, evidence: Mapping[str, Evidence], jury: Mapping[str, Evidence]) -> Prior:
    """Order candidates by how well they agree with the jury.

    Args:
        work: what they are for, which says what the evidence is.
        evidence: by candidate. For search int (queries, depth), the places of the documents it
            finds, best first, -1 for none; for clusters int (n,), the labels of k-means; for pairs
            float (pairs,), scores; for classes float (n, dim), vectors.
        jury: the same of jurors, by their role in `JURY_VOTES`.

    Example:
        >>> scores = {"a": np.array([1, 2, 3.0]), "b": np.array([3, 2, 1.0])}
        >>> judge("pairs", scores, {"default": scores["a"]}).values
        {'a': 1.0, 'b': -1.0}
    """
    votes = [JURY_VOTES[role] for role in jury]
    agreement: Callable[[Evidence], float] = AGREEMENT[work](list(jury.values()), votes)
    values = {name: agreement(each) for name, each in evidence.items()}
    return Prior(work, values, tuple(jury))


def combined(
    labels: Mapping[str, float], prior: Prior | None, count: int, families: Mapping[str, str]
) -> dict[str, float]:
    """The candidates' scores by `count` labels and by the prior together, the higher the better.

    z(label) + w z(prior), each standardised over the families, of which precisions of one
    checkpoint are one; w is 0.5 up to 50 labels and 0 from 200 on. Of a candidate of another kind,
    on which the jury has no view, the prior is the best one's: beside that, its labels decide.
    """
    by_labels = standardized(labels, families)
    faded = np.clip((NO_WEIGHT - count) / (NO_WEIGHT - FULL_WEIGHT), 0, 1)
    if prior is None or not faded or not prior.is_order:
        return by_labels
    expected = {name: value for name, value in prior.values.items() if name in labels}
    by_prior = standardized(expected, families)
    unknown = max(by_prior.values(), default=0.0)
    return {
        name: score + _WEIGHT * faded * by_prior.get(name, unknown)
        for name, score in by_labels.items()
    }


def standardized(
    values: Mapping[str, float], families: Mapping[str, str] | None = None
) -> dict[str, float]:
    """Values less their mean, in standard deviations; each family counts once, by its mean."""
    groups: dict[str, list[float]] = {}
    for name, value in values.items():
        groups.setdefault(name if families is None else families[name], []).append(value)
    means = [float(np.mean(group)) for group in groups.values()]
    center, spread = (np.mean(means), np.std(means)) if means else (0.0, 0.0)
    return {name: float((value - center) / max(spread, 1e-12)) for name, value in values.items()}


def _fused_ranking(jury: Sequence[Evidence], votes: Sequence[float]) -> Callable[[Evidence], float]:
    """nDCG@10 with the jury's fused ranking as the truth (Cormack et al. 2009): its first ten."""
    relevant: list[list[int]] = []
    for rankings in zip(*jury, strict=True):
        sums: dict[int, float] = {}
        for places, vote in zip(rankings, votes, strict=True):
            for rank, place in enumerate(places.tolist(), start=1):
                if place >= 0:
                    sums[place] = sums.get(place, 0.0) + vote / (_RANK + rank)
        relevant.append(sorted(sums, key=lambda place: -sums[place])[:_RELEVANT])
    grades = [np.ones(max(len(answers), 1)) for answers in relevant]

    def agreement(places: Evidence) -> float:
        gains = [np.isin(*each) for each in zip(places, relevant, strict=True)]
        values = ranking(np.array(gains, float), grades, [_RELEVANT])
        return float(values[f"nDCG@{_RELEVANT}"].mean())

    return agreement


def _same_clusters(jury: Sequence[Evidence], votes: Sequence[float]) -> Callable[[Evidence], float]:
    """The mean V-measure between partitions (Rosenberg and Hirschberg 2007)."""
    return lambda labels: float(np.average([v_measure(labels, j) for j in jury], weights=votes))


def _same_order(jury: Sequence[Evidence], votes: Sequence[float]) -> Callable[[Evidence], float]:
    """Spearman's correlation with the jury's mean rank."""
    mean = np.average([rank_scores(scores) for scores in jury], axis=0, weights=votes)
    return lambda scores: spearman(scores, mean)


def _predictability(
    jury: Sequence[Evidence], votes: Sequence[float]
) -> Callable[[Evidence], float]:
    """How much of the jury's vectors a ridge regression explains: R², half predicted by half."""
    targets = [normalized(vectors).astype(np.float64) for vectors in jury]

    def agreement(vectors: Evidence) -> float:
        rows = normalized(vectors).astype(np.float64)
        return float(np.average([_explained(rows, each) for each in targets], weights=votes))

    return agreement


AGREEMENT: dict[str, Any] = {
    "search": _fused_ranking,
    "cluster": _same_clusters,
    "pairs": _same_order,
    "classify": _predictability,
}


def _explained(rows: Floats, targets: Floats) -> float:
    half = np.arange(len(rows)) % 2 == 0
    shares = []
    for fit in (half, ~half):
        x, y = rows[fit] - rows[fit].mean(axis=0), targets[fit] - targets[fit].mean(axis=0)
        penalty = _PENALTY * len(x) * max(float(x.var(axis=0).mean()), 1e-12)
        weights = np.linalg.solve(x.T @ x + penalty * np.eye(x.shape[1]), x.T @ y)
        predicted = (rows[~fit] - rows[fit].mean(axis=0)) @ weights
        true = targets[~fit] - targets[fit].mean(axis=0)
        shares.append(1 - np.square(true - predicted).sum() / max(np.square(true).sum(), 1e-12))
    return float(np.mean(shares))

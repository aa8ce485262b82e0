"""The jury at work: what it and the candidates make of some of the user's texts, without labels."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from sememe.checkpoint import DEFAULT_MODEL, read
from sememe.errors import SememeError, reason
from sememe.evaluation.kinds import RerankingTask, RetrievalTask, TextTask, TripletTask
from sememe.evaluation.systems import EncoderSystem
from sememe.extras import importing
from sememe.neighbors import nearest
from sememe.selection.candidates import Candidate, Models, available_precisions
from sememe.selection.prior import Evidence, Prior, judge
from sememe.selection.sample import Sample
from sememe.selection.systems import DEPTH, Words

_TEXTS, _PAIRS = 1000, 2000
_LSA = 128


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
        if self.sources is None:
            return places
        # A sentence's source document is no answer to it.
        rows = [
            row[row != source][: depth - 1]
            for row, source in zip(places, self.sources, strict=True)
        ]
        return np.array(rows)


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

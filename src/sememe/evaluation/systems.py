"""Whatever can be measured, with one face: a model, or a model with a way of using it."""

import os
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from sememe.arguments import shown
from sememe.checkpoint import read
from sememe.encoders import BiEncoder, CrossEncoder
from sememe.errors import InputError, SememeWarning, warn
from sememe.extras import importing
from sememe.neighbors.approximate import self_join
from sememe.neighbors.communities import exactly, neighbor_graph, neighborhood_size, smoothed
from sememe.neighbors.exact import nearest, normalized
from sememe.protocols import Encoder, Scorer

Array = npt.NDArray[Any]
Pair = tuple[str, str]

PRECISIONS = ("f32", "bf16", "int8", "f16")
_MOST_PAIRS = 200_000
"""A cross-encoder that had to read more to rank a corpus would take hours."""


class System(Protocol):
    """A model, or a model with a way of using it."""

    @property
    def name(self) -> str:
        """What tables call it."""

    def score(self, pairs: Sequence[Pair], *, search: bool = False) -> Array:
        """Float (n,), higher for texts that are more similar.

        With `search`, the first text of each pair is a query and the second a document.
        """

    def rank(
        self, queries: Sequence[str], documents: Sequence[str], depth: int
    ) -> tuple[Array, Array]:
        """The places of the best documents and their scores, (queries, depth), the best first.

        Of equals the document that comes first goes first.
        """

    def group(self, texts: Sequence[str], count: int) -> Array:
        """Int (n,): in which of `count` groups, whole numbers from 0, each text is."""

    def classify(
        self,
        texts: Sequence[str],
        labels: Array,
        new_texts: Sequence[str],
        *,
        protocol: str | None = None,
    ) -> Array:
        """The labels, int (m,), of new texts, learned from texts with labels (n,).

        With protocol="mteb", by the classifier that MTEB learns, where there is a choice.
        """


class EncoderSystem:
    """What encodes, compared by cosines; no text is encoded twice.

    Args:
        encoder: has `encode(texts)`, and perhaps `encode_query` and `encode_document`.
        name: what tables call it.
    """

    def __init__(self, encoder: Encoder, name: str | None = None) -> None:
        self.encoder = encoder
        self.name = name or name_of(encoder)
        self._vectors: dict[tuple[str, str], Array] = {}

    def vectors(self, texts: Sequence[str], role: str = "") -> Array:
        """Unit vectors, float32 (n, dim), as a "query" or a "document" where that is another.

        Raises:
            InputError: the encoder gave what is not one finite vector a text.
        """
        if not getattr(self.encoder, "prompts", True):
            role = ""
        encode: Callable[[list[str]], Any] = (
            getattr(self.encoder, f"encode_{role}", None) or self.encoder.encode
        )
        keys = [(role, text) for text in texts]
        new = [key for key in dict.fromkeys(keys) if key not in self._vectors]
        if new:
            vectors = normalized(encode([text for _, text in new]))
            if len(vectors) != len(new):
                raise InputError(f"{self.name} gave {len(vectors)} vectors for {len(new)} texts.")
            self._vectors.update(zip(new, vectors, strict=True))
        return np.array([self._vectors[key] for key in keys])

    def score(self, pairs: Sequence[Pair], *, search: bool = False) -> Array:
        """Cosines; see `System`."""
        roles = ("query", "document") if search else ("", "")
        first, second = (
            self.vectors(column, role).astype(np.float64)  # ties are told from near misses
            for column, role in zip(zip(*pairs, strict=True), roles, strict=True)
        )
        return np.asarray((first * second).sum(1))

    def rank(
        self, queries: Sequence[str], documents: Sequence[str], depth: int
    ) -> tuple[Array, Array]:
        """The nearest of all documents, without approximation; see `System`."""
        vectors = self.vectors(documents, "document")
        neighbors = nearest(vectors, depth, queries=self.vectors(queries, "query"))
        return neighbors.indices, neighbors.similarity

    def group(self, texts: Sequence[str], count: int) -> Array:
        """K-means from communities of neighbours, as `sememe cluster --clusters` does."""
        different = {text: row for row, text in enumerate(dict.fromkeys(texts))}
        vectors = self.vectors(list(different))
        graph = neighbor_graph(self_join(vectors, neighborhood_size(len(vectors))))
        labels = exactly(min(count, len(vectors)), graph, smoothed(vectors, graph))
        return labels[[different[text] for text in texts]]

    def classify(
        self,
        texts: Sequence[str],
        labels: Array,
        new_texts: Sequence[str],
        *,
        protocol: str | None = None,
    ) -> Array:
        """Logistic regression on the vectors as they are; see `System`."""
        with importing("sklearn", purpose="measuring classes"):
            from sklearn.linear_model import LogisticRegression
            from threadpoolctl import threadpool_limits
        model = getattr(self.encoder, "model", None)
        if model and (Path(model) / "classifier.json").is_file():
            warn(
                f"{self.name} is a classifier; here its encoder is measured, not its labels "
                "(docs/classify.md).",
                SememeWarning,
                once=True,
            )
        # MTEB takes scikit-learn's default C, which holds vectors of length 1 back too much.
        c, iterations = (1.0, 100) if protocol == "mteb" else (10.0, 1000)
        model = LogisticRegression(C=c, max_iter=iterations)
        vectors = self.vectors(texts)
        # Several threads spend their time waiting for each other here.
        with warnings.catch_warnings(), threadpool_limits(1):
            warnings.simplefilter("ignore", UserWarning)  # that many labels look like numbers
            model.fit(vectors, labels)
        return np.asarray(model.predict(self.vectors(new_texts)))


class ScorerSystem:
    """What scores pairs, such as a cross-encoder; no pair is scored twice.

    Args:
        scorer: has `score(pairs)`.
        name: what tables call it.
    """

    def __init__(self, scorer: Scorer, name: str | None = None) -> None:
        self.scorer = scorer
        self.name = name or name_of(scorer)
        self._scores: dict[Pair, float] = {}

    def score(self, pairs: Sequence[Pair], *, search: bool = False) -> Array:  # noqa: ARG002
        """The scorer's scores; see `System`.

        Raises:
            InputError: the scorer gives several scores a pair.
        """
        new = [pair for pair in dict.fromkeys(pairs) if pair not in self._scores]
        if new:
            scores = np.asarray(self.scorer.score(new), np.float64)
            if scores.shape != (len(new),):
                raise InputError(
                    f"{self.name} gives scores of shape {scores.shape} for {len(new)} pairs: only "
                    "a model with one score a pair can be measured so."
                )
            self._scores.update(zip(new, scores.tolist(), strict=True))
        return np.array([self._scores[pair] for pair in pairs])

    def rank(
        self, queries: Sequence[str], documents: Sequence[str], depth: int
    ) -> tuple[Array, Array]:
        """All documents by their scores; see `System`.

        Raises:
            InputError: that would be more pairs than can be read in reasonable time.
        """
        count = len(queries) * len(documents)
        if count > _MOST_PAIRS:
            raise InputError(
                f"{self.name} reads pairs, here {count:,} ({len(queries):,} queries × "
                f"{len(documents):,} documents). Measure it by reranking: give each query its few "
                "candidates."
            )
        pairs = [(query, document) for query in queries for document in documents]
        scores = self.score(pairs, search=True).reshape(len(queries), len(documents))
        order = np.argsort(-scores, axis=1, kind="stable")[:, :depth]
        return order, np.take_along_axis(scores, order, 1)

    def group(self, *_: Any) -> Array:
        """Raises InputError: pairs' scores are no vectors."""
        raise InputError(f"{self.name} scores pairs and has no vectors that could be grouped.")

    def classify(self, *_: Any, **__: Any) -> Array:
        """Raises InputError: pairs' scores are no vectors."""
        raise InputError(f"{self.name} scores pairs and has no vectors to learn classes from.")


def as_system(model: Any, name: str | None = None) -> System:
    """Whatever a user calls a model, with the face that is measured.

    Args:
        model: a name or a folder of any kind of model, with the precision to compute in behind a
            colon if it is not to be chosen ("all-MiniLM-L6-v2:int8"); what has `encode(texts)` or
            `score(pairs)`; a `System`.
        name: what tables call it; None for the model's own.

    Raises:
        InputError: it is none of these.
        ModelNotFound, CheckpointError: it cannot be opened.
    """
    if isinstance(model, str | os.PathLike):
        place, _, precision = os.fspath(model).rpartition(":")
        if precision not in PRECISIONS or not place:
            place, precision = os.fspath(model), "auto"
        checkpoint = read(place)
        if checkpoint.scoring is not None:
            cross = CrossEncoder(place, precision=precision)
            return ScorerSystem(cross, name or os.fspath(model))
        # The table says that it is pooled: no warning of a guess is needed.
        pooled = checkpoint.kind == "regular transformer"
        label = f"{os.fspath(model)} (mean-pooled)" if pooled else os.fspath(model)
        encoder = BiEncoder(place, precision=precision, pooling="mean" if pooled else None)
        return EncoderSystem(encoder, name or label)
    if all(callable(getattr(model, verb, None)) for verb in ("score", "rank", "group", "classify")):
        system: System = model
        return system
    if not isinstance(model, type) and callable(getattr(model, "encode", None)):
        return EncoderSystem(model, name)
    if not isinstance(model, type) and callable(getattr(model, "score", None)):
        return ScorerSystem(model, name)
    raise InputError(
        f'{shown(model)} is no model: give a name, such as "all-MiniLM-L6-v2", or what has '
        "encode(texts) or score(pairs)."
    )


def name_of(model: Any) -> str:
    """What people call a model: its name, or its folder without those above it.

    An opened one by what it was opened by, with its precision; another object by its own `name`, or
    its type.
    """
    opened = getattr(model, "model", model)
    if not isinstance(opened, str | os.PathLike):
        return str(getattr(model, "name", "") or type(model).__name__)
    name = Path(opened).name if Path(opened).is_dir() else os.fspath(opened)
    precision = getattr(model, "precision", None)
    return f"{name}:{precision}" if precision in PRECISIONS else name

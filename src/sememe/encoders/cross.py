"""The cross-encoder: two texts are read together and scored; accurate, and nothing to store."""

from __future__ import annotations  # so that help() shows short types

import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt

from sememe.arguments import flag, one_of, whole_number
from sememe.checkpoint import Scoring, write
from sememe.encoders.base import OpenedModel, explained, fingerprint
from sememe.encoders.pipeline import Pipeline, Work
from sememe.encoders.vectors import softmax
from sememe.engines import Array, open_engine
from sememe.errors import CheckpointError, InputError
from sememe.tables import series_index, to_frame
from sememe.text import Pair, PairTokenizer, check_pairs, check_texts
from sememe.text.pair_tokenizer import TRUNCATE, Truncate

if TYPE_CHECKING:
    import pandas

    from sememe.encoders.disk import OnDisk
    from sememe.jobs import FileRows


@dataclass(frozen=True)
class RankedDocument:
    """A document that was ranked: its place among the documents, its score, its text."""

    index: int
    score: float
    text: str


class Ranking(list[RankedDocument]):
    """Documents by their scores, best first."""

    def __init__(self, documents: Iterable[RankedDocument] = (), index: Any = None) -> None:
        super().__init__(documents)
        self._index = index  # of the pandas Series that the documents came in

    def to_frame(self) -> pandas.DataFrame:
        """A row a document, score and text, under its place or its label in a pandas Series.

        So it joins back to the frame that the documents came from. Raises MissingExtra without
        pandas.
        """
        places = [document.index for document in self]
        columns = {name: [getattr(one, name) for one in self] for name in ("score", "text")}
        return to_frame(columns, places if self._index is None else self._index[places])


@dataclass(frozen=True)
class _Options:
    raw: bool
    symmetric: bool
    truncate: Truncate


class CrossEncoder(OpenedModel):
    """A cross-encoder: pairs of texts in, scores out.

    Args:
        model: a directory, a model's name, or a Hub id (`org/name`, `org/name@revision`), in any
            layout that cross-encoders have had.
        engine: `openvino`, `torch`, or `auto`.
        precision, device, trust_remote_code: as `BiEncoder`'s.

    Raises:
        ModelNotFound: the model is nowhere.
        CheckpointError: it cannot be read, or it is no cross-encoder.
        InputError: an argument that is not known.

    Example:
        >>> cross = CrossEncoder("cross-encoder/stsb-TinyBERT-L4")   # doctest: +SKIP
        >>> cross.score([("My dog is fast.", "My canine is rapid.")])   # doctest: +SKIP
        array([0.87], dtype=float32)
    """

    @explained
    def __init__(
        self,
        model: str | os.PathLike[str],
        *,
        precision: str = "auto",
        engine: str = "auto",
        device: str | None = None,
        trust_remote_code: bool = False,
    ) -> None:
        super().__init__(model, engine, trust_remote_code)
        if self._checkpoint.scoring is None:
            kind = self._checkpoint.kind
            why = "it has no classification head, so it cannot score pairs before it is trained to"
            if kind != "regular transformer":
                why = "open it with BiEncoder, or name a cross-encoder, which scores pairs"
            raise CheckpointError(f"{self._checkpoint.directory} is a {kind}: {why}.")
        self._scoring: Scoring = self._checkpoint.scoring
        self._tokenizer = PairTokenizer(self._checkpoint)
        options: dict[str, Any] = {"device": device, "trust_remote_code": trust_remote_code}
        opened = open_engine(
            self._checkpoint, "scores", precision=precision, engine=engine, **options
        )
        self._arguments = {**options, "precision": opened.precision, "engine": opened.name}
        self._pipeline = Pipeline(opened, self.model, "Scoring {:,} pairs")

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of the scores: of one pair, there are as many as labels."""
        return self._scoring.labels

    @property
    def max_length(self) -> int:
        """The longest pair that is read whole, in tokens with the special ones."""
        return self._checkpoint.max_length

    @cached_property
    def fingerprint(self) -> str:
        """16 hexadecimal digits; two scores may be compared only under one fingerprint."""
        prompt = self._checkpoint.default_prompt
        scoring = [self._scoring.labels, self._scoring.activation, prompt]
        engine = self._pipeline.engine
        return fingerprint(self._checkpoint, self._tokenizer.sha256, engine, scoring)

    @explained
    def score(
        self,
        pairs: Sequence[str] | Iterable[Sequence[str]],
        *,
        raw: bool = False,
        symmetric: bool = False,
        truncate: str = "longest",
        progress: bool | None = None,
    ) -> npt.NDArray[np.float32]:
        """Score pairs; identical ones are computed once.

        Args:
            pairs: any iterable of (first, second). A single tuple of two str gives one score. The
                checkpoint's default prompt, if it has one, is put before each first text.
            raw: the head's logits, instead of scores behind the checkpoint's activation.
            symmetric: score both orders, (a, b) and (b, a), and take the mean.
            truncate: which text of a pair that is too long loses tokens: `longest`, or `document`,
                the second one, so that a query is always read whole.
            progress: a progress bar: True, False, or None for one on a terminal.

        Returns:
            float32 (n,), or (n, labels) of a model with several labels; () or (labels,) for a
            single pair.

        Raises:
            InputError: a row that is not two str, or whose first text is blank (which one).
        """
        how = _options(raw, symmetric, truncate)
        single = isinstance(pairs, tuple) and len(pairs) == 2 and isinstance(pairs[0], str)
        items = check_pairs(cast(Iterable[Sequence[str]], [pairs] if single else pairs))
        total = len(items) * (1 + how.symmetric)
        with Work[Pair](total, self.max_length, progress, noun="pair") as work:
            scores = self._scores(items, how, work)
        return np.asarray(scores[0] if single else scores)

    @explained
    def rank(
        self,
        query: str,
        documents: Iterable[str],
        *,
        top_k: int | None = None,
        progress: bool | None = None,
    ) -> Ranking:
        """Rank documents by their score against a query, best first.

        The query is tokenised once and always read whole: only documents are cut. Of equal scores
        the document that was given first comes first.

        Args:
            query: a text that is not blank.
            documents: any iterable of str.
            top_k: how many hits at the most; None for all.
            progress: see `score`.

        Raises:
            InputError: a document that is not a str (which one), a blank query, a model with
                several labels, or a top_k below 1.
        """
        if len(self.labels) > 1:
            raise InputError(
                f"This model has the labels {', '.join(self.labels)}, so no one score to rank by; "
                "take the column you mean from score()."
            )
        if top_k is not None:
            top_k = whole_number("top_k", top_k)
        if not isinstance(query, str) or not query.strip():
            raise InputError(f"query is {query!r}; a text that is not blank is needed.")
        query = check_texts([query], name="query")[0]
        index, texts = series_index(documents), check_texts(documents, name="documents")
        pairs = [(query, text) for text in texts]
        scores = self.score(pairs, truncate="document", progress=progress)
        order = np.argsort(-scores, kind="stable")[:top_k]
        return Ranking((RankedDocument(int(i), float(scores[i]), texts[i]) for i in order), index)

    @explained
    def score_to(
        self,
        pairs: Iterable[Sequence[str]] | FileRows,
        path: str | os.PathLike[str],
        *,
        raw: bool = False,
        symmetric: bool = False,
        truncate: str = "longest",
        progress: bool | None = None,
    ) -> OnDisk:
        """Score any number of pairs to disk in bounded memory; interrupted, it resumes.

        Args:
            pairs: any iterable of (first, second), read once, never held as a whole. (The command
                passes the rows of a file, of which all columns are kept.)
            path: `x.parquet`, `.csv`, `.tsv`, `.xlsx` or `.jsonl`, with the columns first,
                second and score (of several labels, a column each), `x.npy` for an array, or a
                folder of parquet shards.
            raw, symmetric, truncate: as `score`'s.
            progress: as `score`'s; the bar shows the rate, for the number of pairs is not known.

        Raises:
            InputError: a row that is not two texts, or whose first text is blank (which one), or
                another suffix.
            TableError, JobError, MissingExtra: as `BiEncoder.encode_to`.
        """
        from sememe.encoders.disk import SCORES, Task, to_disk

        how = _options(raw, symmetric, truncate)
        budget = self._pipeline.engine.budget
        settings = {"fingerprint": self.fingerprint, "budget": budget, **asdict(how)}
        with Work[Pair](None, self.max_length, progress, noun="pair") as work:
            task = Task(
                "score",
                settings,
                "pairs",
                check_pairs,
                lambda part, _: self._scores(part, how, work),
                self._columns,
                "a score",
                SCORES,
            )
            return to_disk(task, pairs, path)

    def save(self, directory: str | os.PathLike[str]) -> None:
        """Write the model into a new or empty folder, as `BiEncoder.save` does.

        It is a Hugging Face sequence classifier, as sentence-transformers from 2 on opens it; with
        prompts or lower-casing, it has a modules.json as well, for those from 5.4 on.

        Raises:
            InputError: the folder is there and not empty.
            CheckpointError: it cannot be written, as on a full disk; nothing is left behind.
        """
        write(self._checkpoint, directory)

    def _columns(self, scores: Array) -> dict[str, Any]:
        if len(self.labels) == 1:
            return {"score": scores}
        return dict(zip(self.labels, np.ascontiguousarray(scores.T), strict=True))

    def _scores(self, pairs: list[Pair], how: _Options, work: Work[Pair]) -> Array:
        orders = [pairs, [(b, a) for a, b in pairs]] if how.symmetric else [pairs]
        unique = {pair: row for row, pair in enumerate(dict.fromkeys(p for o in orders for p in o))}
        work.begin(pairs)
        logits = np.empty((len(unique), len(self.labels)), np.float32)
        tokenize = partial(self._tokenizer, truncate=how.truncate)
        for batch, values in self._pipeline.values(list(unique), tokenize, work):
            logits[batch.rows] = values
        work.end(len(pairs) * len(orders) - len(unique))
        scores = logits if how.raw else activated(logits, self._scoring.activation)
        forward, *backward = (scores[[unique[pair] for pair in order]] for order in orders)
        mean = np.asarray((forward + backward[0]) / 2, np.float32) if backward else forward
        return mean[:, 0] if len(self.labels) == 1 else mean


def _options(raw: object, symmetric: object, truncate: str) -> _Options:
    one_of("truncate", truncate, TRUNCATE)
    how = _Options(flag("raw", raw), flag("symmetric", symmetric), cast(Truncate, truncate))
    if how.symmetric and truncate == "document":
        raise InputError(
            "symmetric=True reads each text in both places, so neither is the document; pass "
            'truncate="longest".'
        )
    return how


def activated(logits: Array, activation: str) -> Array:
    """Float32 logits (n, labels) behind an activation, without overflow."""
    if activation == "sigmoid":
        return np.asarray(np.exp(-np.logaddexp(np.float32(0), -logits)), np.float32)
    return softmax(logits) if activation == "softmax" else logits

"""A cross-encoder's raw scores, each paid for once: a cache on disk, in chunks, within a budget."""

import inspect
import os
import sqlite3
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sememe.arguments import shown
from sememe.cache import cache_directory
from sememe.costs import Budget, duration, rate, record_rate
from sememe.errors import CostWarning, InputError, SememeWarning, warn
from sememe.progress import progress_bar
from sememe.protocols import Scorer

Pair = tuple[str, str]
Rows = NDArray[np.int64]
Values = NDArray[np.float64]

CLIP = 6.0
"""Beyond it a logit says no more: probabilities of 0.0025 and 0.9975."""

MOST_SCORES = 4_000_000
"""In the cache, about 250 MB; then the oldest quarter is forgotten."""

_FILE = "scores-v1.sqlite"  # another version has another file
_CHUNK, _FIRST_CHUNK = 2048, 256
_QUESTION = 500  # keys in one statement
_PATIENCE = 30.0  # seconds, while another process writes


def as_teacher(
    cross: Scorer | str | os.PathLike[str] | None, budget: Budget | str | int | None
) -> tuple[Scorer, Budget] | None:
    """The cross-encoder, opened if it is a name, and its budget; None without a cross-encoder.

    A budget of None is three pairs a text. InputError for neither a cross-encoder nor a name, a
    budget that is none, or one for nobody.
    """
    if cross is None:
        if budget is not None:
            raise InputError("budget is for a cross-encoder: give that too (--cross, cross=).")
        return None
    allowed = Budget.parse("3n" if budget is None else budget)
    if isinstance(cross, str | os.PathLike):
        from sememe.encoders import CrossEncoder  # on use: an engine comes with it

        cross = CrossEncoder(cross)
    _options(cross)
    return cross, allowed


class ScoreCache:
    """Raw scores on disk, by cross-encoder and pair; shared by processes, and safe when killed.

    What cannot be read or written is as if it were not cached, and one warning says so.
    """

    def __init__(
        self, fingerprint: str, path: Path | None = None, *, most: int = MOST_SCORES
    ) -> None:
        self.path = path or cache_directory() / _FILE
        self._fingerprint = fingerprint.encode()
        self._most = most

    def get(self, pairs: Sequence[Pair]) -> dict[Pair, float]:
        """The raw scores of those of the pairs that have one."""
        pair_of = {self._key(pair): pair for pair in pairs}
        keys = list(pair_of)
        scores: dict[Pair, float] = {}
        try:
            with self._connection() as connection:
                for start in range(0, len(keys), _QUESTION):
                    some = keys[start : start + _QUESTION]
                    marks = ",".join("?" * len(some))
                    query = f"SELECT key, score FROM scores WHERE key IN ({marks})"
                    rows = connection.execute(query, some)
                    scores.update((pair_of[key], score) for key, score in rows)
        except (sqlite3.Error, OSError) as error:
            self._warn(error)
        return scores

    def put(self, pairs: Sequence[Pair], scores: Sequence[float]) -> None:
        """Keep the raw scores of pairs, all of them or none."""
        rows = [(self._key(pair), score) for pair, score in zip(pairs, scores, strict=True)]
        try:
            with self._connection() as connection, connection:
                connection.executemany(
                    "INSERT OR IGNORE INTO scores (key, score) VALUES (?, ?)", rows
                )
                first, last = connection.execute("SELECT min(id), max(id) FROM scores").fetchone()
                if rows and last - first >= self._most:
                    oldest = last - self._most * 3 // 4
                    connection.execute("DELETE FROM scores WHERE id <= ?", (oldest,))
        except (sqlite3.Error, OSError) as error:
            self._warn(error)

    def _key(self, pair: Pair) -> bytes:
        digest = blake2b(self._fingerprint, digest_size=16)
        for text in pair:
            raw = text.encode("utf-8", "surrogatepass")
            digest.update(len(raw).to_bytes(8, "little") + raw)
        return digest.digest()

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(self.path, timeout=_PATIENCE)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute(
                "CREATE TABLE IF NOT EXISTS scores "
                "(id INTEGER PRIMARY KEY, key BLOB UNIQUE NOT NULL, score REAL NOT NULL)"
            )
            yield connection

    def _warn(self, error: Exception) -> None:
        warn(
            f"The score cache {self.path} cannot be used ({error}), so scores are computed anew. "
            "If the file is damaged, delete it.",
            SememeWarning,
            once=True,
        )


class Reader:
    """Reads pairs with a cross-encoder, within a budget, and counts what that costs.

    Args:
        scorer: a `CrossEncoder`, or anything with `.score(pairs)`. Raw logits are taken where
            `score` has `raw=`; other scores that all lie between 0 and 1 are probabilities. They
            are kept on disk where it has a `fingerprint`.
        texts: the n texts.
        budget: pairs, or a time, which begins now.
        most: how many pairs there are to read.
        queries: how many texts, from the first, are read before the text that they are paired with.
            0 for none: a pair is then read in the order of its texts, the same one in every run.

    Attributes:
        budget: how many pairs may be read; None where it is a time.
        spent, cached: how many were read, and how many of these had been paid for before.
        seconds: how long that took.
    """

    def __init__(
        self,
        scorer: Scorer,
        texts: Sequence[str],
        budget: Budget,
        most: int,
        progress: bool | None = None,
        *,
        queries: int = 0,
    ) -> None:
        self.texts = texts
        self._queries = queries
        self.budget = None if budget.seconds else min(most, budget.count(len(texts)))
        self._limit = most if self.budget is None else self.budget
        self.spent = self.cached = 0
        self.seconds = 0.0
        self._options = _options(scorer)
        self._score = scorer.score
        self._progress = progress
        self._end = time.perf_counter() + (budget.seconds or np.inf)
        self._is_probability: bool | None = False if "raw" in self._options else None
        fingerprint = getattr(scorer, "fingerprint", None)
        self._cache = ScoreCache(fingerprint) if isinstance(fingerprint, str) else None
        self._work = f"pairs {fingerprint or id(scorer)}"
        self._is_announced = False
        self._warned: set[type[Warning]] = set()

    @property
    def remaining(self) -> int:
        """How many pairs the budget still allows, at the rate of those that were read."""
        pairs = self._limit - self.spent
        seconds = self._end - time.perf_counter()
        if seconds <= 0:
            return 0
        speed = rate(self._work)
        return int(min(pairs, seconds * speed)) if speed else pairs

    def read(self, first: Rows, second: Rows) -> Values:
        """The logits of pairs of rows, clipped; fewer, from the start, where the time is over."""
        started = time.perf_counter()
        ends = zip(first.tolist(), second.tolist(), strict=True)
        pairs = [(self.texts[one], self.texts[other]) for one, other in ends]
        if not self._queries:
            pairs = [(min(pair), max(pair)) for pair in pairs]
        scores = self._cache.get(pairs) if self._cache else {}
        cached = len(scores)
        missing = [pair for pair in pairs if pair not in scores]
        with progress_bar(len(missing), "pairs", self._progress) as bar:
            while missing and (
                size := min(_CHUNK if rate(self._work) else _FIRST_CHUNK, self.remaining)
            ):
                chunk, missing = missing[:size], missing[size:]
                values = self._scored(chunk)
                scores.update(zip(chunk, values, strict=True))
                if self._cache:
                    self._cache.put(chunk, values)
                self._announce()
                bar.update(len(chunk))
        # Those in time, from the start: cached ones that come later would make a biased sample.
        complete = pairs.index(missing[0]) if missing else len(pairs)
        self.spent += complete
        self.cached += min(cached, complete)
        self.seconds += time.perf_counter() - started
        return self._logits(np.array([scores[pair] for pair in pairs[:complete]], np.float64))

    def _scored(self, pairs: list[Pair]) -> list[float]:
        started = time.perf_counter()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            raw = self._score(pairs, **self._options)
        record_rate(self._work, len(pairs), time.perf_counter() - started)
        for warning in caught:
            if warning.category not in self._warned:  # of every chunk, once is enough
                self._warned.add(warning.category)
                warnings.warn_explicit(
                    warning.message, warning.category, warning.filename, warning.lineno
                )
        try:
            values = np.asarray(raw, np.float64)
        except (TypeError, ValueError):
            values = np.empty(0)
        if values.shape != (len(pairs),):
            raise InputError(
                f"the cross-encoder gave scores of shape {np.shape(raw)} for {len(pairs)} pairs: "
                "it must give one number a pair."
            )
        if not np.isfinite(values).all():
            bad = int(np.flatnonzero(~np.isfinite(values))[0])
            raise InputError(
                f"the cross-encoder gave {values[bad]} for the pair {shown(pairs[bad])}: its "
                "scores must be finite numbers."
            )
        return [float(value) for value in values]

    def _announce(self) -> None:
        """Say what the run costs, once its rate is known, and what reading everything would."""
        if self._is_announced:
            return
        self._is_announced = True
        count, queries = len(self.texts), self._queries
        every = queries * (count - queries) if queries else count * (count - 1) // 2
        pairs = self.spent + self.remaining
        speed = rate(self._work) or np.inf
        warn(
            f"Exhaustive would be {every:,} pairs, about {duration(every / speed)} here; this run "
            f"reads at most {pairs:,} pairs, about {duration(pairs / speed)}.",
            CostWarning,
        )

    def _logits(self, scores: Values) -> Values:
        if self._is_probability is None and len(scores):
            self._is_probability = bool(scores.min() >= 0 and scores.max() <= 1)
        if self._is_probability:
            with np.errstate(divide="ignore"):
                scores = np.log(np.clip(scores, 0, 1)) - np.log1p(-np.clip(scores, 0, 1))
        return np.clip(scores, -CLIP, CLIP)


def _options(scorer: Scorer) -> dict[str, Any]:
    """What `score` is called with: raw logits, and no bar of its own, where it takes these."""
    score = getattr(scorer, "score", None)
    if isinstance(scorer, type) or not callable(score):
        raise InputError(
            f"cross={shown(scorer)} scores no pairs: give a cross-encoder's name, or what has "
            "score(pairs), such as sememe.CrossEncoder(...)."
        )
    labels = getattr(scorer, "labels", ())
    if len(labels) > 1:
        raise InputError(
            f"this cross-encoder has the labels {', '.join(map(str, labels))}, and sememe cannot "
            "know which one means that two texts belong together: give one with a single score."
        )
    try:
        parameters = inspect.signature(score).parameters
    except ValueError:  # compiled, and without a signature
        return {}
    values = {"raw": True, "progress": False}
    return {name: value for name, value in values.items() if name in parameters}

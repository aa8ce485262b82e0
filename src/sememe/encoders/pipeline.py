"""Items through tokenizer and engine: tokenising ahead, packing under the engine's token budget.

An item is a text, for a bi-encoder, or a pair of texts, for a cross-encoder.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TypeVar

import numpy as np

from sememe.costs import duration
from sememe.encoders.truncation import CutCounter
from sememe.engines import Array, Engine
from sememe.errors import CostWarning, warn
from sememe.processes import submit
from sememe.progress import Bar
from sememe.text import Batch, Chunks, Tokens, batches

_TIMED_TOKENS = 8192
"""After so many tokens it is known how long the job will take."""

# docs/decisions/padding.md has the measurements.
_BATCHES, _LEAST_BUDGET = 16, 192

_WINDOW_ITEMS, _WINDOW_CHARACTERS = 16_384, 2_000_000
_LONG_JOB_SECONDS = 60

Item = TypeVar("Item", str, tuple[str, str])
Read = TypeVar("Read", Tokens, Chunks)


class Cost:
    """What is said of a job that takes long: once, in however many parts it comes.

    Attributes:
        after: how many items come after the part that is being computed.
    """

    def __init__(self) -> None:
        self.after = 0
        self.said = False


class Pipeline:
    """An engine that is fed; safe to be used from any number of threads at once.

    Args:
        engine: what computes.
        work: what is said of a job that takes long, such as "Encoding {:,} texts".
    """

    def __init__(self, engine: Engine, work: str = "Encoding {:,} texts") -> None:
        self.engine = engine
        self._work = work
        self._rate = 0.0
        """Tokens a second, once they are measured."""

    def values(
        self,
        items: Sequence[Item],
        tokenize: Callable[[Sequence[Item]], Tokens],
        cut: CutCounter[Item],
        bar: Bar,
        *,
        skip: int = 0,
        cost: Cost | None = None,
    ) -> Iterator[tuple[Batch, Array]]:
        """Yield computed batches of different items, counting what is cut and what is done.

        Without a `cost`, it is not said how long they take.
        """
        for first, tokens in tokenized(items, tokenize):
            cut.add(tokens, items[first : first + len(tokens.lengths)])
            left = len(items) - first + cost.after if cost else 0
            for batch, values in self.run(first, tokens, skip=skip, remaining=left, cost=cost):
                yield batch, values
                bar.update(len(batch.rows))

    def pooled(
        self,
        texts: Sequence[str],
        chunk: Callable[[Sequence[str]], Chunks],
        bar: Bar,
        *,
        skip: int = 0,
        cost: Cost | None = None,
    ) -> Array:
        """The vectors of texts of any length: means of their windows', weighted by their tokens.

        Returns:
            float32 (n, dim); of a text that is one window, that window's vector to the bit.
        """
        found = np.empty((len(texts), self.engine.dim), np.float32)
        for first, chunks in tokenized(texts, chunk):
            count, done = len(chunks.share), len(chunks.first)
            windows = np.empty((count, self.engine.dim), np.float32)
            begins = np.isin(np.arange(count), chunks.first)
            left = (len(texts) - first + cost.after) * count // done if cost else 0
            computed = self.run(first, chunks.tokens, skip=skip, remaining=left, cost=cost)
            for batch, values in computed:
                windows[batch.rows - first] = values
                bar.update(int(begins[batch.rows - first].sum()))
            weighted = windows * chunks.share[:, None]
            found[first : first + done] = np.add.reduceat(weighted, chunks.first)
        return found

    def run(
        self,
        first: int,
        tokens: Tokens,
        *,
        skip: int = 0,
        remaining: int = 0,
        cost: Cost | None = None,
    ) -> Iterator[tuple[Batch, Array]]:
        """Compute one window, batch by batch; rows are counted from `first`."""
        cost = cost or Cost()
        if first == 0:
            self._say_cost(tokens, remaining, cost)
        # A small job is shared between the streams, in batches of few lengths and little padding;
        # in as many on every machine, since how a text is padded decides its last bits.
        share = int(tokens.lengths.sum()) // _BATCHES + 1
        budget = min(self.engine.budget, max(_LEAST_BUDGET, share))
        packed = batches(tokens, np.arange(len(tokens.lengths)), budget)
        started, done = time.perf_counter(), 0
        for batch, values in self.engine.run(replace(batch, skip=skip) for batch in packed):
            yield replace(batch, rows=batch.rows + first), values
            done += int(batch.lengths.sum())
            if not self._rate and done >= _TIMED_TOKENS:
                self._rate = done / (time.perf_counter() - started)
                self._say_cost(tokens, remaining, cost)

    def _say_cost(self, tokens: Tokens, remaining: int, cost: Cost) -> None:
        if not self._rate or cost.said:
            return
        seconds = remaining * float(tokens.lengths.mean()) / self._rate
        if seconds > _LONG_JOB_SECONDS:
            cost.said = True
            what = self._work.format(remaining)
            warn(f"{what} will take about {duration(seconds)}.", CostWarning)


def tokenized(
    items: Sequence[Item], tokenize: Callable[[Sequence[Item]], Read]
) -> Iterator[tuple[int, Read]]:
    """Yield windows of tokenised items and where each starts, always one window ahead."""
    with ThreadPoolExecutor(1) as ahead:
        start, upcoming = 0, None
        for size in _windows(items):
            current = upcoming
            upcoming = (start, submit(ahead, tokenize, items[start : start + size]))
            start += size
            if current:
                yield current[0], current[1].result()
        if upcoming:
            yield upcoming[0], upcoming[1].result()


def characters(item: str | tuple[str, str]) -> int:
    """How long an item is, before it is known how many tokens it has."""
    return len(item) if isinstance(item, str) else len(item[0]) + len(item[1])


def _windows(items: Sequence[Item]) -> Iterator[int]:
    size = total = 0
    for item in items:
        size, total = size + 1, total + characters(item)
        if size == _WINDOW_ITEMS or total > _WINDOW_CHARACTERS:
            yield size
            size = total = 0
    if size:
        yield size

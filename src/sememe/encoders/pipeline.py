"""Texts through tokenizer and engine: tokenising ahead, packing under a token budget."""

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np

from sememe.engines import Array, Engine
from sememe.errors import CostWarning, warn
from sememe.text import Batch, Tokenizer, Tokens, batches

# The same for every job: how a text is padded decides its last bits, and the same texts are to
# give the same vectors tomorrow. Other budgets were a few per cent faster or slower.
BUDGET = 1024
"""Tokens of a batch, padding included."""

_TIMED_TOKENS = 8192
"""After so many tokens it is known how long the job will take."""

_WINDOW_TEXTS, _WINDOW_CHARACTERS = 16_384, 2_000_000
_LONG_JOB_SECONDS = 60


class Pipeline:
    """One tokenizer and one engine; safe to be used from any number of threads at once."""

    def __init__(self, tokenizer: Tokenizer, engine: Engine) -> None:
        self.tokenizer = tokenizer
        self.engine = engine
        self._rate = 0.0
        """Tokens a second, once they are measured."""

    def tokenized(self, texts: Sequence[str]) -> Iterator[tuple[int, Tokens]]:
        """Yield windows of tokenised texts and where each starts, always one window ahead."""
        with ThreadPoolExecutor(1) as ahead:
            start, upcoming = 0, None
            for size in _windows(texts):
                current = upcoming
                upcoming = (start, ahead.submit(self.tokenizer, texts[start : start + size]))
                start += size
                if current:
                    yield current[0], current[1].result()
            if upcoming:
                yield upcoming[0], upcoming[1].result()

    def run(
        self, first: int, tokens: Tokens, *, skip: int = 0, remaining: int = 0
    ) -> Iterator[tuple[Batch, Array]]:
        """Compute one window, batch by batch; rows are counted from `first`."""
        if first == 0:
            self._say_cost(tokens, remaining)
        # A small job is shared between the streams, rather than left to one.
        budget = min(BUDGET, int(tokens.lengths.sum()) // self.engine.streams + 1)
        packed = batches(tokens, np.arange(len(tokens.lengths)), budget)
        started, done = time.perf_counter(), 0
        for batch, values in self.engine.run(replace(batch, skip=skip) for batch in packed):
            yield replace(batch, rows=batch.rows + first), values
            done += int(batch.lengths.sum())
            if not self._rate and done >= _TIMED_TOKENS:
                self._rate = done / (time.perf_counter() - started)
                self._say_cost(tokens, remaining)

    def _say_cost(self, tokens: Tokens, remaining: int) -> None:
        if not self._rate:
            return
        seconds = remaining * float(tokens.lengths.mean()) / self._rate
        if seconds > _LONG_JOB_SECONDS:
            warn(f"Encoding {remaining:,} texts will take about {_minutes(seconds)}.", CostWarning)


def _windows(texts: Sequence[str]) -> Iterator[int]:
    size = characters = 0
    for text in texts:
        size, characters = size + 1, characters + len(text)
        if size == _WINDOW_TEXTS or characters > _WINDOW_CHARACTERS:
            yield size
            size = characters = 0
    if size:
        yield size


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"

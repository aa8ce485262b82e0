"""Texts through tokenizer and engine: tokenising ahead, packing under a token budget.

The token budget is found on the job itself: the first texts are shared out between a few budgets,
the fastest one is kept for the life of the pipeline, and no work is thrown away.
"""

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np

from sememe.engines import Array, Engine
from sememe.errors import CostWarning, warn
from sememe.text import Batch, Rows, Tokenizer, Tokens, batches

_BUDGETS = (512, 1024, 2048)
_DEFAULT_BUDGET = 1024
_TRIAL_TOKENS = 8192
"""Tokens for each trial of a budget: enough batches to keep every stream of a laptop busy."""

_WINDOW_TEXTS, _WINDOW_CHARACTERS = 16_384, 2_000_000
_LONG_JOB_SECONDS = 60


class Pipeline:
    """One tokenizer and one engine; safe to be used from any number of threads at once."""

    def __init__(self, tokenizer: Tokenizer, engine: Engine) -> None:
        self.tokenizer = tokenizer
        self.engine = engine
        self.budget: int | None = None
        """The token budget of a batch, once it is known."""
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
        rows = np.arange(len(tokens.lengths))
        if first == 0:
            self._say_cost(tokens, remaining)
        if self.budget is None and tokens.lengths.sum() >= 2 * len(_BUDGETS) * _TRIAL_TOKENS:
            rows, trials = _trial_rows(tokens)
            yield from self._try_budgets(tokens, trials, first, skip, remaining)
        yield from self.engine.run(self._batches(tokens, rows, first, skip, self.budget))

    def _batches(
        self, tokens: Tokens, rows: Rows, first: int, skip: int, budget: int | None
    ) -> Iterator[Batch]:
        budget = budget or _DEFAULT_BUDGET
        # A small job is shared between the streams, rather than left to one.
        share = int(tokens.lengths[rows].sum()) // self.engine.streams + 1
        for batch in batches(tokens, rows, min(budget, share)):
            yield replace(batch, rows=batch.rows + first, skip=skip)

    def _try_budgets(
        self, tokens: Tokens, trials: list[Rows], first: int, skip: int, remaining: int
    ) -> Iterator[tuple[Batch, Array]]:
        rates = {}
        for budget, rows in zip(_BUDGETS, trials, strict=True):
            started = time.perf_counter()
            yield from self.engine.run(self._batches(tokens, rows, first, skip, budget))
            rates[budget] = tokens.lengths[rows].sum() / (time.perf_counter() - started)
        self.budget = max(rates, key=rates.__getitem__)
        self._rate = rates[self.budget]
        self._say_cost(tokens, remaining)

    def _say_cost(self, tokens: Tokens, remaining: int) -> None:
        if not self._rate:
            return
        seconds = remaining * float(tokens.lengths.mean()) / self._rate
        if seconds > _LONG_JOB_SECONDS:
            warn(f"Encoding {remaining:,} texts will take about {_minutes(seconds)}.", CostWarning)


def _trial_rows(tokens: Tokens) -> tuple[Rows, list[Rows]]:
    """Share the first texts out to the budgets, each with the same mixture of lengths."""
    enough = int(np.searchsorted(np.cumsum(tokens.lengths), len(_BUDGETS) * _TRIAL_TOKENS)) + 1
    sample = np.argsort(-tokens.lengths[:enough], kind="stable")
    shares = [sample[share :: len(_BUDGETS)] for share in range(len(_BUDGETS))]
    return np.arange(enough, len(tokens.lengths)), shares


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

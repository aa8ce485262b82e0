"""Texts or pairs through tokenizer and engine: tokenised ahead, packed under a token budget."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, Generic, TypeVar

import numpy as np

from sememe.costs import rate, record_rate, warn_of_duration
from sememe.engines import Array, Engine
from sememe.errors import InputError, TruncationWarning, warn
from sememe.processes import submit
from sememe.progress import Bar, progress_bar
from sememe.text import Batch, Rows, Tokens, batches

_TIMED_TOKENS = 8192
"""After so many tokens it is known how long the job will take."""

# docs/decisions/padding.md has the measurements.
_BATCHES, _LEAST_BUDGET = 16, 192

_WINDOW_ITEMS, _WINDOW_CHARACTERS = 16_384, 2_000_000

Item = TypeVar("Item", str, tuple[str, str])


class Work(Generic[Item]):
    """One call's work, in however many parts: its progress bar, what was cut, what it will cost.

    As a context manager, it warns once at the end of all that was cut. Without a `total` of items
    the cost is not known. `max_length` is how many tokens of an item the model reads, `noun` what
    an item is called, and `refuses_long` whether one over `max_length` is an error.
    """

    def __init__(
        self,
        total: int | None,
        max_length: int,
        progress: bool | None = None,
        *,
        noun: str = "text",
        refuses_long: bool = False,
    ) -> None:
        self.bar: Bar
        self.later = 0
        """How many items come after the part that is being computed."""
        self._has_cost = total is not None
        self.is_announced = False
        self._context = progress_bar(total, f"{noun}s", progress)
        self._max_length = max_length
        self._noun = noun
        self._refuses_long = refuses_long
        self._seen = 0
        self._cuts: list[int] = []
        self._items: Sequence[Item] = ()

    def __enter__(self) -> "Work[Item]":
        self.bar = self._context.__enter__()
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        self._context.__exit__(kind, error, trace)
        if error is None and self._cuts:
            warn(
                f"{len(self._cuts):,} of {self._seen:,} {self._noun}s were longer than the "
                f"{self._max_length} tokens the model reads and were cut: {sum(self._cuts):,} "
                f"tokens were left out, {max(self._cuts):,} from the longest {self._noun}.",
                TruncationWarning,
            )

    def begin(self, items: Sequence[Item], place: Callable[[int], str] | None = None) -> None:
        """Begin a part; `place` is how messages call item i."""
        self._items = items
        self._place = place or f"{self._noun}s[{{}}]".format
        self._tokens_cut: dict[Item, int] = {}

    def add(self, tokens: Tokens, different: Sequence[Item]) -> None:
        """Count what was cut from different items of the part."""
        for row in np.flatnonzero(tokens.cut).tolist():
            if self._refuses_long:
                raise InputError(
                    f"{self._place(self._items.index(different[row]))} has "
                    f"{int(tokens.lengths[row] + tokens.cut[row]):,} tokens and the model reads "
                    f'{self._max_length}; shorten it, or pass long="chunk" or long="truncate".'
                )
            self._tokens_cut[different[row]] = int(tokens.cut[row])

    def end(self, computed: int) -> None:
        """End a part, of which so many were computed and the others repeat them."""
        cut = self._tokens_cut
        self._seen += len(self._items)
        self._cuts += [cut[item] for item in self._items if item in cut] if cut else []
        self.bar.update(computed)

    def remaining(self, items: int) -> int:
        """How many items of the call remain, with so many of the part; 0 if it is not known."""
        return items + self.later if self._has_cost else 0


class Pipeline:
    """An engine that is fed; safe to be used from any number of threads at once.

    Its rate is kept for the process by the model's name; `sentence` begins the warning of a long
    job.
    """

    def __init__(
        self, engine: Engine, model: str = "", sentence: str = "Encoding {:,} texts"
    ) -> None:
        self.engine = engine
        self.rate_name = f"tokens {model} {engine.name} {engine.precision} {engine.dim}"
        self._sentence = sentence

    def values(
        self,
        items: Sequence[Item],
        tokenize: Callable[[Sequence[Item]], Tokens],
        work: Work[Item],
        *,
        skip: int = 0,
        done: Rows | None = None,
    ) -> Iterator[tuple[Batch, Array]]:
        """Yield computed batches; `done` is how many items of the call each completes, else one."""
        for first, tokens in tokenized(items, tokenize):
            work.add(tokens, items[first : first + len(tokens.lengths)])
            remaining = work.remaining(len(items) - first)
            for batch, values in self.run(first, tokens, work, skip=skip, remaining=remaining):
                yield batch, values
                work.bar.update(len(batch.rows) if done is None else int(done[batch.rows].sum()))

    def run(
        self, first: int, tokens: Tokens, work: Work[Any], *, skip: int = 0, remaining: int = 0
    ) -> Iterator[tuple[Batch, Array]]:
        """Compute one window, batch by batch; rows are counted from `first`."""
        if first == 0:
            self._warn_of_cost(tokens, remaining, work)
        # A small job is shared between the streams, in batches of few lengths and little padding;
        # in as many on every machine, since how a text is padded decides its last bits.
        share = int(tokens.lengths.sum()) // _BATCHES + 1
        budget = min(self.engine.budget, max(_LEAST_BUDGET, share))
        packed = batches(tokens, np.arange(len(tokens.lengths)), budget)
        started, done = time.perf_counter(), 0
        for batch, values in self.engine.run(replace(batch, skip=skip) for batch in packed):
            yield replace(batch, rows=batch.rows + first), values
            done += int(batch.lengths.sum())
            if done >= _TIMED_TOKENS and not rate(self.rate_name):
                record_rate(self.rate_name, done, time.perf_counter() - started)
                self._warn_of_cost(tokens, remaining, work)

    def _warn_of_cost(self, tokens: Tokens, remaining: int, work: Work[Any]) -> None:
        if remaining and (speed := rate(self.rate_name)) and not work.is_announced:
            seconds = remaining * float(tokens.lengths.mean()) / speed
            work.is_announced = warn_of_duration(self._sentence.format(remaining), seconds)


def tokenized(
    items: Sequence[Item], tokenize: Callable[[Sequence[Item]], Tokens]
) -> Iterator[tuple[int, Tokens]]:
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

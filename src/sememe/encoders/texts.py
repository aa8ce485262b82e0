"""Texts behind a prompt, through tokenizer and engine: each once, long ones by their passages."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain

import numpy as np

from sememe.arguments import whole_number
from sememe.checkpoint.modules import Pooling
from sememe.encoders.pipeline import Pipeline, Work
from sememe.encoders.vectors import VectorOptions, Vectors, finish
from sememe.engines import Array
from sememe.errors import InputError
from sememe.text import Batch, Rows, StaticTokenizer, Tokenizer, split_passages

_PASSAGE = 512  # tokens: longer ones say too much for one vector


@dataclass(frozen=True)
class Texts:
    """What a bi-encoder does with texts, whatever the engine of the pipeline computes of them."""

    _tokenizer: Tokenizer | StaticTokenizer
    _pooling: Pooling
    _pipeline: Pipeline

    def vectors(
        self,
        texts: list[str],
        options: VectorOptions,
        work: Work[str],
        place: Callable[[int], str] | None = None,
    ) -> Vectors:
        """The vectors of all texts, or of a part, whose text i a message calls `place(i)`."""
        work.begin(texts, place)
        rows = _rows(texts)
        if options.long == "chunk":
            computed = self._means(list(rows), options.prompt, work)
        else:
            computed = np.empty((len(rows), self._pipeline.engine.dim), np.float32)
            for batch, values in self._compute(self._pipeline, list(rows), options.prompt, work):
                computed[batch.rows] = values
        vectors = finish(computed, options)
        work.end(len(texts) - len(rows))
        return vectors[[rows[text] for text in texts]] if len(rows) < len(texts) else vectors

    def states(
        self, pipeline: Pipeline, texts: list[str], prompt: str, work: Work[str]
    ) -> list[Array]:
        """Of each text an array of its own, (tokens, hidden), of a pipeline that gives these."""
        work.begin(texts)
        rows = _rows(texts)
        states = {
            int(row): values[:length].copy()
            for batch, padded in self._compute(pipeline, list(rows), prompt, work)
            for row, length, values in zip(batch.rows, batch.lengths, padded, strict=True)
        }
        work.end(len(texts) - len(rows))
        return [states[rows[text]].copy() for text in texts]

    def split(
        self, prompt: str, texts: list[str], tokens: int | None = None, overlap: int | None = None
    ) -> list[list[tuple[int, int]]]:
        """The passages of each text behind a prompt; see `BiEncoder.passages`."""
        room = self._room(prompt)
        tokens = whole_number(
            "tokens", min(room, _PASSAGE) if tokens is None else tokens, most=room
        )
        overlap = tokens // 8 if overlap is None else overlap
        count = self._tokenizer.count
        return [split_passages(text, count, tokens=tokens, overlap=overlap) for text in texts]

    def _room(self, prompt: str) -> int:
        """How many tokens of a text are read behind a prompt."""
        (size,) = self._tokenizer.count([prompt])
        if size >= self._tokenizer.room:
            raise InputError(
                f"The prompt has {size:,} tokens and the model reads {self._tokenizer.max_length:,}"
                ", so there is no room for a text; take a shorter one."
            )
        return self._tokenizer.room - size

    def _means(self, texts: list[str], prompt: str, work: Work[str]) -> Array:
        """The vectors of texts of any length: means of their passages', weighted by their tokens.

        A text that fits is one passage, and has that one's vector to the bit.
        """
        room, count = self._room(prompt), self._tokenizer.count
        parts = [
            [text[start:end] for start, end in split_passages(text, count, tokens=room)] or [text]
            if size > room
            else [text]
            for text, size in zip(texts, count(texts), strict=True)
        ]
        sizes = np.array([len(part) for part in parts], np.intp)
        owners = np.repeat(np.arange(len(texts)), sizes)
        begins = np.diff(owners, prepend=-1)
        vectors = np.zeros((len(texts), self._pipeline.engine.dim), np.float32)
        totals = np.zeros((len(texts), 1), np.float32)
        pieces = list(chain(*parts))
        for batch, values in self._compute(self._pipeline, pieces, prompt, work, begins):
            rows = owners[batch.rows]
            content = np.maximum(batch.lengths - (self._tokenizer.max_length - room), 1)
            weights = np.where(sizes[rows] > 1, content, 1)[:, None]
            np.add.at(vectors, rows, values * weights)
            np.add.at(totals, rows, weights)
        return vectors / totals

    def _compute(
        self,
        pipeline: Pipeline,
        texts: list[str],
        prompt: str,
        work: Work[str],
        done: Rows | None = None,
    ) -> Iterator[tuple[Batch, Array]]:
        """The computed batches of texts, each behind a prompt; for `done` see `Pipeline.values`."""
        tokenize = lambda window: self._tokenizer([prompt + text for text in window])  # noqa: E731
        # How many first tokens the pooling leaves out.
        leaves_out = prompt and not self._pooling.include_prompt
        skip = self._tokenizer.prompt_length(prompt) if leaves_out else 0
        return pipeline.values(texts, tokenize, work, skip=skip, done=done)


def _rows(texts: list[str]) -> dict[str, int]:
    """Different texts in the order in which they first come, each with its row."""
    return {text: row for row, text in enumerate(dict.fromkeys(texts))}

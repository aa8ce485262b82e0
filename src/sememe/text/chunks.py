"""Texts to token ids, whole: one that is too long becomes windows that overlap."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from sememe.errors import InputError
from sememe.text.sentences import windows
from sememe.text.tokens import Tokenizer, Tokens
from sememe.text.words import StaticTokenizer


@dataclass(frozen=True)
class Chunks:
    """Texts as windows that the model can read; a text that fits is one window.

    Attributes:
        tokens: of n windows, those of a text in order and side by side.
        first: the first window of each text, intp (texts,).
        share: what part of its text's vector each window is, by its tokens, float32 (n,).
    """

    tokens: Tokens
    first: npt.NDArray[np.intp]
    share: npt.NDArray[np.float32]


def chunked(tokenizer: Tokenizer, prompt: str, texts: Sequence[str]) -> Chunks:
    """Tokenise texts, each window of them behind the prompt.

    Raises:
        InputError: a prompt that leaves no room for a text.
    """
    given = [prompt + text for text in texts]
    if isinstance(tokenizer, StaticTokenizer):  # a mean of token vectors has no limit
        return _unlimited(tokenizer(given))
    found: list[tuple[list[int], int]] = []
    first = np.empty(len(texts), np.intp)
    for row, encoding in enumerate(tokenizer.encodings(given)):
        first[row] = len(found)
        if encoding.overflowing:
            found += _windows(encoding, given[row], len(prompt), tokenizer.max_length)
        else:
            found.append((encoding.ids, 1))
    ids, sizes = zip(*found, strict=True)
    totals = np.repeat(np.add.reduceat(sizes, first), np.diff(first, append=len(ids)))
    return Chunks(tokenizer.joined(ids), first, (np.array(sizes) / totals).astype(np.float32))


def _unlimited(tokens: Tokens) -> Chunks:
    """Every text as one window, with what was cut from it."""
    lengths = (tokens.lengths + tokens.cut).astype(np.int32)
    texts = np.arange(len(lengths), dtype=np.intp)
    whole = replace(tokens, lengths=lengths, cut=np.zeros_like(tokens.cut))
    return Chunks(whole, texts, np.ones(len(lengths), np.float32))


def _windows(
    encoding: Any, text: str, prompt: int, max_length: int
) -> Iterator[tuple[list[int], int]]:
    """Each window's ids, prompt and special tokens included, and how many are the text's own."""
    mask = encoding.special_tokens_mask
    before, behind = mask.index(0), mask[::-1].index(0)
    pieces = [encoding, *encoding.overflowing]
    own = slice(before, -behind or None)
    ids = [token for piece in pieces for token in piece.ids[own]]
    places = [place for piece in pieces for place in piece.offsets[own]]
    led = sum(end <= prompt for _, end in places) if prompt else 0
    room = max_length - before - behind - led
    if room < 1:
        raise InputError(
            f"The prompt has {led} tokens and the model reads {max_length}, so there is no room "
            "for a text; take a shorter one."
        )
    head, tail = encoding.ids[:before] + ids[:led], encoding.ids[len(mask) - behind :]
    for start, stop in windows(text, [begin for begin, _ in places[led:]], room):
        yield head + ids[led + start : led + stop] + tail, stop - start

"""Texts to token ids, read whole: one that is too long becomes windows that overlap.

They end where sentences do, if possible. Overlapping segments of a transformer's length go back to
Pappagari et al. (2019).
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from sememe.errors import InputError
from sememe.text.static_tokenizer import StaticTokenizer
from sememe.text.tokenizer import Tokenizer, Tokens

# So much of a window may stand in the one before too.
_OVERLAP = 1 / 8

# Each break is where a match ends, before the whitespace: some tokenizers count that to the next
# word. A full stop behind a single letter (J. Smith, e.g.) ends no sentence.
_SENTENCE = re.compile(
    r"""(?:(?<!\b[^\W\d_])\.|[!?…։])["'”’»)\]]*(?=\s)"""  # scripts with spaces
    r"""|[。．！？｡؟۔।॥።။។]["'”’»」』）]*"""  # a mark that says it alone
    r"""|\S(?=\s*[\n\r\u2028\u2029])"""
)
_WORD = re.compile(r"\S(?=\s)")


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
    prompted = [prompt + text for text in texts]
    if isinstance(tokenizer, StaticTokenizer):  # a mean of token vectors has no limit
        tokens = tokenizer(prompted)
        lengths = (tokens.lengths + tokens.cut).astype(np.int32)
        uncut = replace(tokens, lengths=lengths, cut=np.zeros_like(tokens.cut))
        return Chunks(uncut, np.arange(len(texts)), np.ones(len(texts), np.float32))
    pieces: list[tuple[list[int], int]] = []
    first = np.empty(len(texts), np.intp)
    for row, encoding in enumerate(tokenizer.encodings(prompted)):
        first[row] = len(pieces)
        if encoding.overflowing:
            pieces += _text_windows(encoding, prompted[row], len(prompt), tokenizer.max_length)
        else:
            pieces.append((encoding.ids, 1))
    ids, sizes = zip(*pieces, strict=True)
    totals = np.repeat(np.add.reduceat(sizes, first), np.diff(first, append=len(ids)))
    return Chunks(tokenizer.joined(ids), first, (np.array(sizes) / totals).astype(np.float32))


def _text_windows(
    encoding: Any, text: str, prompt: int, max_length: int
) -> Iterator[tuple[list[int], int]]:
    """Each window's ids, prompt and special tokens included, and how many are the text's own."""
    mask = encoding.special_tokens_mask
    before, behind = mask.index(0), mask[::-1].index(0)
    pieces = [encoding, *encoding.overflowing]
    inner = slice(before, -behind or None)
    ids = [token for piece in pieces for token in piece.ids[inner]]
    places = [place for piece in pieces for place in piece.offsets[inner]]
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


def sentences(text: str) -> list[str]:
    """The sentences of a text, without the space around them.

    Example:
        >>> sentences("One two. Three (J. Smith) four!")
        ['One two.', 'Three (J. Smith) four!']
    """
    return [text[start:end] for start, end in sentence_spans(text)]


def sentence_spans(text: str) -> list[tuple[int, int]]:
    """Where the sentences of a text begin and end, without the space around them.

    Example:
        >>> sentence_spans("One two. Three!")
        [(0, 8), (9, 15)]
    """
    return stripped_spans(
        text, [0, *(match.end() for match in _SENTENCE.finditer(text)), len(text)]
    )


def stripped_spans(text: str, breaks: Sequence[int]) -> list[tuple[int, int]]:
    """What lies between breaks, without the space around it; not what is blank."""
    parts = ((start, text[start:end]) for start, end in pairwise(breaks))
    return [
        (start + len(part) - len(part.lstrip()), start + len(part.rstrip()))
        for start, part in parts
        if part.strip()
    ]


def windows(text: str, starts: Sequence[int], room: int) -> list[tuple[int, int]]:
    """Cut the tokens of a text into windows [start, stop) of at most `room` tokens, in order.

    Every token is in at least one. A window ends at the last sentence end that it reaches and the
    window before did not; without one, between words; without spaces, anywhere. The next one goes
    back by at most an eighth of `room`, to where a sentence begins, or a word.

    Args:
        text: the text.
        starts: the character where each token begins.
        room: how many tokens the model reads.

    Example:
        >>> windows("One two. Three four.", [0, 4, 7, 9, 15, 19], room=4)
        [(0, 3), (3, 6)]
    """
    kinds = [
        np.unique(np.searchsorted(starts, [match.end() for match in kind.finditer(text)])).tolist()
        for kind in (_SENTENCE, _WORD)
    ]
    spans = []
    start = stop = 0
    while start + room < len(starts):
        stop = _last(kinds, stop, start + room)
        spans.append((start, stop))
        start = _first(kinds, max(start + 1, stop - int(room * _OVERLAP)), stop)
    return [*spans, (start, len(starts))]


def _last(kinds: Sequence[Sequence[int]], above: int, most: int) -> int:
    """The last break over `above` and up to `most`, of the best kind that has one; or `most`."""
    for breaks in kinds:
        at = bisect_right(breaks, most)
        if at and breaks[at - 1] > above:
            return breaks[at - 1]
    return most


def _first(kinds: Sequence[Sequence[int]], least: int, below: int) -> int:
    """The first break from `least` on and under `below`, likewise; or `least`."""
    for breaks in kinds:
        at = bisect_left(breaks, least)
        if at < len(breaks) and breaks[at] < below:
            return breaks[at]
    return least

"""A long text as passages that end where paragraphs or sentences do, each short enough to read."""

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from sememe.arguments import whole_number

Span = tuple[int, int]
Counter = Callable[[Sequence[str]], Sequence[int]]

# Each break is where a match ends, before the whitespace: some tokenizers count that to the next
# word. A full stop behind a single letter (J. Smith, e.g.) ends no sentence.
_SENTENCE = re.compile(
    r"""(?:(?<!\b[^\W\d_])\.|[!?…։])["'”’»)\]]*(?=\s)"""  # scripts with spaces
    r"""|[。．！？｡؟۔।॥።။។]["'”’»」』）]*"""  # a mark that says it alone
    r"""|\S(?=\s*[\n\r\u2028\u2029])"""
)
_BLANK_LINE = re.compile(r"\n[^\S\n]*\n|\r\s*\r|\u2029")
_PARAGRAPH, _SENTENCE_END, _PART = range(3)
"""What ends with a unit, the best end for a passage first."""


class _Unit(NamedTuple):
    """A sentence, or a part of one: where it is, how many tokens it has, what ends with it."""

    start: int
    end: int
    size: int
    closes: int


def sentences(text: str) -> list[str]:
    """The sentences of a text, without the space around them.

    >>> sentences("One two. Three (J. Smith) four!")
    ['One two.', 'Three (J. Smith) four!']
    """
    return [text[start:end] for start, end in sentence_spans(text)]


def sentence_spans(text: str) -> list[tuple[int, int]]:
    """Where the sentences of a text begin and end, without the space around them."""
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


def split_passages(
    text: str, count_tokens: Counter, *, tokens: int, overlap: int = 0
) -> list[Span]:
    """Split a text into passages that have at most so many tokens.

    A passage ends at the last end of a paragraph in its second half, or else at its last end of a
    sentence. A sentence that is too long is cut between words, and a word between characters.

    Args:
        text: the text.
        count_tokens: texts to the number of tokens that each has, without special ones.
        tokens: of a passage, at most; a single character may have more.
        overlap: a passage begins with as many whole sentences from the end of the one before as
            have at most so many tokens together.

    Returns:
        The character spans [start, end) of the passages in order, without the space around them;
        all that is not blank is in at least one.

    Example:
        >>> words = lambda texts: [len(text.split()) for text in texts]
        >>> split_passages("One two. Three. Four five six.", words, tokens=4, overlap=1)
        [(0, 15), (9, 30)]
    """
    whole_number("tokens", tokens)
    whole_number("overlap", overlap, least=0, most=tokens - 1)
    units = _units(text, count_tokens, tokens)
    spans = _pack(units, tokens, overlap)
    counts = count_tokens([text[start:end] for start, end in spans])
    if any(n > tokens and end - start > 1 for n, (start, end) in zip(counts, spans, strict=True)):
        # Seldom: together, sentences without a space between them have more tokens than apart.
        fits = lambda start, end: count_tokens([text[start:end]])[0] <= tokens  # noqa: E731
        spans = _pack(units, tokens, overlap, fits)
    return spans


def _units(text: str, count_tokens: Counter, tokens: int) -> list[_Unit]:
    sentences = sentence_spans(text)
    # With the space before it, as a sentence stands in a passage.
    befores = [0, *(end for _, end in sentences)]
    counts = count_tokens(
        [text[before:end] for before, (_, end) in zip(befores, sentences, strict=False)]
    )
    units: list[_Unit] = []
    spans = pairwise([*sentences, (len(text), len(text))])
    for (span, (following, _)), count in zip(spans, counts, strict=True):
        if count > tokens:  # but perhaps not without the space
            (count,) = count_tokens([text[slice(*span)]])
        units += _parts(text, span, count, count_tokens, tokens)
        is_paragraph = _BLANK_LINE.search(text, span[1], following)
        units[-1] = units[-1]._replace(closes=_PARAGRAPH if is_paragraph else _SENTENCE_END)
    return units


def _parts(
    text: str, span: Span, count: int, count_tokens: Counter, tokens: int
) -> Iterator[_Unit]:
    """A span, or parts of it that have few enough tokens, cut between words if possible."""
    start, end = span
    if count <= tokens or end - start == 1:
        yield _Unit(start, end, count, _PART)
        return
    pieces = min(end - start, -(-count // tokens) + 1)
    cuts = [start]
    for piece in range(1, pieces):
        even = cut = start + (end - start) * piece // pieces
        while cut > cuts[-1] and not text[cut].isspace():
            cut -= 1
        cuts.append(cut if cut > cuts[-1] else even)
    parts = stripped_spans(text, [*cuts, end])
    counts = count_tokens([text[start:end] for start, end in parts])
    for part, size in zip(parts, counts, strict=True):
        yield from _parts(text, part, size, count_tokens, tokens)


def _pack(
    units: Sequence[_Unit],
    tokens: int,
    overlap: int,
    fits: Callable[[int, int], bool] = lambda *_: True,
) -> list[Span]:
    spans: list[Span] = []
    start = stop = 0
    while stop < len(units):
        last, stop = stop, _stop(units, start, tokens)
        while stop > start + 1 and not fits(units[start].start, units[stop - 1].end):
            stop -= 1
        if stop <= last and start < last:  # the overlap leaves no room for what follows
            start, stop = start + 1, last
            continue
        spans.append((units[start].start, units[stop - 1].end))
        # The next one begins with the last sentences of this one that are short enough together.
        first, start, total = start, stop, 0
        while start - 1 > first and _PART not in (units[start - 1].closes, units[start - 2].closes):
            total += units[start - 1].size
            if total > overlap:
                break
            start -= 1
    return spans


def _stop(units: Sequence[_Unit], start: int, tokens: int) -> int:
    """Behind the last unit of the passage that begins at `start`."""
    total = size = 0
    best = start
    for at in range(start, len(units)):
        total += units[at].size
        if total > tokens and at > start:
            return best
        if 2 * size <= tokens or units[at].closes <= units[best - 1].closes:
            best, size = at + 1, total
    return len(units)

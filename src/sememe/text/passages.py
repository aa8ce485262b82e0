"""A long text as passages that end where paragraphs or sentences do, each short enough to read."""

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

from sememe.arguments import whole_number
from sememe.text.long_texts import sentence_spans

Span = tuple[int, int]
Counter = Callable[[Sequence[str]], Sequence[int]]

_BLANK_LINE = re.compile(r"\n[^\S\n]*\n|\r\s*\r|\u2029")
_SPACE = re.compile(r"\s+")
_PARAGRAPH, _SENTENCE, _PART = range(3)
"""What ends with a unit, the best end for a passage first."""


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
        none of a blank text. All that is not blank is in at least one.

    Raises:
        InputError: tokens below 1, or an overlap below 0 or not below `tokens`.

    Example:
        >>> words = lambda texts: [len(text.split()) for text in texts]
        >>> split_passages("One two. Three. Four five six.", words, tokens=4, overlap=1)
        [(0, 15), (9, 30)]
    """
    whole_number("tokens", tokens)
    whole_number("overlap", overlap, least=0, most=tokens - 1)
    units, ends = _units(text, count_tokens, tokens)
    # With the space before it, as it stands in a passage.
    sizes = count_tokens([text[before:end] for (_, before), (_, end) in pairwise([(0, 0), *units])])
    spans: list[Span] = []
    start = stop = 0
    while stop < len(units):
        last, stop = stop, _stop(sizes, ends, start, tokens)
        while (
            stop > start + 1
            and count_tokens([text[units[start][0] : units[stop - 1][1]]])[0] > tokens
        ):
            stop -= 1
        if stop <= last and start < last:  # the overlap leaves no room for what follows
            start, stop = start + 1, last
            continue
        spans.append((units[start][0], units[stop - 1][1]))
        start = _start(sizes, ends, start, stop, overlap)
    return spans


def _units(text: str, count_tokens: Counter, tokens: int) -> tuple[list[Span], list[int]]:
    """Sentences, or parts of those that are too long, and what ends with each."""
    sentences = sentence_spans(text)
    counts = count_tokens([text[start:end] for start, end in sentences])
    units: list[Span] = []
    ends: list[int] = []
    spans = pairwise([*sentences, (len(text), len(text))])
    for ((start, end), (following, _)), count in zip(spans, counts, strict=True):
        parts = [(start, end)]
        if count > tokens:
            parts = [*_parts(text, start, end, count_tokens, tokens)]
        units += parts
        ends += [_PART] * (len(parts) - 1)
        ends.append(_PARAGRAPH if _BLANK_LINE.search(text, end, following) else _SENTENCE)
    return units, ends


def _parts(text: str, start: int, end: int, count_tokens: Counter, tokens: int) -> Iterator[Span]:
    """Halves of a span, and their halves, until each has few enough tokens."""
    if end - start == 1 or count_tokens([text[start:end]])[0] <= tokens:
        yield start, end
        return
    middle = (start + end) // 2
    spaces = (match.span() for match in _SPACE.finditer(text, start, end))
    nearest = min(spaces, key=lambda span: abs(span[0] - middle), default=(middle, middle))
    yield from _parts(text, start, nearest[0], count_tokens, tokens)
    yield from _parts(text, nearest[1], end, count_tokens, tokens)


def _stop(sizes: Sequence[int], ends: Sequence[int], start: int, tokens: int) -> int:
    """Behind the last unit of the passage that begins at `start`."""
    total = size = 0
    best = start
    for at in range(start, len(sizes)):
        total += sizes[at]
        if total > tokens and at > start:
            return best
        if 2 * size <= tokens or ends[at] <= ends[best - 1]:
            best, size = at + 1, total
    return len(sizes)


def _start(sizes: Sequence[int], ends: Sequence[int], start: int, stop: int, overlap: int) -> int:
    """The first unit of the next passage: a sentence of this one that is whole and short enough."""
    at, total = stop, 0
    while at - 1 > start and ends[at - 1] != _PART and ends[at - 2] != _PART:
        total += sizes[at - 1]
        if total > overlap:
            break
        at -= 1
    return at

"""Where a text that is too long is cut: into windows that overlap, between sentences if possible.

Overlapping segments of a transformer's length go back to Pappagari et al. (2019).
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

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


def sentences(text: str) -> list[str]:
    """The sentences of a text, without the space around them.

    Example:
        >>> sentences("One two. Three (J. Smith) four!")
        ['One two.', 'Three (J. Smith) four!']
    """
    ends = [0, *(match.end() for match in _SENTENCE.finditer(text)), len(text)]
    parts = (text[start:end].strip() for start, end in pairwise(ends))
    return [part for part in parts if part]


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
    found, start, stop = [], 0, 0
    while start + room < len(starts):
        stop = _last(kinds, stop, start + room)
        found.append((start, stop))
        start = _first(kinds, max(start + 1, stop - int(room * _OVERLAP)), stop)
    return [*found, (start, len(starts))]


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

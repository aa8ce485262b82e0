"""The texts that speed is measured on."""

import random
from collections.abc import Iterator
from pathlib import Path

from sememe.tables import read_texts

_OPINIONS = Path(__file__).parent.parent / "examples" / "opinions.csv"


def many_texts(count: int) -> Iterator[str]:
    """Any number of texts: two windows of 4 to 8 words each, from different opinions."""
    words = " ".join(read_texts(_OPINIONS, "text")).split()
    chance = random.Random(1)
    for _ in range(count):
        starts = [chance.randrange(len(words) - 8) for _ in range(2)]
        yield " ".join(word for at in starts for word in words[at : at + chance.randint(4, 8)])


def one_line_texts(count: int) -> list[str]:
    """Different windows of 8 to 16 words from the opinions, one after another."""
    words = " ".join(read_texts(_OPINIONS, "text")).split()
    chance = random.Random(0)
    texts: dict[str, None] = {}
    while len(texts) < count:
        start = chance.randrange(len(words) - 16)
        texts[" ".join(words[start : start + chance.randint(8, 16)])] = None
    return list(texts)

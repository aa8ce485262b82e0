"""The texts that speed is measured on."""

import random
from pathlib import Path

from sememe.tables import read_texts

_OPINIONS = Path(__file__).parent.parent / "examples" / "opinions.csv"


def one_line_texts(count: int) -> list[str]:
    """Different windows of 8 to 16 words from the opinions, one after another."""
    words = " ".join(read_texts(_OPINIONS, "text").texts).split()
    chance = random.Random(0)
    texts: dict[str, None] = {}
    while len(texts) < count:
        start = chance.randrange(len(words) - 16)
        texts[" ".join(words[start : start + chance.randint(8, 16)])] = None
    return list(texts)

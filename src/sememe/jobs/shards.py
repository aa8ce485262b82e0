"""Cut a stream of texts into shards, and know a shard's texts again."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence

MOST_CHARACTERS = 4_000_000
"""A shard of long texts ends sooner, so that memory is bounded, and the work that a kill costs."""


def cut(texts: Iterable[str], most: int) -> Iterator[list[str]]:
    """Yield shards of up to `most` texts; a stream without texts is one empty shard.

    >>> list(cut(["a", "b", "c"], most=2))
    [['a', 'b'], ['c']]
    """
    shard: list[str] = []
    characters, some = 0, False
    for text in texts:
        shard.append(text)
        characters += len(text)
        if len(shard) >= most or characters >= MOST_CHARACTERS:
            yield shard
            shard, characters, some = [], 0, True
    if shard or not some:
        yield shard


def digest(texts: Sequence[str]) -> str:
    """The SHA-256 of the texts and of where each begins and ends, as hexadecimal digits."""
    return hashlib.sha256(json.dumps(texts).encode()).hexdigest()

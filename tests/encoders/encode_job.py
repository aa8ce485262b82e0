"""A long job in a process of its own: python encode_job.py MODEL OUTPUT COUNT SHARD [LIMIT].

A model in a folder named `cross` scores pairs, any other encodes texts.
"""

import random
import sys
from functools import partial
from pathlib import Path

_WORDS = [
    "the",
    "a",
    "of",
    "and",
    "to",
    "in",
    "is",
    "it",
    "was",
    "for",
    "on",
    "are",
    "with",
    "this",
]


def texts(count: int) -> list[str]:
    """Texts of 1 to 20 words, the same at every call."""
    chance = random.Random(0)
    return [" ".join(chance.choices(_WORDS, k=1 + i % 20)) for i in range(count)]


def main(model: str, output: str, count: str, shard: str, limit: str = "") -> None:
    """Encode or score, and say how many items were found finished."""
    from sememe import BiEncoder, CrossEncoder
    from sememe.encoders import disk

    disk.SHARD_TEXTS = int(shard)
    given = texts(int(count))
    if Path(model).name == "cross":
        pairs = list(zip(given, reversed(given), strict=True))
        work = partial(CrossEncoder(model, precision="f32").score_to, pairs, output)
    else:
        work = partial(BiEncoder(model, precision="f32").encode_to, given, output)
    if limit:  # a disk with so many bytes left
        import resource
        import signal

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
    print("ready", flush=True)
    print("found", work().found, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])

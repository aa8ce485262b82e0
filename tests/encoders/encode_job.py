"""A long job in a process of its own: python encode_job.py MODEL OUTPUT COUNT SHARD [LIMIT]."""

import random
import sys

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
    """Encode, and say how many texts were found finished."""
    from sememe import BiEncoder
    from sememe.encoders import disk

    disk.SHARD_TEXTS = int(shard)
    encoder = BiEncoder(model, precision="f32")
    if limit:  # a disk with so many bytes left
        import resource
        import signal

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
    print("ready", flush=True)
    print("found", encoder.encode_to(texts(int(count)), output).found, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])

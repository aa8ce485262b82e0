"""A long job in a process of its own, forked from a server that has imported what takes long.

A model in a folder named `cross` scores pairs, any other encodes texts.
"""

import random
import resource
import signal
import sys
import time
from functools import partial
from pathlib import Path

from training_processes import finish, start

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


class Run:
    """A job that has begun; the file `log` says that it is ready, and what came of it."""

    def __init__(
        self, log: Path, model: Path, output: Path, count: int, shard: int, room: int = 0
    ) -> None:
        self._log = log
        log.write_text("")
        self.process = start(work, log, model, output, count, shard, room)

    def wait_until_ready(self) -> None:
        while self.process.is_alive() and not self._log.read_text():
            time.sleep(0.001)

    def kill(self) -> int:
        """Send SIGKILL; the exit code."""
        self.process.kill()
        return finish(self.process)[0]

    def end(self) -> tuple[int, str]:
        """Wait for the end; the exit code, and all that was said."""
        return finish(self.process)[0], self._log.read_text()


def work(log: Path, model: Path, output: Path, count: int, shard: int, room: int) -> None:
    """Encode or score, and say how many items were there already; no file exceeds `room` bytes."""
    from sememe import BiEncoder, CrossEncoder
    from sememe.encoders import disk
    from sememe.errors import SememeError

    disk.SHARD_TEXTS = shard
    given = texts(count)
    if model.name == "cross":
        pairs = list(zip(given, reversed(given), strict=True))
        job = partial(CrossEncoder(model, precision="f32").score_to, pairs, output)
    else:
        job = partial(BiEncoder(model, precision="f32").encode_to, given, output)
    if room:  # a disk with so many bytes left
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
    with log.open("a", buffering=1) as file:
        print("ready", file=file)
        try:
            print("found", job().found, file=file)
        except SememeError as error:
            print(f"{type(error).__name__}: {error}", file=file)
            sys.exit(1)

"""Run systems side by side, each in a process of its own, in turn, so that drift hits all alike."""

import multiprocessing
import statistics
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
import numpy.typing as npt

Encode = Callable[[list[str]], npt.NDArray[np.float32]]


class Peer:
    """A system in a fresh process: `load` runs there and returns its encode function."""

    def __init__(self, name: str, load: Callable[[str], Encode], model: str) -> None:
        self.name = name
        self.seconds: list[float] = []
        spawn = multiprocessing.get_context("spawn")
        self._pipe, child = spawn.Pipe()
        self._process = spawn.Process(target=_serve, args=(load, model, child), daemon=True)
        self._process.start()

    def encode(self, texts: list[str]) -> npt.NDArray[np.float32]:
        """Encode once, keeping the time it took inside the process."""
        self._pipe.send(texts)
        seconds, vectors = self._pipe.recv()
        if isinstance(vectors, Exception):
            raise vectors
        self.seconds.append(seconds)
        return np.asarray(vectors)

    def close(self) -> None:
        self._pipe.send(None)
        self._process.join()


def _serve(load: Callable[[str], Encode], model: str, pipe: Connection) -> None:
    encode = load(model)
    while (texts := pipe.recv()) is not None:
        started = time.perf_counter()
        try:
            found: Any = encode(texts)
        except Exception as error:
            found = error
        pipe.send((time.perf_counter() - started, found))


def interleave(peers: list[Peer], texts: list[str], rounds: int) -> None:
    """Time each peer `rounds` times, in turn."""
    for peer in peers:
        peer.seconds.clear()
    for _ in range(rounds):
        for peer in peers:
            peer.encode(texts)


def ratio(slow: Peer, fast: Peer) -> tuple[float, float, float]:
    """How many times faster, round by round: median, least and most."""
    ratios = [s / f for s, f in zip(slow.seconds, fast.seconds, strict=True)]
    return statistics.median(ratios), min(ratios), max(ratios)

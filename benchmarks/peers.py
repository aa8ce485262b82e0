"""Run systems side by side, each in a process of its own, in turn, so that drift hits all alike."""

import multiprocessing
import statistics
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
import numpy.typing as npt

Encode = Callable[[list[Any]], npt.NDArray[np.float32]]
"""Texts to vectors, or pairs to scores."""


class Peer:
    """A system in a fresh process: `load` runs there and returns its encode function."""

    def __init__(self, name: str, load: Callable[[str], Encode], model: str) -> None:
        self.name = name
        self.seconds: list[float] = []
        spawn = multiprocessing.get_context("spawn")
        self._pipe, child = spawn.Pipe()
        self._process = spawn.Process(target=_serve, args=(load, model, child), daemon=True)
        self._process.start()

    def encode(self, texts: list[Any]) -> npt.NDArray[np.float32]:
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


def interleave(peers: list[Peer], texts: list[Any], rounds: int) -> None:
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


def report(peers: list[Peer], ours: list[Peer], count: int, unit: str) -> None:
    """Print the rates of all, and the ratios of ours to the others."""
    rounds = len(ours[0].seconds)
    print(f"\n| how | {unit}/s, median of {rounds} | least–most |\n|---|---|---|")
    for peer in peers:
        rates = sorted(count / seconds for seconds in peer.seconds)
        print(f"| {peer.name} | {statistics.median(rates):.0f} | {rates[0]:.0f}–{rates[-1]:.0f} |")
    print("\n| ratio, round by round | median | least–most |\n|---|---|---|")
    for fast in ours:
        for slow in peers:
            if slow not in ours:
                median, least, most = ratio(slow, fast)
                print(f"| {fast.name} to {slow.name} | {median:.2f} | {least:.2f}–{most:.2f} |")

"""An index under random writes, killed again and again: python random_writes.py FOLDER KILLS.

A write is decided by a seed and its number alone, so whoever knows which ones were acknowledged
knows what has to be in the index. The writers are forked, by a process that does nothing else: one
that is started takes longer than its writes.
"""

import os
import random
import signal
import sqlite3
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from sememe.search.index import Index
from sememe.search.rows import Row
from sememe.search.sqlite import vectors as vectors_module
from sememe.search.sqlite.connection import FILE
from sememe.search.store import IndexInfo, open_store

DIM, SEED = 8, 1
State = dict[int, tuple[str, dict[str, Any]]]


def small_graphs() -> None:
    """Let a graph of neighbours begin at 40 texts, so that a few hundred meet all of it."""
    vectors_module.FLAT = 40


def create(folder: Path) -> Index:
    """An index of vectors that come with the texts."""
    return Index(
        open_store(folder, IndexInfo("none", "f32", "0" * 16, DIM, language="simple")), None
    )


def vectors(texts: list[str]) -> np.ndarray:
    """A vector a text, its own."""
    rows = [np.random.default_rng([*text.encode()]).standard_normal(DIM) for text in texts]
    return np.array(rows, np.float32).reshape(-1, DIM)


def of_texts(encode: Callable[[list[str]], Any]) -> Callable[[list[tuple[str, str]]], Any]:
    """What a store encodes again with, where texts are whole."""
    return lambda part: encode([text for text, _ in part])


def write(index: Index | None, state: State, seed: int, number: int) -> None:
    """Do write `number` to the state and, if there is one, to the index."""
    chance = random.Random(seed * 1_000_003 + number)
    kind = chance.choice(["add", "add", "add", "upsert", "delete", "compact"])
    if kind == "compact":
        if index is not None:
            index.compact()
        return
    ids = chance.sample(range(400), chance.randint(1, 30))
    if kind == "add":
        ids = [own for own in ids if own not in state]
    texts = [f"{own} as of {number}" for own in ids]
    metadata: list[Any] = [{"number": number} for _ in ids]
    if kind == "delete":
        for own in ids:
            state.pop(own, None)
        if index is not None:
            index.delete(ids)
        return
    state.update(zip(ids, zip(texts, metadata, strict=True), strict=True))
    if index is not None:
        put = index.upsert if kind == "upsert" else index.add
        put(texts, ids, metadata, vectors=vectors(texts))


def rows(state: State) -> list[Row]:
    """The state as `Index.get` says it."""
    return [Row(str(own), *state[own]) for own in sorted(state)]


def killed(folder: Path, state: State, first: int, chance: random.Random) -> int:
    """Write in a process of its own, and kill it; the number after the last acknowledged write."""
    read, told = os.pipe()
    child = os.fork()
    if not child:
        index = Index.open(folder)
        for number in range(first, 10**6):
            write(index, state, SEED, number)
            os.write(told, b"%d\n" % number)
    os.close(told)
    with os.fdopen(read) as lines:
        said = [next(lines) for _ in range(chance.randint(0, 4))]
        time.sleep(chance.uniform(0, 0.02))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        said += [line for line in lines if line.endswith("\n")]
    return int(said[-1]) + 1 if said else first


def check(folder: Path) -> list[Row]:
    """What is in the index; its tables agree with one another."""
    file = sqlite3.connect(folder / FILE)
    assert file.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    keys = file.execute("SELECT key FROM rows ORDER BY key").fetchall()
    assert file.execute("SELECT key FROM vectors ORDER BY key").fetchall() == keys
    file.execute("INSERT INTO words(words, rank) VALUES ('integrity-check', 1)")
    file.close()
    with Index.open(folder) as index:
        found = index.get(range(400))
        assert len(index) == len(found)
    return found


def main(folder: Path, kills: int) -> None:
    """Kill it so often, and look after each; at the end, say how many writes there were."""
    small_graphs()
    create(folder).close()
    state, done, chance = State(), 0, random.Random(0)
    for _ in range(kills):
        acknowledged = killed(folder, dict(state), done, chance)
        for number in range(done, acknowledged):
            write(None, state, SEED, number)
        begun = dict(state)
        write(None, begun, SEED, acknowledged)
        there = check(folder)
        assert there in (rows(state), rows(begun)), f"after write {acknowledged}"
        done = acknowledged
        if there != rows(state):  # the one that was under way was finished, and nobody was told
            state, done = begun, acknowledged + 1
    print(done)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))

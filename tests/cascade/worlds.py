"""Texts of which the groups are known, vectors that know them roughly, and scorers of all kinds."""

from collections.abc import Callable, Sequence
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from sememe.cascade import Cascade, teach
from sememe.neighbors import nearest, normalized
from sememe.neighbors.communities import neighborhood_size

Pairs = Sequence[tuple[str, str]]


class World:
    """Texts named "group text", and unit vectors half of it meaning and half nuisance."""

    def __init__(self, groups: int = 12, each: int = 40, seed: int = 0) -> None:
        random = np.random.default_rng(seed)
        self.groups = np.repeat(np.arange(groups), each)
        self.texts = [f"{group} {text}" for text, group in enumerate(self.groups)]
        meaning = random.normal(size=(groups, 16))[self.groups]
        noise, nuisance = random.normal(size=(2, len(self.texts), 16))
        vectors = np.hstack([meaning + 0.7 * noise, np.linspace(0, 1.4, 16) * nuisance])
        self.vectors = normalized(vectors)
        self.neighbors = nearest(self.vectors, neighborhood_size(len(self.texts)))

    def taught_by(self, scorer: "Scores", budget: str | int = "3n") -> Cascade:
        return teach(self.texts, self.vectors, self.neighbors, scorer, budget, progress=False)


class Lookup:
    """An encoder that knows the vectors of a world's texts."""

    def __init__(self, world: World) -> None:
        self.vectors = dict(zip(world.texts, world.vectors, strict=True))

    def encode(self, texts: list[str]) -> list[np.ndarray]:
        return [self.vectors[text] for text in texts]


class Scores:
    """A scorer of one rule, without a fingerprint; counts the pairs that it reads."""

    def __init__(self, rule: Callable[[str, str], float]) -> None:
        self.rule = rule
        self.read: list[tuple[str, str]] = []

    def score(self, pairs: Pairs, *, raw: bool = False) -> NDArray[np.float32]:
        assert raw  # the cascade wants logits wherever they can be had
        self.read += pairs
        return np.array([self.rule(*pair) for pair in pairs], np.float32)


def chance(one: str, other: str) -> float:
    """A number from -1 to 1 that looks random and depends on the pair alone."""
    digest = blake2b(f"{one}|{other}".encode(), digest_size=4).digest()
    return int.from_bytes(digest, "little") / 2**31 - 1


def truth(one: str, other: str) -> float:
    """Whether two texts are of one group, with noise: what a good cross-encoder knows."""
    return (2.0 if one.split()[0] == other.split()[0] else -2.0) + 2 * chance(one, other)

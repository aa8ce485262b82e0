"""Toy encoders and samples: what is right is known, and nothing is loaded."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

TOPICS = {
    "tea": ["tea", "cup", "kettle", "leaf", "brew", "pot", "milk"],
    "rail": ["train", "track", "station", "ticket", "platform", "rail", "guard"],
    "sky": ["cloud", "wind", "rain", "storm", "sun", "snow", "fog"],
}
WORDS = [word for words in TOPICS.values() for word in words]


@cache
def known_and_random(text: str) -> tuple[Any, Any]:
    """How often each topic's words are there, and numbers that depend on the text alone."""
    words = text.split()
    seed = np.frombuffer(text.encode().ljust(64, b" ")[:64], np.uint32)
    known = [sum(word in topic for word in words) for topic in TOPICS.values()]
    return known + [0] * 5, np.random.default_rng(seed).normal(size=8)


class Topics:
    """Knows the topics: a component for each, with some noise that depends on the text alone."""

    def __init__(self, noise: float = 0.2, fingerprint: str = "") -> None:
        self.noise = noise
        self.fingerprint = fingerprint or f"topics {noise}"
        self.name = f"topics with noise {noise:g}"

    def encode(self, texts: list[str]) -> Any:
        known, random = zip(*map(known_and_random, texts), strict=True)
        least = np.array([0.05] * 3 + [0] * 5)
        return (np.array(known) + least + self.noise * np.array(random)).astype(np.float32)


class Broken:
    """Cannot encode anything that matters."""

    name = "broken"

    def encode(self, texts: list[str]) -> Any:
        if len(texts) == 1:
            return np.ones((1, 3))
        raise RuntimeError("the weights are gone")


class Overlap:
    """A cross-encoder that knows how many topics two texts share."""

    name = "overlap"
    fingerprint = "overlap"

    def score(self, pairs: Sequence[tuple[str, str]]) -> Any:
        encoder = Topics(0)
        first, second = (encoder.encode(list(column)) for column in zip(*pairs, strict=True))
        return 1 / (1 + np.exp(-np.einsum("ij,ij->i", first, second)))


def texts(count: int, seed: int = 0) -> tuple[list[str], list[str]]:
    """Texts of five words of a topic, all different, and their topics."""
    random = np.random.default_rng(seed)
    found: dict[str, str] = {}
    while len(found) < count:
        topic = str(random.choice(list(TOPICS)))
        found[" ".join(random.choice(TOPICS[topic], 5)) + f" {len(found)}"] = topic
    return list(found), list(found.values())


def groups(count: int) -> dict[str, list[str]]:
    """Labelled texts."""
    found, topics = texts(count)
    return {"text": found, "label": topics}


def pairs(count: int) -> dict[str, list[Any]]:
    """Pairs, and whether they are of one topic."""
    first, one = texts(count, 1)
    second, other = texts(count, 2)
    labels = [int(a == b) for a, b in zip(one, other, strict=True)]
    return {"sentence1": first, "sentence2": second, "label": labels}


def search(queries: int, documents: int = 120) -> dict[str, dict[str, list[Any]]]:
    """Three tables: each query is answered by the first documents of its topic."""
    corpus, topics = texts(documents, 3)
    asked, wanted = texts(queries, 4)
    qrels: dict[str, list[Any]] = {"query_id": [], "doc_id": [], "score": []}
    for q, topic in enumerate(wanted):
        for d in [i for i, each in enumerate(topics) if each == topic][:6]:
            qrels["query_id"].append(f"q{q}")
            qrels["doc_id"].append(f"d{d}")
            qrels["score"].append(1)
    return {
        "corpus": {"doc_id": [f"d{i}" for i in range(documents)], "text": corpus},
        "queries": {"query_id": [f"q{i}" for i in range(queries)], "text": asked},
        "qrels": qrels,
    }

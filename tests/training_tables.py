"""Small tables of every kind, of texts about topics that a tiny model learns to tell apart."""

import csv
from pathlib import Path
from typing import Any

import numpy as np

Table = dict[str, list[Any]]

_WORDS = (
    "nuclear wind solar energy clean plant waste power",
    "school child teacher book good poor",
    "car train bus road electric cars city",
    "music film love hate great food",
    "the a of and to in is it was for on are with this that not",
)
TOPICS = [words.split() for words in _WORDS[:-1]]
_FILLING = _WORDS[-1].split()


def texts(topics: list[int], seed: int) -> list[str]:
    """A text about each of the topics, all of them different, as are those of another seed."""
    random, made = np.random.default_rng(seed), dict[str, None]()
    for topic in topics:
        count = len(made)
        while len(made) == count:
            words = [
                str(seed),
                *random.choice(TOPICS[topic], 2),
                *random.choice(_FILLING, random.integers(5)),
            ]
            made[" ".join(random.permutation(words))] = None
    return list(made)


def table(kind: str, rows: int, seed: int = 0) -> Table:
    """A table of a kind, as `Examples.kind` calls it."""
    random = np.random.default_rng(seed)
    topics = random.permutation(np.arange(rows) % len(TOPICS))
    others = (topics + random.integers(1, len(TOPICS), rows)) % len(TOPICS)
    alike = random.random(rows) < 0.5
    mixed = np.where(alike, topics, others)
    made = texts([*topics, *topics, *others, *mixed], seed)
    a, p, n, m = (made[i * rows : (i + 1) * rows] for i in range(4))
    match kind:
        case "pairs":
            return {"anchor": a, "positive": p}
        case "triplets":
            return {"anchor": a, "positive": p, "negative": n}
        case "taught triplets":
            taught = {"positive_score": random.uniform(0.7, 1, rows).round(3).tolist(),
                      "negative_score": random.uniform(0, 0.3, rows).round(3).tolist()}  # fmt: skip
            return {"anchor": a, "positive": p, "negative": n, **taught}
        case "scored pairs":
            scores = (0.8 * alike + random.uniform(0, 0.2, rows)).round(3)
            return {"sentence1": a, "sentence2": m, "score": scores.tolist()}
        case "labelled pairs":
            return {"sentence1": a, "sentence2": m, "label": alike.astype(int).tolist()}
        case _:
            return {"text": a, "label": [f"topic {topic}" for topic in topics]}


KINDS = (
    "pairs", "triplets", "taught triplets", "scored pairs", "labelled pairs", "labelled texts"
)  # fmt: skip


def write_csv(path: Path, columns: Table) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
    return path

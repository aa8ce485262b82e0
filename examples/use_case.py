"""The use case decides what is near: one encoder, trained once by topic and once by sentiment.

Each seed trains on four fifths of the opinions on eight topics. Measured is what neither training
saw: the other fifth, and all opinions on two more topics, one of which is nuclear power.
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import sememe
from sememe.clustering.layout import layout_2d
from sememe.evaluation.intervals import interval
from sememe.neighbors import self_join
from sememe.reports.cluster_map import write_map
from sememe.tables import read_table

OPINIONS = Path(__file__).parent / "opinions.csv"
NUCLEAR = ("Nuclear power is dangerous!", "Nuclear power is the future of energy!")
NEW_TOPIC = "nuclear power"
SIDES = {
    "topic": "same topic / other topic",
    "sentiment": "same sentiment / other sentiment",
    "across": "same sentiment, other topic / same topic, other sentiment",
}
PLACES = ("topics it was trained on", "topics that are new to it")
OPTIONS: Any = {"topic": {"epochs": 5}, "sentiment": {"epochs": 8, "learning_rate": 1e-4}}

Bools = npt.NDArray[np.bool_]
Texts = npt.NDArray[np.str_]


def split(topics: Texts, sentiments: Texts, seed: int) -> tuple[Bools, Bools, Bools]:
    """Which opinions to train on; which are unseen, of topics trained on; which of new topics."""
    random = np.random.default_rng(seed)
    others = np.setdiff1d(topics, [NEW_TOPIC])
    new = np.isin(topics, [NEW_TOPIC, random.choice(others)])
    unseen = np.zeros(len(topics), bool)
    for topic in others:
        for sentiment in np.unique(sentiments):
            rows = np.flatnonzero((topics == topic) & (sentiments == sentiment))
            unseen[random.permutation(rows)[: len(rows) // 5]] = True
    return ~unseen & ~new, unseen & ~new, new


def sides(kind: str, topics: Texts, sentiments: Texts) -> tuple[Bools, Bools]:
    """What is a positive, and what a negative, of each opinion: bool (n, n)."""
    topic, sentiment = topics[:, None] == topics, sentiments[:, None] == sentiments
    if kind == "across":
        return sentiment & ~topic, ~sentiment & topic
    alike = topic if kind == "topic" else sentiment
    return alike & ~np.eye(len(topics), dtype=bool), ~alike


def triplet_accuracy(vectors: npt.NDArray[Any], positive: Bools, negative: Bools) -> list[float]:
    """Of each opinion, the share of all its triplets whose positive is the nearer one."""
    return [
        float(np.searchsorted(np.sort(row[n]), row[p]).mean() / n.sum())
        for row, p, n in zip(vectors @ vectors.T, positive, negative, strict=True)
    ]


def measured(vectors: npt.NDArray[Any], parts: Any, topics: Texts, sentiments: Texts) -> Any:
    """Each opinion's accuracy by kind of triplet and part, (kinds, parts, n); NaN if not in it."""
    found = np.full((len(SIDES), len(parts), len(topics)), np.nan)
    for i, kind in enumerate(SIDES):
        for j, part in enumerate(parts):
            pair = sides(kind, topics[part], sentiments[part])
            found[i, j, part] = triplet_accuracy(vectors[part], *pair)
    return found


def draw(path: Path, texts: list[str], names: Texts, vectors: Any) -> None:
    """A map whose colours are the labels; where a text lies comes from its vector alone."""
    labels, codes, sizes = np.unique(names, return_inverse=True, return_counts=True)
    groups = [
        {"label": i, "size": int(sizes[i]), "terms": [str(label)], "examples": []}
        for i, label in enumerate(labels)
    ]
    points = layout_2d(vectors, self_join(vectors, 12))
    write_map(path, points, codes, texts, groups, title=f"Opinions, trained by {path.stem}")


def shown(seeds: list[Any]) -> str:
    """An opinion's mean over the seeds that measured it, the mean of those, and its interval."""
    count = np.isfinite(seeds).sum(0)
    found = interval(np.mean, np.nansum(seeds, 0)[count > 0] / count[count > 0])
    return f"{100 * found.value:.1f} ({100 * found.low:.1f} to {100 * found.high:.1f})"


def main() -> None:
    """Train, measure, print a table and write the maps of the first seed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("maps"), help="where the maps go")
    parser.add_argument("--model", default="all-MiniLM-L6-v2", help="what to start from")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="one run for each")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    opinions = read_table(OPINIONS).columns
    texts = [str(text) for text in opinions["text"]]
    topics, sentiments = (np.array(opinions[name], str) for name in ("topic", "sentiment"))
    places = [texts.index(text) for text in NUCLEAR]
    figures: dict[str, list[Any]] = {name: [] for name in ("start", *OPTIONS)}
    cosines: dict[str, list[float]] = {name: [] for name in figures}

    def measure(name: str, model: Any, parts: Any) -> Any:
        vectors = sememe.BiEncoder(model, precision="f32").encode(texts, normalize=True)
        figures[name].append(measured(vectors, parts, topics, sentiments))
        cosines[name].append(float(vectors[places[0]] @ vectors[places[1]]))
        return vectors

    for seed in options.seeds:
        trained, *parts = split(topics, sentiments, seed)
        assert not trained[places].any(), "neither sentence may be trained on"
        measure("start", options.model, parts)
        for name, labels in (("topic", topics), ("sentiment", sentiments)):
            data = {"text": np.array(texts)[trained].tolist(), "label": labels[trained].tolist()}
            more = {"model": options.model, "dev": "none", "seed": seed, **OPTIONS[name]}
            with tempfile.TemporaryDirectory() as folder:
                sememe.train_bi(data, Path(folder) / name, **more)
                vectors = measure(name, Path(folder) / name, parts)
            if seed == options.seeds[0]:
                draw(options.out / f"{name}.html", texts, labels, vectors)

    print("| positive / negative | opinions on | start | by topic | by sentiment |")
    print("|---|---|---|---|---|")
    for i, kind in enumerate(SIDES):
        for j, place in enumerate(PLACES):
            cells = [shown([figure[i, j] for figure in of]) for of in figures.values()]
            print("|", " | ".join([SIDES[kind], place, *cells]), "|")
    cells = [f"{np.mean(of):.2f} ({min(of):.2f} to {max(of):.2f})" for of in cosines.values()]
    print("|", " | ".join(["cosine of the two sentences", NEW_TOPIC, *cells]), "|")


if __name__ == "__main__":
    main()

"""The choice of the grain: the climb that `cluster` makes beside other ways, judged by labels.

    python benchmarks/grain.py --data DIR [--sizes 2000 5000 0] [--samples 3] [--sets NAME ...]

Every set (train texts of Banking77 and CLINC150, SearchSnippets, Biomedical, GoogleNews-TS), whole
(0) and in random samples, is partitioned at 22 resolutions once; every way then chooses among
these. "8 + 4" is what was done before: 8 resolutions, then 4 around the best. Differences of AMI x
100 to it, paired, with their 95 % t-intervals, the worst, and how many partitions a way looks at.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student
from sklearn.metrics import adjusted_mutual_info_score

import sememe
from sememe.clustering.resolution import climb, score
from sememe.neighbors import communities as by
from sememe.neighbors import normalized, self_join
from sememe.tables import read_table

Values = NDArray[np.float64]
Choice = tuple[int, int]  # a place among the resolutions, and how many were looked at

RESOLUTIONS = np.geomspace(0.05, 33.0, 22)
_FILES = {"Banking77": "intent/banking77.parquet", "CLINC150": "intent/clinc150.parquet"}
_SHORT = "clustering/short_text.parquet"
_SETS = ("Banking77", "CLINC150", "SearchSnippets", "Biomedical", "GoogleNews-TS")


def climbed(scores: Values) -> Choice:
    seen: set[int] = set()

    def look(place: int) -> float:
        seen.add(place)
        return float(scores[place])

    return climb(look, len(scores)), len(seen)


def eight_and_four(scores: Values) -> Choice:
    first = [*range(0, 22, 3)]
    top = max(first, key=lambda place: scores[place])
    later = [place for place in range(top - 2, top + 3) if 0 <= place < 22 and place != top]
    return max(first + later, key=lambda place: scores[place]), len(first) + len(later)


def eight(scores: Values) -> Choice:
    return max(range(0, 22, 3), key=lambda place: scores[place]), 8


def every(scores: Values) -> Choice:
    return int(scores.argmax()), len(scores)


WAYS: dict[str, Callable[[Values], Choice]] = {
    "8 + 4": eight_and_four, "climb": climbed, "8": eight, "all 22": every,
}  # fmt: skip


def swept(vectors: NDArray[np.float32], labels: NDArray[np.int64]) -> tuple[Values, Values, Values]:
    """At each resolution: the score, that of communities without k-means, and the AMI x 100."""
    neighbors = self_join(vectors, by.neighborhood_size(len(vectors)))
    graph = by.neighbor_graph(neighbors)
    smooth, centred = by.smoothed(vectors, graph), normalized(vectors - vectors.mean(axis=0))
    rows = []
    for resolution in RESOLUTIONS:
        rough = by.communities(graph, float(resolution))
        fine = by.refined(smooth, rough)
        ami = 100 * adjusted_mutual_info_score(labels, fine)
        rows.append((score(centred, neighbors, fine), score(centred, neighbors, rough), ami))
    refined, raw, ami = np.array(rows).T
    return refined, raw, ami


def report(rows: list[tuple[Values, Values, Values]], name: str) -> None:
    before = np.array([ami[eight_and_four(refined)[0]] for refined, _, ami in rows])
    print(f"\n{name}: {len(rows)} samples, AMI before {before.mean():.2f}")
    print("| chosen by | difference | worst | partitions |\n|---|---|---|---|")
    for kind, column in (("", 0), (", communities not refined", 1)):
        for way, choose in WAYS.items():
            chosen = [choose(row[column]) for row in rows]
            values = [row[2][place] for row, (place, _) in zip(rows, chosen, strict=True)]
            difference = np.array(values) - before
            half = float("nan")
            if len(rows) > 1:
                half = student.ppf(0.975, len(rows) - 1) / len(rows) ** 0.5
                half *= difference.std(ddof=1)
            runs = np.mean([count for _, count in chosen])
            print(
                f"| {way}{kind} | {difference.mean():+.2f} ± {half:.2f} | "
                f"{difference.min():+.2f} | {runs:.1f} |"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--sets", nargs="+", choices=_SETS, default=_SETS)
    parser.add_argument("--sizes", nargs="+", type=int, default=[2000, 5000, 0])
    parser.add_argument("--samples", type=int, default=3)
    options = parser.parse_args()
    encoder = sememe.BiEncoder("all-MiniLM-L6-v2", precision="int8")
    results: list[tuple[Values, Values, Values]] = []
    for name in options.sets:
        table = read_table(options.data / _FILES.get(name, _SHORT)).columns
        kinds = table["split" if name in _FILES else "dataset"]
        wanted = "train" if name in _FILES else name
        rows = {
            str(text): str(label)
            for text, label, kind in zip(table["text"], table["label"], kinds, strict=True)
            if kind == wanted
        }
        gold = np.unique(list(rows.values()), return_inverse=True)[1]
        vectors = normalized(encoder.encode(list(rows), progress=False))
        of_set = []
        for size in options.sizes:
            for seed in range(options.samples if size else 1):
                chosen = np.arange(len(gold))
                if size:
                    chosen = np.sort(
                        np.random.default_rng(seed).choice(len(gold), size, replace=False)
                    )
                of_set.append(swept(vectors[chosen], gold[chosen]))
        report(of_set, name)
        results += of_set
    report(results, "All")


if __name__ == "__main__":
    main()

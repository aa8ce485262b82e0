"""Quality on public data: the published STS figures, and clusters against k-means told the true k.

    python benchmarks/quality.py --data DIR [--only sts|clusters]

docs/data.md says where each set comes from and how to lay it out in DIR.
"""

import argparse
import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.stats import spearmanr
from sklearn.cluster import KMeans
from sklearn.metrics import (
    adjusted_mutual_info_score,
    adjusted_rand_score,
    v_measure_score,
)

import sememe
from sememe.clustering import cluster
from sememe.errors import TableError
from sememe.tables import read_table

_RESOLUTIONS = (0.5, 0.75, 1, 1.5, 2, 3, 4, 5, 7, 10, 14, 20, 25, 33)
_PUBLISHED = "reference/mteb_key_table.tsv"


def sts_sets(data: Path) -> Iterator[tuple[str, list[str], list[str], list[float]]]:
    """Name, first sentences, second sentences and scores of each set that MTEB scores."""

    def columns(
        file: str, column: str = "", value: str = ""
    ) -> tuple[list[str], list[str], list[float]]:
        table = read_table(data / file).columns
        every = range(len(table["score"]))
        rows = [i for i in every if not column or table[column][i] == value]
        first, second = ([str(table[f"sentence{k}"][i]) for i in rows] for k in (1, 2))
        return first, second, [float(str(table["score"][i])) for i in rows]

    yield "STSBenchmark", *columns("sts/stsb.parquet", "split", "test")
    for task in ("STS12", "STS14", "STS16"):
        yield task, *columns("sts/sts12_14_16.parquet", "task", task)
    yield "SICK-R", *columns("sts/sick.parquet")


def published(data: Path) -> dict[str, float]:
    """MTEB's figures for the model, by task."""
    path = data / _PUBLISHED
    if not path.is_file():
        return {}
    with path.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    model = next(name for name in rows[0] if name.endswith("all-MiniLM-L6-v2"))
    return {next(iter(row.values())): float(row[model]) for row in rows if row[model]}


def report_sts(data: Path) -> None:
    encoders = [sememe.BiEncoder("all-MiniLM-L6-v2", precision=p) for p in ("f32", "int8")]
    known = published(data)
    print("\n| Spearman × 100 | published | f32 | difference | int8 | to f32 |")
    print("|---|---|---|---|---|---|")
    for name, first, second, scores in sts_sets(data):
        exact, rounded = (_spearman(encoder, first, second, scores) for encoder in encoders)
        other = known.get(name)
        compared = (
            f"{other:.2f} | {exact:.2f} | {exact - other:+.2f}" if other else f"– | {exact:.2f} | –"
        )
        print(f"| {name} | {compared} | {rounded:.2f} | {rounded - exact:+.2f} |", flush=True)


def _spearman(
    encoder: sememe.BiEncoder, first: list[str], second: list[str], scores: list[float]
) -> float:
    a, b = (encoder.encode(texts, progress=False) for texts in (first, second))
    return 100 * float(spearmanr((a * b).sum(axis=1), scores).statistic)


@dataclass(frozen=True)
class Labelled:
    """A set of texts with their true labels at one grain or more."""

    name: str
    texts: list[str]
    grains: dict[str, list[str]]


def labelled_sets(data: Path) -> Iterator[Labelled]:
    """Banking77, CLINC150 (two grains), SearchSnippets and Biomedical."""
    for name, file, column, value, grains in (
        ("Banking77", "intent/banking77.parquet", "split", "train", ("label",)),
        ("CLINC150", "intent/clinc150.parquet", "split", "train", ("label", "domain")),
        (
            "SearchSnippets",
            "clustering/short_text.parquet",
            "dataset",
            "SearchSnippets",
            ("label",),
        ),
        ("Biomedical", "clustering/short_text.parquet", "dataset", "Biomedical", ("label",)),
    ):
        table = read_table(data / file).columns
        rows = [i for i, v in enumerate(table[column]) if v == value]
        texts = [str(table["text"][i]) for i in rows]
        yield Labelled(name, texts, {g: [str(table[g][i]) for i in rows] for g in grains})


def spherical_k_means(vectors: npt.NDArray[np.float32], k: int) -> npt.NDArray[np.int32]:
    """k-means on unit vectors (k-means++, the best of 10 starts)."""
    found: npt.NDArray[np.int32] = KMeans(k, n_init=10, random_state=0).fit_predict(vectors)
    return found


def report_clusters(data: Path) -> None:
    encoder = sememe.BiEncoder("all-MiniLM-L6-v2", precision="bf16")
    told: list[str] = []
    alone: list[str] = []
    for labelled in labelled_sets(data):
        vectors = encoder.encode(labelled.texts, progress=False).astype(np.float32)
        truth = labelled.grains["label"]
        k = len(set(truth))
        for how, labels in (
            ("sememe, clusters=K", cluster(labelled.texts, vectors=vectors, clusters=k).labels),
            ("spherical k-means", spherical_k_means(vectors, k)),
        ):
            v, ari = v_measure_score(truth, labels), adjusted_rand_score(truth, labels)
            outliers = int((labels == -1).sum())
            told.append(
                f"| {labelled.name} | {k} | {how} | {100 * v:.1f} | {100 * ari:.1f} | {outliers} |"
            )
        alone += _nothing_given(labelled, vectors)
    print("\n| set | K | how | V | ARI | outliers |\n|---|---|---|---|---|---|", *told, sep="\n")
    print(
        "\n| set | labels | clusters found | outliers | AMI | best AMI of the sweep, at | share |",
        "|---|---|---|---|---|---|---|",
        *alone,
        sep="\n",
    )


def _nothing_given(labelled: Labelled, vectors: npt.NDArray[np.float32]) -> list[str]:
    chosen = cluster(labelled.texts, vectors=vectors)
    sweep = {
        r: cluster(labelled.texts, vectors=vectors, granularity=r).labels for r in _RESOLUTIONS
    }
    rows = []
    for grain, truth in labelled.grains.items():
        score = adjusted_mutual_info_score(truth, chosen.labels)
        swept = {r: adjusted_mutual_info_score(truth, labels) for r, labels in sweep.items()}
        best = max(swept, key=swept.__getitem__)
        rows.append(
            f"| {labelled.name}, {grain} | {len(set(truth))} | {len(chosen)} | "
            f"{len(chosen.outliers)} | {100 * score:.1f} | {100 * swept[best]:.1f} at {best} | "
            f"{100 * score / swept[best]:.1f} % |"
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--only", choices=("sts", "clusters"))
    options = parser.parse_args()
    if not options.data.is_dir():
        print(f"Left out: there is no folder {options.data}; docs/data.md says what goes into it.")
        return
    try:
        if options.only != "clusters":
            report_sts(options.data)
        if options.only != "sts":
            report_clusters(options.data)
    except TableError as error:
        print(f"Stopped: {error} docs/data.md says what goes into {options.data}.")


if __name__ == "__main__":
    main()

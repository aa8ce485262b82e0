"""Quality on public data: clusters against k-means told the true k, and against a sweep of labels.

    python benchmarks/quality.py --data DIR

docs/data.md says where each set comes from and how to lay it out in DIR.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
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
    options = parser.parse_args()
    if not options.data.is_dir():
        print(f"Left out: there is no folder {options.data}; docs/data.md says what goes into it.")
        return
    try:
        report_clusters(options.data)
    except TableError as error:
        print(f"Stopped: {error} docs/data.md says what goes into {options.data}.")


if __name__ == "__main__":
    main()

"""New texts under the clusters that are there, against clustering all texts at once.

    python benchmarks/assign.py --data DIR [--vectors FILE] [--seeds 3]

Half of each set is clustered, told the true number of clusters; the other half is filed under its
clusters. V is the V-measure of that other half against its true labels, where a text that fits
none is in a cluster of its own. The vectors are kept in FILE, so that a second run begins at once.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
from sklearn.metrics import v_measure_score

import sememe
from quality import labelled_sets
from sememe.clustering import cluster

_SETS = ("Banking77", "CLINC150", "SearchSnippets")
_SPEED = (10_000, 100)  # texts, clusters


def cached_vectors(file: Path, name: str, texts: list[str]) -> npt.NDArray[np.float32]:
    """The texts' vectors, from the file if it has them."""
    stored: dict[str, npt.NDArray[np.float32]] = dict(np.load(file)) if file.is_file() else {}
    if name not in stored or len(stored[name]) != len(texts):
        encoder = sememe.BiEncoder("all-MiniLM-L6-v2", precision="int8")
        stored[name] = encoder.encode(texts, progress=False)
        np.savez(file, **stored)  # type: ignore[arg-type]
    return stored[name]


def report_quality(data: Path, file: Path, seeds: int) -> None:
    print("| set | texts | V, all at once | V, filed | difference | fit none | own texts agree |")
    print("|---|---|---|---|---|---|---|")
    for labelled in labelled_sets(data):
        if labelled.name not in _SETS:
            continue
        different = dict(zip(labelled.texts, labelled.grains["label"], strict=True))
        texts, truth = list(different), np.array(list(different.values()))
        vectors = cached_vectors(file, labelled.name, texts)
        count = len(set(truth.tolist()))
        at_once = cluster(texts, vectors=vectors, clusters=count).labels
        rows = []
        for seed in range(seeds):
            first, second = np.array_split(np.random.default_rng(seed).permutation(len(texts)), 2)
            groups = cluster([texts[row] for row in first], vectors=vectors[first], clusters=count)
            labels = groups.assign(vectors=vectors[second]).labels
            again = groups.assign(vectors=vectors[first]).labels
            rows.append(
                (
                    100 * v_measure_score(truth[second], at_once[second]),
                    100 * v_measure_score(truth[second], labels),
                    100 * np.mean(labels < 0),
                    100 * np.mean(again == groups.labels),
                )
            )
        full, filed, none, own = np.mean(rows, axis=0)
        print(
            f"| {labelled.name} | {len(texts):,} | {full:.1f} | {filed:.1f} | {filed - full:+.2f} "
            f"| {none:.1f} % | {own:.2f} % |",
            flush=True,
        )


def report_speed(data: Path, file: Path) -> None:
    texts_wanted, clusters = _SPEED
    labelled = next(each for each in labelled_sets(data) if each.name == "Banking77")
    texts = list(dict.fromkeys(labelled.texts))
    vectors = cached_vectors(file, labelled.name, texts)
    groups = cluster(texts, vectors=vectors, clusters=clusters)
    noise = np.random.default_rng(0).normal(scale=0.01, size=(texts_wanted, vectors.shape[1]))
    queries = vectors[np.arange(texts_wanted) % len(vectors)] + noise.astype(np.float32)
    walls, processor = [], []
    for _ in range(7):
        wall, used = time.perf_counter(), time.process_time()
        groups.assign(vectors=queries)
        walls.append(time.perf_counter() - wall)
        processor.append(time.process_time() - used)
    print(
        f"\n{texts_wanted:,} vectors under {clusters} clusters of {len(texts):,} texts: "
        f"{min(walls):.3f} s at best, {np.median(walls):.3f} s median of 7 "
        f"({min(processor):.3f} s of processor time)"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--vectors", type=Path, default=Path("/tmp/sememe-assign.npz"))
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    report_quality(options.data, options.vectors, options.seeds)
    report_speed(options.data, options.vectors)


if __name__ == "__main__":
    main()

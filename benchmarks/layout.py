"""The map's layout beside principal components and, where it is installed, UMAP.

    python benchmarks/layout.py --data DIR

Trustworthiness (Venna and Kaski 2001) at 15 neighbours: 1 where all neighbours on the plane are
neighbours in the vectors too. Every layout gets the same neighbours; finding them is not timed.
Seconds are those of the process, all cores added up, the second of two runs.
docs/data.md says what goes into DIR.
"""

import argparse
import time
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt
from sklearn.decomposition import PCA
from sklearn.manifold import trustworthiness

import sememe
from quality import labelled_sets
from sememe.clustering import cluster
from sememe.clustering.layout import layout_2d
from sememe.neighbors import Neighbors, nearest

_NEIGHBORS = 15
Array = npt.NDArray[np.float32]
Layout = Callable[[Array, Neighbors], npt.ArrayLike]


def layouts(vectors: Array, texts: list[str]) -> dict[str, Layout]:
    """The layouts to compare, by name."""
    labels = cluster(texts, vectors=vectors).labels
    found: dict[str, Layout] = {
        "sememe": layout_2d,
        "sememe, with the clusters' labels": lambda v, n: layout_2d(v, n, labels=labels),
        "principal components": lambda v, _: PCA(2, random_state=0).fit_transform(v),
    }
    if find_spec("umap"):
        found["UMAP"] = umap_layout
    return found


def umap_layout(vectors: Array, neighbors: Neighbors) -> npt.ArrayLike:
    """UMAP as it comes, but for the neighbours it is given and the seed."""
    itself = np.arange(len(vectors), dtype=np.int32)[:, None]
    indices = np.hstack([itself, neighbors.indices])
    distances = np.hstack([np.zeros_like(itself), 1 - neighbors.similarity]).astype(np.float32)
    model = import_module("umap").UMAP(
        n_neighbors=_NEIGHBORS + 1,
        metric="cosine",
        random_state=0,
        precomputed_knn=(indices, np.maximum(distances, 0)),
    )
    points: npt.ArrayLike = model.fit_transform(vectors)
    return points


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    options = parser.parse_args()
    if not options.data.is_dir():
        print(f"Left out: there is no folder {options.data}; docs/data.md says what goes into it.")
        return
    encoder = sememe.BiEncoder("all-MiniLM-L6-v2", precision="f32")
    print("| set | texts | layout | CPU seconds | trustworthiness |\n|---|---|---|---|---|")
    for labelled in labelled_sets(options.data):
        vectors = encoder.encode(labelled.texts, progress=False).astype(np.float32)
        neighbors = nearest(vectors, _NEIGHBORS)
        for name, layout in layouts(vectors, labelled.texts).items():
            for _ in range(2):
                start = time.process_time()
                points = layout(vectors, neighbors)
                spent = time.process_time() - start
            trust = trustworthiness(vectors, points, n_neighbors=_NEIGHBORS, metric="cosine")
            print(
                f"| {labelled.name} | {len(vectors):,} | {name} | {spent:.2f} | {trust:.3f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()

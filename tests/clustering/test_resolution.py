import numpy as np
from blobs import blobs

from sememe.clustering.resolution import grains, score, silhouette
from sememe.neighbors import nearest
from sememe.neighbors.communities import Labels


def test_silhouette_leaves_each_text_out_of_its_own_center() -> None:
    vectors, _ = blobs([6, 5, 4], dim=4, noise=1.5)
    labels = np.random.default_rng(0).integers(0, 3, 15)
    values = silhouette(vectors, labels)
    for row in range(15):
        similarity = []
        for label in range(3):
            members = vectors[(labels == label) & (np.arange(15) != row)].sum(axis=0)
            similarity.append(float(vectors[row] @ members / np.linalg.norm(members)))
        inside = 1 - similarity.pop(labels[row])
        other = 1 - max(similarity)
        np.testing.assert_allclose(values[row], (other - inside) / max(inside, other), atol=1e-4)


def test_a_text_alone_has_silhouette_zero() -> None:
    assert silhouette(np.eye(3, dtype=np.float32), np.arange(3)).tolist() == [0, 0, 0]


def test_the_true_groups_score_best() -> None:
    vectors, truth = blobs([40] * 6)
    neighbors = nearest(vectors, 9)
    halves = truth * 2 + np.random.default_rng(0).integers(0, 2, len(truth))
    assert score(vectors, neighbors, truth) > score(vectors, neighbors, halves)
    assert score(vectors, neighbors, truth) > score(vectors, neighbors, truth // 2)
    assert score(vectors, neighbors, np.zeros_like(truth)) == 0


def test_twelve_different_resolutions_are_tried_wherever_the_best_lies() -> None:
    vectors, truth = blobs([10] * 4)
    neighbors = nearest(vectors, 5)
    for best in (0.01, 0.3, 2.0, 100.0):
        tried: list[float] = []

        def partition(resolution: float, best: float = best, tried: list[float] = tried) -> Labels:
            tried.append(resolution)
            distance = abs(np.log(resolution / best))
            moved = np.random.default_rng(0).permutation(40)[: int(4 * distance)]
            labels = truth.copy()
            labels[moved] = (labels[moved] + 1) % 4
            return labels

        groups = grains(vectors, neighbors, partition)
        assert len(set(tried)) == len(tried) == len(groups) <= 12
        assert [grain.resolution for grain in groups] == sorted(tried)

import numpy as np
import pytest
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


@pytest.mark.parametrize("best", [0.01, 0.06, 0.3, 2.0, 12.0, 100.0])
@pytest.mark.parametrize("granularity", [None, "coarse", "fine"])
def test_the_climb_ends_at_the_best_resolution_in_few_steps(
    best: float, granularity: str | None
) -> None:
    vectors, truth = blobs([10] * 4)
    tried: list[float] = []

    def partition(resolution: float) -> Labels:
        tried.append(resolution)
        distance = abs(np.log(resolution / best))
        moved = np.random.default_rng(0).permutation(40)[: int(4 * distance)]
        labels = truth.copy()
        labels[moved] = (labels[moved] + 1) % 4
        return labels

    groups = grains(vectors, nearest(vectors, 5), partition, granularity)
    assert [grain.resolution for grain in groups] == sorted(tried)
    assert len(set(tried)) == len(tried) <= (10 if granularity is None else 17)
    top = max(groups, key=lambda grain: grain.score)
    assert abs(np.log(top.resolution / np.clip(best, 0.05, 33))) < 0.5
    if granularity == "coarse":
        assert min(tried) == pytest.approx(0.05)
    if granularity == "fine":
        assert max(tried) > 20

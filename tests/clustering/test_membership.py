"""New texts under clusters: who joins which, how strongly, and who fits none."""

from typing import Any

import numpy as np
import pytest
from blobs import agreement, blobs, cluster_vectors
from numpy.typing import NDArray

from sememe.clustering import Clusters
from sememe.errors import BlankWarning, InputError

SIZES = [60, 50, 40, 30]


def names(n: int) -> list[str]:
    return [f"text {row}" for row in range(n)]


def halves(noise: float = 0.6) -> tuple[Clusters, NDArray[np.float32], NDArray[np.int64]]:
    """Clusters of every other vector, and the other ones with their true groups."""
    vectors, truth = blobs([2 * size for size in SIZES], noise=noise)
    return (
        cluster_vectors(vectors[::2], names(len(truth[::2])), clusters=4),
        vectors[1::2],
        truth[1::2],
    )


@pytest.mark.parametrize("options", [{}, {"clusters": 4}, {"threshold": 0.5}], ids=str)
def test_texts_held_out_join_their_groups(options: dict[str, Any]) -> None:
    vectors, truth = blobs([2 * size for size in SIZES])
    groups = cluster_vectors(vectors[::2], names(len(truth[::2])), **options)
    labels, strength = groups.assign(vectors=vectors[1::2])
    assert agreement(labels, truth[1::2]) > 0.98
    assert labels.dtype == np.int64
    assert strength.dtype == np.float32
    assert ((strength >= 0) & (strength <= 1)).all()


@pytest.mark.parametrize("options", [{}, {"clusters": 40}, {"threshold": 0.3}], ids=str)
def test_clustered_texts_keep_their_clusters(options: dict[str, Any]) -> None:
    vectors, _ = blobs(SIZES, noise=1.4)
    vectors = np.vstack([vectors, -vectors.mean(axis=0, keepdims=True)])
    groups = cluster_vectors(vectors, names(181), **options)
    labels, _ = groups.assign(vectors=vectors)
    np.testing.assert_array_equal(labels, groups.labels)


def test_the_result_is_that_of_comparing_all_texts() -> None:
    """The neighbours of a text, found by comparing it with all, one by one."""
    groups, queries, _ = halves(noise=1.2)
    vectors = groups.vectors
    centers = [vectors[groups.labels == one].sum(axis=0) for one in range(4)]
    for query, label in zip(
        queries, groups.assign(vectors=queries, outliers="nearest").labels, strict=True
    ):
        cosines = vectors @ query
        nearest = np.argsort(-cosines)[: groups.space.neighbors.indices.shape[1]]
        weights = np.maximum(cosines[nearest], 0) ** 4
        claims = [
            float(weights[groups.labels[nearest] == one].sum() / weights.sum())
            + float(query @ center / np.linalg.norm(center))
            for one, center in enumerate(centers)
        ]
        assert claims[label] == pytest.approx(max(claims), abs=1e-5)


def test_what_fits_no_cluster_is_minus_one_unless_it_is_taken_in() -> None:
    groups, queries, _ = halves(noise=0.3)
    stray = -queries.mean(axis=0, keepdims=True)
    labels, strength = groups.assign(vectors=stray)
    assert (labels.tolist(), strength.tolist()) == ([-1], [0])
    labels, strength = groups.assign(vectors=stray, outliers="nearest")
    assert labels[0] >= 0
    assert strength[0] < groups.strength.mean()


def test_by_threshold_a_text_joins_where_its_mean_cosine_reaches_it() -> None:
    vectors, _ = blobs(SIZES, noise=0.9)
    groups = cluster_vectors(vectors, names(180), threshold=0.5)
    queries, _ = blobs(SIZES, noise=1.1)
    labels, _ = groups.assign(vectors=queries)
    assert {*labels.tolist()} > {-1}
    for query, label in zip(queries, labels, strict=True):
        means = [
            float((vectors[groups.labels == one.label] @ query).mean()) for one in groups.clusters
        ]
        if label < 0:
            assert max(means) < 0.5 + 1e-5
        else:
            assert means[label] >= max(0.5, *means) - 1e-5


def test_outliers_are_taken_in_where_that_is_chosen() -> None:
    vectors, _ = blobs([60, 60], dim=16, noise=0.2)
    every = np.vstack([vectors, -vectors.mean(axis=0, keepdims=True)])
    assert len(cluster_vectors(every, names(121), clusters=2).outliers) == 1
    groups = cluster_vectors(every, names(121), clusters=2, outliers="nearest")
    assert len(groups.outliers) == 0
    assert sum(one.size for one in groups.clusters) == 121


def test_strength_is_high_inside_and_low_between() -> None:
    vectors, truth = blobs([50, 50], noise=0.5)
    between = vectors[truth == 0].mean(axis=0) + vectors[truth == 1].mean(axis=0)
    groups = cluster_vectors(np.vstack([vectors, between]), names(101), clusters=2)
    assert groups.strength[100] < groups.strength[:100].min()
    assert groups.strength.shape == (101,)
    assert (groups.strength[groups.labels < 0] == 0).all()


def test_one_cluster_and_one_text_are_no_special_case() -> None:
    groups = cluster_vectors([[1, 0]] * 3, ["a"] * 3)
    labels, strength = groups.assign(vectors=[[1.0, 0.0], [0.9, 0.1]])
    assert labels.tolist() == [0, 0]
    assert (strength > 0.4).all()
    none = cluster_vectors([[1, 0]], ["a"])
    assert none.assign(vectors=[[1, 0]]).labels.tolist() == [-1]
    assert cluster_vectors(np.empty((0, 2)), []).assign(vectors=[[1, 0]]).labels.tolist() == [-1]


def test_blank_texts_are_filed_nowhere() -> None:
    groups, queries, _ = halves()
    with pytest.warns(
        BlankWarning, match=r"1 of 2 texts is blank \(texts\[0\]\) and in no cluster"
    ):
        labels, _ = groups.assign([" ", "a"], vectors=queries[:2])
    assert labels[0] == -1
    assert labels[1] == groups.assign(vectors=queries[1:2]).labels[0]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, r"assign\(\) takes texts, or vectors="),
        ({"texts": ["a"]}, "have no encoder"),
        ({"texts": "a"}, "texts is a single str"),
        ({"texts": ["a"], "vectors": np.eye(32)[:2]}, "2 vectors for 1 text"),
        ({"vectors": [[1, 0]]}, "have 2 dimensions, and those that were clustered have 32"),
        ({"vectors": [[np.nan] * 32]}, "row 0"),
        ({"vectors": np.eye(32), "outliers": "all"}, "outliers='all'"),
    ],
    ids=str,
)
def test_what_cannot_be_filed_is_named(arguments: dict[str, Any], message: str) -> None:
    groups, _, _ = halves()
    with pytest.raises(InputError, match=message):
        groups.assign(**arguments)

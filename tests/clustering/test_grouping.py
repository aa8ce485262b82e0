import ctypes
from typing import Any

import numpy as np
import pytest
from blobs import agreement, blobs, cluster_vectors
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sememe.clustering import cluster
from sememe.errors import BlankWarning, InputError
from tiny_models import Tiny


def names(n: int) -> list[str]:
    return [f"text {row}" for row in range(n)]


class Table:
    """An encoder that looks vectors up."""

    def __init__(self, texts: list[str], vectors: NDArray[np.float32]) -> None:
        self.vectors = dict(zip(texts, vectors, strict=True))

    def encode(self, texts: list[str], /) -> NDArray[np.float32]:
        return np.stack([self.vectors[text] for text in texts])


@pytest.mark.slow
@pytest.mark.parametrize("sizes", [[40] * 3, [200] * 5, [30] * 20, [300, 100, 50, 20]])
def test_finds_separate_groups_and_their_number_with_nothing_given(sizes: list[int]) -> None:
    vectors, truth = blobs(sizes)
    groups = cluster_vectors(vectors, names(len(truth)))
    assert len(groups) == len(sizes)
    assert agreement(groups.labels, truth) > 0.98
    assert groups.resolution is not None
    assert groups.why is not None
    assert "resolutions tried" in groups.why


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 2, 3, 7, 20, 60, 119, 120])
def test_gives_exactly_the_clusters_asked_for(count: int) -> None:
    vectors, _ = blobs([40] * 3)
    groups = cluster_vectors(vectors, names(120), clusters=count)
    assert len(groups) == count
    assert set(groups.labels.tolist()) - {-1} == set(range(count))


def test_told_the_number_it_finds_the_groups() -> None:
    vectors, truth = blobs([50] * 12, noise=0.9)
    assert agreement(cluster_vectors(vectors, names(600), clusters=12).labels, truth) > 0.95


def test_equal_arguments_give_equal_labels() -> None:
    vectors, _ = blobs([60] * 6, noise=1.2)
    first, second = (cluster_vectors(vectors, names(360)).labels for _ in range(2))
    np.testing.assert_array_equal(first, second)


@pytest.mark.slow
def test_no_other_use_of_random_numbers_changes_a_label() -> None:
    vectors, _ = blobs([30] * 5)
    library = ctypes.CDLL(None)
    groups = set()
    for draws in range(20):
        for _ in range(draws):
            library.rand()
        groups.add(cluster_vectors(vectors, names(150), granularity=5.0).labels.tobytes())
    assert len(groups) == 1


def test_order_of_the_texts_matters_little() -> None:
    vectors, truth = blobs([60] * 6, noise=0.8)
    texts = names(360)
    order = np.random.default_rng(1).permutation(360)
    straight = cluster_vectors(vectors, texts)
    mixed = cluster_vectors(vectors[order], [texts[row] for row in order])
    assert agreement(straight.labels[order], mixed.labels) > 0.98
    assert agreement(straight.labels, truth) > 0.98


def test_clusters_are_numbered_by_size_then_by_first_text() -> None:
    vectors, _ = blobs([20, 50, 20, 90])
    groups = cluster_vectors(vectors, names(180))
    sizes = np.bincount(groups.labels[groups.labels >= 0])
    assert sizes.tolist() == [90, 50, 20, 20] == [one.size for one in groups.clusters]
    labels = groups.labels.tolist()
    assert labels.index(2) < labels.index(3)


@pytest.mark.parametrize("arguments", [{}, {"clusters": 4}, {"threshold": 0.6}, {"granularity": 5}])
def test_copies_share_a_label_and_change_nothing_else(arguments: dict[str, Any]) -> None:
    vectors, _ = blobs([30] * 5)
    texts = names(150)
    rows = np.concatenate([np.arange(150), np.repeat(np.arange(10), 40)])
    alone = cluster_vectors(vectors, texts, **arguments).labels
    copied = cluster_vectors(vectors[rows], [texts[row] for row in rows], **arguments).labels
    for row in range(10):
        assert len(set(copied[rows == row].tolist())) == 1
    assert agreement(alone, copied[:150]) == pytest.approx(1)


def test_identical_texts_are_together_even_with_different_vectors() -> None:
    vectors, _ = blobs([20] * 2)
    groups = cluster_vectors(vectors, ["same" if row < 5 else f"{row}" for row in range(40)])
    assert len(set(groups.labels[:5].tolist())) == 1


def test_a_text_far_from_all_is_an_outlier() -> None:
    vectors, _ = blobs([60, 60], dim=16, noise=0.2)
    stray = -vectors.mean(axis=0, keepdims=True)
    groups = cluster_vectors(np.vstack([vectors, stray]), names(121), clusters=2)
    assert groups.outliers.tolist() == [120]
    assert len(groups) == 2


def test_length_of_the_vectors_does_not_matter() -> None:
    vectors, _ = blobs([30] * 3)
    scale = np.random.default_rng(0).uniform(0.1, 10, size=(90, 1))
    np.testing.assert_array_equal(
        cluster_vectors(vectors, names(90)).labels,
        cluster_vectors(vectors * scale, names(90)).labels,
    )


@settings(deadline=None, max_examples=25)
@given(threshold=st.floats(-0.5, 0.95), seed=st.integers(0, 50), noise=st.floats(0.1, 2))
def test_threshold_bounds_the_mean_similarity_inside_and_between(
    threshold: float, seed: int, noise: float
) -> None:
    vectors, _ = blobs([15, 10, 5], dim=8, noise=noise, seed=seed)
    labels = cluster_vectors(vectors, names(30), threshold=threshold).labels
    groups = [vectors[labels == label] for label in range(labels.max() + 1)]
    for index, group in enumerate(groups):
        inside = (group @ group.T)[np.triu_indices(len(group), 1)]
        assert inside.mean() >= threshold - 1e-5
        for other in groups[:index]:
            assert (group @ other.T).mean() <= threshold + 1e-5


def test_a_higher_threshold_gives_no_fewer_groups() -> None:
    vectors, _ = blobs([40] * 4)
    counts = []
    for threshold in (-0.9, 0.3, 0.6, 0.8):
        groups = cluster_vectors(vectors, names(160), threshold=threshold)
        counts.append(len(groups) + len(groups.outliers))
    assert counts == sorted(counts)
    assert counts[0] == 1


def test_coarse_and_fine_lie_on_either_side() -> None:
    vectors, _ = blobs([25] * 16, noise=1.4)
    usual = len(cluster_vectors(vectors, names(400)))
    assert len(cluster_vectors(vectors, names(400), granularity="coarse")) <= usual / 2
    assert len(cluster_vectors(vectors, names(400), granularity="fine")) >= usual * 1.5


def test_coarse_is_the_coarsest_where_nothing_links_the_groups() -> None:
    vectors, truth = blobs([40] * 4, noise=0.2)
    groups = cluster_vectors(vectors, names(160), granularity="coarse")
    assert agreement(groups.labels, truth) == pytest.approx(1)


def test_resolution_found_gives_the_same_when_given() -> None:
    vectors, _ = blobs([40] * 6)
    groups = cluster_vectors(vectors, names(240))
    again = cluster_vectors(vectors, names(240), granularity=groups.resolution)
    np.testing.assert_array_equal(groups.labels, again.labels)
    assert again.why is None


@pytest.mark.parametrize("arguments", [{}, {"threshold": 0.5}, {"granularity": "fine"}])
class TestFewTexts:
    def test_none(self, arguments: dict[str, Any]) -> None:
        groups = cluster_vectors(np.empty((0, 0)), [], **arguments)
        assert len(groups) == 0
        assert groups.labels.dtype == np.int64
        assert groups.labels.shape == (0,)

    def test_one_is_an_outlier(self, arguments: dict[str, Any]) -> None:
        assert cluster_vectors([[1, 0]], ["a"], **arguments).labels.tolist() == [-1]

    def test_all_identical_are_one_cluster(self, arguments: dict[str, Any]) -> None:
        groups = cluster_vectors([[1, 0]] * 5, ["a"] * 5, **arguments)
        assert groups.labels.tolist() == [0] * 5

    def test_different_texts_with_one_vector_are_one_cluster(
        self, arguments: dict[str, Any]
    ) -> None:
        assert cluster_vectors([[1, 0]] * 3, list("abc"), **arguments).labels.tolist() == [0] * 3


@pytest.mark.parametrize("n", [2, 3, 4, 5, 9])
def test_a_handful_of_texts_is_defined(n: int) -> None:
    vectors, _ = blobs([n], noise=0.3)
    labels = cluster_vectors(vectors, names(n)).labels
    assert labels.shape == (n,)
    assert labels.min() >= -1


def test_two_texts_can_be_told_apart_or_together() -> None:
    two = (np.array([[1, 0], [0.9, 0.1]]), ["a", "b"])
    assert cluster_vectors(*two).labels.tolist() == [0, 0]
    assert cluster_vectors(*two, clusters=1).labels.tolist() == [0, 0]
    assert cluster_vectors(*two, clusters=2).labels.tolist() == [0, 1]


def test_one_text_asked_as_one_cluster_is_one() -> None:
    assert cluster_vectors([[1, 0]], ["a"], clusters=1).labels.tolist() == [0]


def test_zero_vectors_are_texts_like_any_other() -> None:
    vectors, _ = blobs([20, 20])
    vectors[7] = 0
    assert cluster_vectors(vectors, names(40)).labels.shape == (40,)


def test_cluster_encodes_and_accepts_any_iterable() -> None:
    vectors, truth = blobs([30] * 3)
    texts = names(90)
    groups = cluster(iter(texts), Table(texts, vectors))
    assert agreement(groups.labels, truth) > 0.98
    assert groups.texts == texts
    assert len(cluster([], Table(texts, vectors))) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"clusters": 2, "threshold": 0.5},
            "clusters= and threshold= cannot be given together: give one",
        ),
        ({"granularity": 1, "threshold": 0.5}, "threshold= and granularity="),
        ({"threshold": True}, "threshold=True"),
        ({"granularity": True}, "granularity=True"),
        ({"clusters": 0}, "clusters=0"),
        ({"clusters": 2.5}, "clusters=2.5"),
        ({"clusters": True}, "clusters=True"),
        ({"clusters": 4}, "only 3 of the 4 texts"),
        ({"threshold": 1}, "threshold=1"),
        ({"threshold": float("nan")}, "threshold=nan"),
        ({"threshold": "high"}, "threshold='high'"),
        ({"granularity": "medium"}, "granularity='medium'"),
        ({"granularity": 0}, "granularity=0"),
        ({"granularity": float("inf")}, "granularity=inf"),
    ],
)
def test_bad_arguments_are_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        cluster_vectors(np.eye(4), ["a", "b", "c", "a"], **arguments)


@pytest.mark.parametrize(
    ("vectors", "texts", "message"),
    [
        (np.eye(3), ["a", "b"], "3 vectors for 2 texts"),
        (np.eye(2), ["a", 5], r"texts\[1\] is of type int"),
        (np.eye(2), "ab", "texts is a single str"),
        (np.eye(2), {"text": ["a", "b"]}, "texts is a dict"),
        (np.eye(2), ["a", None], r"texts\[1\] is missing"),
        (np.eye(1), ["a", "b"], "1 vector for 2 texts"),
        ({"a": [1, 0], "b": [0, 1]}, ["a", "b"], "vectors are not an array of numbers"),
        ([[1, 0], [np.nan, 0]], ["a", "b"], "row 1"),
    ],
)
def test_bad_texts_and_vectors_are_named(vectors: Any, texts: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        cluster_vectors(vectors, texts)


def test_bad_arguments_are_refused_before_anything_is_encoded() -> None:
    class Never:
        def encode(self, texts: list[str], /) -> None:
            raise AssertionError(f"encoded {texts}")

    for clusters in (0, 2):
        with pytest.raises(InputError):
            cluster(["a", "a"], Never(), clusters=clusters)


@pytest.mark.slow
@settings(deadline=None, max_examples=10)
@given(
    seed=st.integers(0, 10**6),
    sizes=st.lists(st.integers(1, 12), min_size=1, max_size=6),
    noise=st.floats(0.05, 3),
    copies=st.integers(0, 3),
)
def test_coarse_and_fine_stay_on_their_side_of_the_default(
    seed: int, sizes: list[int], noise: float, copies: int
) -> None:
    vectors, _ = blobs(sizes, dim=8, noise=noise, seed=seed)
    rows = [*range(len(vectors)), *range(min(copies, len(vectors)))]
    default, coarse, fine = (
        cluster_vectors(vectors[rows], [f"text {row}" for row in rows], granularity=granularity)
        for granularity in (None, "coarse", "fine")
    )
    assert default.resolution is not None
    assert coarse.resolution is not None
    assert fine.resolution is not None
    assert coarse.resolution <= default.resolution <= fine.resolution
    assert len(coarse) >= min(1, len(default))


def test_coarse_keeps_the_one_cluster_that_is_found_with_nothing_given() -> None:
    vectors, _ = blobs([6], dim=8, noise=0.5)
    assert cluster_vectors(vectors, names(6)).labels.tolist() == [0] * 6
    assert cluster_vectors(vectors, names(6), granularity="coarse").labels.tolist() == [0] * 6


@pytest.mark.parametrize("options", [{}, {"clusters": 3}, {"threshold": 0.5}], ids=str)
def test_blank_texts_change_nothing_about_the_others(options: dict[str, Any]) -> None:
    vectors, truth = blobs([30] * 3)
    texts = [f"{['red', 'green', 'blue'][group]} {row}" for row, group in enumerate(truth)]
    alone = cluster(texts, Table(texts, vectors), **options)
    mixed = list(texts)
    for at in range(120):
        if at % 4 == 1:
            mixed.insert(at, ["", " ", "\n"][at % 3])
    rows = [row for row, text in enumerate(mixed) if text.strip()]
    with pytest.warns(BlankWarning) as notes:
        groups = cluster(mixed, Table(texts, vectors), **options)  # knows no blank text
    assert [str(note.message) for note in notes] == [
        "30 of 120 texts are blank (texts[1], texts[5], texts[9], …) and in no cluster."
    ]
    np.testing.assert_array_equal(groups.labels[rows], alone.labels)
    assert groups.clusters == alone.clusters
    np.testing.assert_array_equal(groups.vectors[rows], alone.vectors)
    assert groups.blanks.tolist() == [row for row in range(120) if row not in rows]
    assert (groups.labels[groups.blanks] == -1).all()
    assert groups.outliers.tolist() == [rows[row] for row in alone.outliers]
    every = np.full((120, 32), 7.0)
    every[rows] = vectors
    with pytest.warns(BlankWarning):
        given_vectors = cluster_vectors(every, mixed, **options)
    np.testing.assert_array_equal(given_vectors.labels, groups.labels)
    assert given_vectors.clusters == groups.clusters


def test_blank_texts_alone_are_no_clusters() -> None:
    with pytest.warns(BlankWarning, match=r"^2 of 2 texts are blank \(texts\[0\], texts\[1\]\)"):
        groups = cluster(["", " "], Table([], np.empty((0, 3), np.float32)))
    assert (len(groups), groups.labels.tolist(), groups.outliers.tolist()) == (0, [-1, -1], [])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::sememe.errors.ChoiceWarning")
def test_a_name_is_an_encoder_and_none_means_the_default(default_model: str) -> None:
    texts = ["a cat", "a kitten", "a bus", "a tram"]
    for groups in (cluster(texts, clusters=2), cluster(texts, default_model, clusters=2)):
        assert groups.labels.tolist() == [0, 0, 1, 1]


@pytest.mark.filterwarnings("ignore::sememe.errors.ChoiceWarning")
def test_a_folder_is_an_encoder(tiny: Tiny) -> None:
    assert cluster(["a car", "a bus"], tiny.directory, clusters=1).labels.tolist() == [0, 0]


def test_a_table_of_vectors_is_an_array() -> None:
    pandas = pytest.importorskip("pandas")
    vectors = pandas.DataFrame({"x": [1.0, 1.0, 0.0], "y": [0.0, 0.1, 1.0]})
    assert cluster_vectors(vectors, ["a", "b", "c"], threshold=0.9).labels.tolist() == [0, 0, -1]
    with pytest.raises(InputError, match="texts is a DataFrame: give one column of it"):
        cluster_vectors(vectors, vectors)
    with pytest.raises(InputError, match="texts is a DataFrame: give one column of it"):
        cluster(vectors)

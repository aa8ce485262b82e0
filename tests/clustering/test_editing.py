"""Names, unions, splits and parts of a clustering; its tree; its counts over a column."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow
import pytest
from blobs import blobs, cluster_vectors

from sememe.clustering import Clusters
from sememe.errors import InputError, SememeWarning, TableError

WORDS = ["red apple", "blue whale", "green tea", "black coffee", "white snow"]


@pytest.fixture(scope="module")
def groups() -> Clusters:
    vectors, truth = blobs([50, 40, 30, 20, 10], noise=0.4)
    texts = [f"{WORDS[group]} {row}" for row, group in enumerate(truth)]
    columns = {
        "day": [f"2026-{1 + row % 3:02}-15" for row in range(len(texts))],
        "shop": ["north" if group < 2 else "south" for group in truth],
    }
    return cluster_vectors(vectors, texts, clusters=5, columns=columns)


def test_clusters_have_names_of_their_own(groups: Clusters) -> None:
    assert [one.name.split(",")[0] for one in groups.clusters] == WORDS
    assert all(one.subtitle in groups.texts for one in groups.clusters)


def test_a_new_name_changes_nothing_else(groups: Clusters) -> None:
    renamed = groups.rename({3: "espresso  bar"})
    assert renamed.cluster(3).name == "espresso bar"
    assert renamed.clusters[:3] == groups.clusters[:3]
    assert groups.cluster(3).name != "espresso bar"
    assert renamed.labels is groups.labels


def test_a_union_keeps_the_first_number_and_the_others_theirs(groups: Clusters) -> None:
    places = groups.xy
    merged = groups.merge(4, 1)
    assert [one.label for one in merged.clusters] == [0, 4, 2, 3]
    assert (merged.labels == 4).sum() == merged.cluster(4).size == 50
    assert merged.cluster(2) == groups.cluster(2)
    assert {"white snow", "blue whale"} <= set(merged.cluster(4).terms)
    np.testing.assert_array_equal(merged.xy, places)
    assert merged.assign(vectors=groups.vectors).labels.tolist() == merged.labels.tolist()


def test_a_name_of_the_user_outlives_a_union(groups: Clusters) -> None:
    assert groups.rename({1: "sea"}).merge(1, 2).cluster(1).name == "sea"
    assert groups.rename({2: "leaf"}).merge(1, 2).cluster(1).name != "sea"


def test_what_was_united_comes_apart_again(groups: Clusters) -> None:
    for into in (None, 2):
        parts = groups.merge(0, 3).split(0, into=into)
        assert sorted(one.label for one in parts.clusters) == [0, 1, 2, 4, 5]
        assert (parts.labels == 0).sum() == 50
        np.testing.assert_array_equal(parts.labels == 5, groups.labels == 3)
        assert parts.cluster(5).name.startswith("black coffee")


def test_copies_stay_together_in_a_split() -> None:
    vectors, truth = blobs([20, 20], noise=0.3)
    rows = [*range(40), *range(40)]
    groups = cluster_vectors(vectors[rows], [f"text {row}" for row in rows], clusters=1)
    parts = groups.split(0, into=2)
    np.testing.assert_array_equal(parts.labels[:40], parts.labels[40:])
    assert len(set(zip(truth.tolist(), parts.labels.tolist(), strict=False))) == 2


def test_a_part_keeps_numbers_names_columns_and_places(groups: Clusters) -> None:
    places = groups.xy
    part = groups.subset(3, 1)
    rows = np.flatnonzero(np.isin(groups.labels, [1, 3]))
    assert part.clusters == [groups.cluster(1), groups.cluster(3)]
    assert part.texts == [groups.texts[row] for row in rows]
    assert part.columns["day"] == [groups.columns["day"][row] for row in rows.tolist()]
    np.testing.assert_array_equal(part.labels, groups.labels[rows])
    np.testing.assert_allclose(part.xy, places[rows], atol=1e-6)
    assert part.assign(vectors=groups.vectors[rows]).labels.tolist() == part.labels.tolist()


@pytest.mark.parametrize(
    ("method", "arguments", "message"),
    [
        ("rename", [{7: "x"}], "there is no cluster 7; the numbers are 0, 1, 2, 3, 4"),
        ("rename", [{1: ""}], "the name of cluster 1 is ''"),
        ("rename", [["x"]], "give names by number"),
        ("rename", [{1: "x", 2: "x"}], "clusters 1 and 2 would both be called 'x'"),
        ("merge", [3, 3], "cluster 3 cannot be merged with itself"),
        ("merge", [3], "two clusters or more"),
        ("merge", [3, 9], "there is no cluster 9"),
        ("split", [-1], "there is no cluster -1"),
        ("split", [4, 11], "10 different texts: it cannot be split in 11"),
        ("split", [4, 1], "into=1: give a whole number of at least 2"),
        ("subset", ["a"], "there is no cluster 'a'"),
        ("over", ["shop", "month"], '"shop" holds no dates'),
        ("over", ["day", "week"], "by='week' is not known; there are day, month, year"),
        ("over", [["a"]], "1 value for 150 texts"),
    ],
    ids=str,
)
def test_what_cannot_be_done_is_said(
    groups: Clusters, method: str, arguments: list[Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        getattr(groups, method)(*arguments)


def test_a_column_is_found_in_any_case_and_others_are_named(groups: Clusters) -> None:
    assert groups.over(" Shop").column == "shop"
    with pytest.raises(TableError, match='no column "date"; its columns are "day", "shop"'):
        groups.over("date")
    with pytest.raises(InputError, match=r"no columns: cluster\(\.\.\., columns=\) takes them"):
        replace(groups, columns={}).over("date")


def test_the_tree_joins_what_is_alike() -> None:
    vectors, truth = blobs([12] * 24, dim=48, noise=0.3)
    centers, coarse = blobs([4] * 6, dim=48, noise=0.0, seed=5)
    vectors = vectors + 2 * centers[truth]
    texts = [f"family{coarse[group]} member{group}" for group in truth]
    groups = cluster_vectors(vectors, texts, clusters=24)
    tree = groups.tree()
    assert tree.size == 288 - len(groups.outliers)
    assert len(tree.children) == 6
    for branch in tree.children:
        assert branch.label is None
        families = {
            groups.texts[row].split()[0]
            for leaf in branch.children
            for row in np.flatnonzero(groups.labels == leaf.label)
        }
        assert len(families) == 1
        assert families.pop() in branch.name
    lines = str(tree).splitlines()
    assert len(lines) == 1 + 6 + 24
    assert sum(line.startswith("    ") for line in lines) == 24


def test_counts_over_time_and_categories_are_those_of_the_rows(groups: Clusters) -> None:
    months = groups.over("day", by="month")
    assert months.values == ["2026-01", "2026-02", "2026-03"]
    for row in months.rows:
        texts = [
            row["cluster"] == label and day.startswith(row["day"])
            for label, day in zip(groups.labels, groups.columns["day"], strict=True)
        ]
        assert row["texts"] == sum(texts)
    np.testing.assert_allclose(months.shares.sum(axis=0), 1)
    shops = groups.over("shop")
    assert shops.values == ["north", "south"]
    assert shops.counts[:5].tolist() == [[50, 0], [40, 0], [0, 30], [0, 20], [0, 10]]
    assert str(shops).splitlines()[1].split()[-2:] == ["50", "0"]
    assert "<td>50</td>" in shops._repr_html_()


def test_unreadable_dates_are_named_and_left_out(groups: Clusters) -> None:
    days = [*groups.columns["day"][:-1], "soon"]
    with pytest.warns(SememeWarning, match=r"row 149: 'soon'"):
        counts = groups.over(days, by="year")
    assert counts.values == ["2026"]
    assert counts.counts.sum() == 149


def test_a_table_of_counts_is_a_frame(groups: Clusters) -> None:
    pytest.importorskip("pandas")
    frame = groups.over("shop").to_frame()
    assert list(frame.columns) == ["cluster", "name", "shop", "texts", "share"]
    assert frame["texts"].sum() == 150


def test_names_can_be_made_elsewhere() -> None:
    vectors, truth = blobs([20, 10], noise=0.3)
    texts = [f"{WORDS[group]} {row}" for row, group in enumerate(truth)]
    seen = []

    def name(examples: list[str], terms: list[str]) -> str:
        seen.append((examples, terms))
        return f"about {terms[0]}"

    groups = cluster_vectors(vectors, texts, clusters=2, names=name)
    assert [one.name for one in groups.clusters] == ["about red apple", "about blue whale"]
    assert all(set(examples) <= set(texts) for examples, _ in seen)
    same = cluster_vectors(vectors, texts, clusters=2, names=lambda *_: "same")
    assert len({one.name for one in same.clusters}) == 2
    with pytest.raises(InputError, match="names= gave None for cluster 0"):
        cluster_vectors(vectors, texts, clusters=2, names=lambda *_: None)
    with pytest.raises(InputError, match="names='llm'"):
        cluster_vectors(vectors, texts, clusters=2, names="llm")


def test_a_function_names_what_has_no_given_name(groups: Clusters) -> None:
    asked: list[str] = []

    def name(_: list[str], terms: list[str]) -> str:
        asked.extend(terms[:1])
        return "same"

    named = groups.rename({1: "sea"}).rename(name)
    assert asked == ["red apple", "green tea", "black coffee", "white snow"]
    assert [one.name.partition(":")[0] for one in named.clusters] == ["same", "sea"] + ["same"] * 3
    assert len({one.name for one in named.clusters}) == 5
    assert named.rename(name).clusters == named.clusters
    with pytest.raises(InputError, match="names= gave '' for cluster 0"):
        groups.rename(lambda *_: "")


def test_only_what_changed_is_named_again() -> None:
    vectors, truth = blobs([20, 15, 10], noise=0.3)
    texts = [f"{WORDS[group]} {row}" for row, group in enumerate(truth)]
    asked: list[str] = []

    def name(_: list[str], terms: list[str]) -> str:
        asked.append(terms[0])
        return f"{len(asked)}"

    groups = cluster_vectors(vectors, texts, clusters=3, names=name)
    assert len(asked) == 3
    merged = groups.merge(1, 2)
    assert len(asked) == 4
    assert merged.cluster(0) == groups.cluster(0)


def test_columns_have_a_value_a_text() -> None:
    with pytest.raises(InputError, match="columns= has 1 row for 2 texts"):
        cluster_vectors([[1, 0], [0, 1]], ["a", "b"], columns={"day": ["2026-01-01"]})


def test_columns_come_in_any_table() -> None:
    rows = [{"day": "2026-01-01"}, {"day": "2026-01-02"}]
    frame = pd.DataFrame(rows, index=[7, 3])
    for columns in (rows, frame, pyarrow.Table.from_pandas(frame, preserve_index=False)):
        groups = cluster_vectors([[1, 0], [0, 1]], ["a", "b"], columns=columns)
        assert groups.columns == {"day": ["2026-01-01", "2026-01-02"]}


@pytest.mark.parametrize("columns", [["day"], 5, pd.Series(["2026-01-01", "2026-01-02"])])
def test_what_is_no_table_is_no_columns(columns: Any) -> None:
    groups = cluster_vectors([[1, 0], [0, 1]], ["a", "b"])
    with pytest.raises(InputError, match="the data"):
        groups.save_map("never.html", columns=columns)
    with pytest.raises(InputError, match="the data"):
        cluster_vectors([[1, 0], [0, 1]], ["a", "b"], columns=columns)


def test_numbers_come_one_by_one(groups: Clusters) -> None:
    with pytest.raises(InputError, match=r"there is no cluster \[0, 1\]"):
        groups.subset([0, 1])  # type: ignore[arg-type]
    assert [one.label for one in groups.subset(1, 0, 1).clusters] == [0, 1]


def test_a_frame_keeps_the_index_of_a_series() -> None:
    rows = pd.Series(["a", "b", "c", "d"], index=[7, 3, 9, 1])
    vectors = np.array([[1, 0], [1, 0.1], [0, 1], [0.1, 1]])
    groups = cluster_vectors(vectors, rows, clusters=2)
    assert groups.to_frame().index.tolist() == [7, 3, 9, 1]
    label = int(groups.labels[2])
    assert groups.subset(label).to_frame().index.tolist() == [9, 1]
    assert groups.merge(0, 1).to_frame().index.tolist() == [7, 3, 9, 1]

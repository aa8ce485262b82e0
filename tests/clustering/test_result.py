import json
import sys
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from blobs import blobs, cluster_vectors

from page_data import data_of, unpacked_json
from sememe.clustering import Clusters
from sememe.errors import BlankWarning, InputError, MissingExtra


@pytest.fixture
def groups() -> Clusters:
    vectors, truth = blobs([30, 20], noise=0.3)
    vectors = np.vstack([vectors, -vectors.mean(axis=0, keepdims=True)])
    words = ["nuclear power plants", "静かな電気自動車の話です"]
    texts = [f"{words[group]} {row}" for row, group in enumerate(truth)]
    return cluster_vectors(vectors, [*texts, "stray"], clusters=2)


def test_counts_its_clusters_and_names_its_outliers(groups: Clusters) -> None:
    assert len(groups) == 2
    assert groups.outliers.tolist() == [50]
    assert sum(one.size for one in groups.clusters) == 50


def test_to_dict_is_json(groups: Clusters) -> None:
    read = json.loads(json.dumps(groups.to_dict()))
    assert [one["size"] for one in read["clusters"]] == [30, 20]
    assert read["outliers"] == [50]
    assert read["resolution"] is None


@pytest.mark.parametrize("width", [40, 80, 200])
def test_prints_a_table_no_wider_than_the_terminal(
    groups: Clusters, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    lines = str(groups).splitlines()
    assert lines[0] == "2 clusters of 51 texts, 1 outlier"
    assert any("nuclear power" in line for line in lines)
    assert any("静かな" in line for line in lines)
    for line in lines:
        assert sum(1 + (unicodedata.east_asian_width(c) in "WF") for c in line) <= width


def test_blank_texts_are_no_outliers_and_not_counted_as_texts(tmp_path: Path) -> None:
    vectors, _ = blobs([5], noise=0.3)
    texts = [*(f"text {row}" for row in range(5)), " "]
    with pytest.warns(BlankWarning, match=r"1 of 6 texts is blank \(texts\[5\]\)"):
        groups = cluster_vectors(np.vstack([vectors, vectors[:1]]), texts, clusters=1)
    assert repr(groups) == "<Clusters: 1 cluster of 5 texts, 0 outliers, 1 blank>"
    assert str(groups).startswith("1 cluster of 5 texts, 0 outliers, 1 blank\n")
    read = groups.to_dict()
    assert (read["texts"], read["outliers"], read["blank"]) == (5, [], [5])
    groups.save_map(tmp_path / "with.html")
    cluster_vectors(vectors, texts[:5], clusters=1).save_map(tmp_path / "without.html")
    assert (tmp_path / "with.html").read_bytes() == (tmp_path / "without.html").read_bytes()


def test_an_empty_result_prints_too() -> None:
    assert str(cluster_vectors(np.empty((0, 0)), [])) == "0 clusters of 0 texts, 0 outliers"


def test_to_frame_has_a_row_for_each_text(groups: Clusters) -> None:
    pytest.importorskip("pandas")
    frame = groups.to_frame()
    assert list(frame.columns) == ["text", "cluster", "name", "strength", "terms"]
    assert frame["cluster"].tolist() == groups.labels.tolist()
    assert frame["terms"].iloc[50] == ""


def test_without_pandas_to_frame_says_what_to_install(
    groups: Clusters, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingExtra, match="pip install pandas"):
        groups.to_frame()


def test_no_texts_make_no_map(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no texts"):
        cluster_vectors(np.empty((0, 0)), []).save_map(tmp_path / "map.html")


def test_map_is_one_file_with_every_text(groups: Clusters, tmp_path: Path) -> None:
    groups.save_map(tmp_path / "map.html", title="Opinions")
    assert [path.name for path in tmp_path.iterdir()] == ["map.html"]
    data = data_of(tmp_path / "map.html")
    assert unpacked_json(data["texts"]) == groups.texts


def test_the_map_takes_columns_and_a_colour(groups: Clusters, tmp_path: Path) -> None:
    columns = {"side": ["left", "right", "left"] * 17}
    groups.save_map(tmp_path / "map.html", columns=columns, color="side")
    data = data_of(tmp_path / "map.html")
    assert [column["name"] for column in data["columns"]] == ["side"]
    assert data["color"] == "side"
    with pytest.raises(InputError, match="did you mean"):
        groups.save_map(tmp_path / "map.html", columns=columns, color="sid")
    with pytest.raises(InputError, match="columns= has 3 rows for 51 texts"):
        groups.save_map(tmp_path / "map.html", columns={"side": [1, 2, 3]})


def test_a_notebook_shows_a_table_in_which_no_text_is_markup() -> None:
    vectors, _ = blobs([5], noise=0.3)
    texts = [f"<script>alert({row})</script>" for row in range(5)]
    page = cluster_vectors(vectors, texts, clusters=1)._repr_html_()
    assert page.startswith("<table><caption>1 cluster of 5 texts, 0 outliers</caption>")
    assert "&lt;script&gt;alert(" in page
    assert "<script" not in page

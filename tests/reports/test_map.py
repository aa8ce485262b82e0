"""What the written file holds; what it does in a browser is tested in test_map_browser."""

import base64
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from groups import Group
from hypothesis import given, settings
from hypothesis import strategies as st
from pages import data_of

from sememe.errors import InputError, TableError
from sememe.reports.cluster_map import write_map


def array(packed: str, dtype: str) -> list[int]:
    values: list[int] = np.frombuffer(base64.b64decode(packed), dtype).tolist()
    return values


def test_holds_texts_places_and_clusters_with_the_largest_first(tmp_path: Path) -> None:
    groups = [Group(7, 1, ["tea"], ["Tea"]), Group(3, 2, ["rail"], ["A train"])]
    points = [[0.0, 0.0], [10.0, 5.0], [5.0, 2.5], [0.0, 5.0]]
    texts = ["Tea", "A train", "A tram", "?"]
    write_map(tmp_path / "map.html", points, [7, 3, 3, -1], texts, groups, title="Four")
    held = data_of(tmp_path / "map.html")
    assert held["texts"] == texts
    assert [cluster["terms"] for cluster in held["clusters"]] == [["rail"], ["tea"]]
    assert array(held["members"], "<i4") == [1, 0, 0, -1]
    places = np.array(array(held["points"], "<i2")).reshape(-1, 2)
    assert places.tolist() == [[-32767, -16384], [32767, 16384], [0, 0], [-32767, 16384]]
    assert "<title>Four</title>" in (tmp_path / "map.html").read_text()


def test_no_texts_make_an_empty_map(tmp_path: Path) -> None:
    write_map(tmp_path / "map.html", np.empty((0, 2)), [], [], [])
    assert data_of(tmp_path / "map.html")["texts"] == []


def test_texts_in_one_place_stay_finite(tmp_path: Path) -> None:
    write_map(tmp_path / "map.html", [[3, 4], [3, 4]], [-1, -1], ["a", "b"], [])
    assert array(data_of(tmp_path / "map.html")["points"], "<i2") == [0, 0, 0, 0]


def test_long_texts_are_cut_with_an_ellipsis(tmp_path: Path) -> None:
    group = Group(0, 1, ["word " * 100], ["é" * 10**6])
    write_map(tmp_path / "map.html", [[0, 0]], [0], ["é" * 10**6], [group])
    held = data_of(tmp_path / "map.html")
    assert held["texts"] == ["é" * 999 + "…"]
    assert len(held["clusters"][0]["examples"][0]) == 300
    assert (tmp_path / "map.html").stat().st_size < 100_000


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.text(max_size=30) | st.sampled_from(["</script>", "<!--", "{{data}}", "\u2028"]))
)
def test_any_text_comes_back_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str]
) -> None:
    path = tmp_path_factory.mktemp("maps") / "map.html"
    write_map(path, np.zeros((len(texts), 2)), [-1] * len(texts), texts, [], title="&".join(texts))
    assert data_of(path)["texts"] == texts


def test_nothing_that_a_text_holds_is_markup(tmp_path: Path) -> None:
    evil = "</script><script>alert(1)</script><!--<img src=x onerror=alert(1)>{{script}}\u2028"
    plain, hostile = tmp_path / "plain.html", tmp_path / "hostile.html"
    for path, text in ((plain, "x"), (hostile, evil)):
        write_map(path, [[0, 0]], [0], [text], [Group(0, 1, [text], [text])], title=text)
    tags = [re.findall(r"<[!/a-z]", path.read_text(encoding="utf-8")) for path in (plain, hostile)]
    assert tags[0] == tags[1]


def test_a_lone_surrogate_becomes_a_question_mark(tmp_path: Path) -> None:
    write_map(tmp_path / "map.html", [[0, 0]], [-1], ["half \ud83d"], [])
    assert data_of(tmp_path / "map.html")["texts"] == ["half ?"]


def test_names_no_address_but_its_own_parts(tmp_path: Path) -> None:
    write_map(tmp_path / "map.html", [[0, 0]], [-1], ["x"], [])
    page = (tmp_path / "map.html").read_text(encoding="utf-8")
    assert not re.search(r"https?:|//[a-z]+\.|\bsrc=|@import|url\(", page)
    assert "default-src 'none'" in page


@pytest.mark.parametrize(
    ("points", "labels", "texts", "message"),
    [
        ([[0, 0]], [-1], ["a", "b"], "1 points, 1 labels and 2 texts"),
        ([[0, 0]], [-1, -1], ["a"], "2 labels"),
        ([0, 0], [-1, -1], ["a", "b"], r"shape \(2,\)"),
        ([[0, 0, 0]], [-1], ["a"], r"shape \(1, 3\)"),
        ([[0, 0], [np.nan, 0]], [-1, -1], ["a", "b"], "point 1 is not finite"),
        ([[0, 0]], [4], ["a"], "label 4 has no cluster"),
    ],
)
def test_input_that_does_not_fit_is_refused(
    tmp_path: Path, points: Any, labels: list[int], texts: list[str], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        write_map(tmp_path / "map.html", points, labels, texts, [])
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="no folder"):
        write_map(tmp_path / "none" / "map.html", [[0, 0]], [-1], ["a"], [])

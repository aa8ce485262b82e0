"""What the written file holds; what it does in a browser is tested in test_map_browser."""

import re
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from groups import group
from hypothesis import given, settings
from hypothesis import strategies as st

from page_data import data_of, unpacked_array, unpacked_json
from sememe.errors import InputError, SememeWarning, TableError
from sememe.reports.cluster_map import neighbor_colors, write_map


def texts_of(path: Path) -> list[str]:
    texts: list[str] = unpacked_json(data_of(path)["texts"])
    return texts


def columns_of(path: Path, **columns: Any) -> dict[str, Any]:
    """The columns of a map of as many texts, unpacked, by name."""
    n = len(next(iter(columns.values())))
    write_map(path, np.zeros((n, 2)), [-1] * n, ["text"] * n, [], columns=columns)
    drawn = {column["name"]: column for column in data_of(path)["columns"]}
    for column in drawn.values():
        column["values"] = unpacked_json(column["values"])
        column["codes"] = unpacked_array(column["codes"], "<i4")
        column["numbers"] = column["numbers"] and unpacked_array(column["numbers"], "<f8")
    return drawn


def test_holds_texts_places_and_clusters_with_the_largest_first(tmp_path: Path) -> None:
    groups = [group(7, 1, ["tea"], ["Tea"]), group(3, 2, ["rail"], ["A train"])]
    points = [[0.0, 0.0], [10.0, 5.0], [5.0, 2.5], [0.0, 5.0]]
    texts = ["Tea", "A train", "A tram", "?"]
    write_map(tmp_path / "map.html", points, [7, 3, 3, -1], texts, groups, title="Four")
    held = data_of(tmp_path / "map.html")
    assert texts_of(tmp_path / "map.html") == texts
    assert [cluster["terms"] for cluster in held["clusters"]] == [["rail"], ["tea"]]
    assert unpacked_array(held["members"], "<i4") == [1, 0, 0, -1]
    places = np.array(unpacked_array(held["points"], "<i2")).reshape(-1, 2)
    assert places.tolist() == [[-32767, -16384], [32767, 16384], [0, 0], [-32767, 16384]]
    assert "<title>Four</title>" in (tmp_path / "map.html").read_text()


def test_no_texts_make_an_empty_map(tmp_path: Path) -> None:
    write_map(tmp_path / "map.html", np.empty((0, 2)), [], [], [])
    assert texts_of(tmp_path / "map.html") == []


def test_texts_in_one_place_stay_finite(tmp_path: Path) -> None:
    write_map(tmp_path / "map.html", [[3, 4], [3, 4]], [-1, -1], ["a", "b"], [])
    assert unpacked_array(data_of(tmp_path / "map.html")["points"], "<i2") == [0, 0, 0, 0]


def test_long_texts_are_cut_with_an_ellipsis(tmp_path: Path) -> None:
    cluster = group(0, 1, ["word " * 100], ["é" * 10**6])
    write_map(tmp_path / "map.html", [[0, 0]], [0], ["é" * 10**6], [cluster])
    held = data_of(tmp_path / "map.html")
    assert texts_of(tmp_path / "map.html") == ["é" * 999 + "…"]
    assert len(held["clusters"][0]["examples"][0]) == 300
    assert (tmp_path / "map.html").stat().st_size < 100_000


@pytest.mark.slow
@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.text(max_size=30) | st.sampled_from(["</script>", "<!--", "{{data}}", "\u2028"]))
)
def test_any_text_comes_back_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str]
) -> None:
    path = tmp_path_factory.mktemp("maps") / "map.html"
    write_map(path, np.zeros((len(texts), 2)), [-1] * len(texts), texts, [], title="&".join(texts))
    assert texts_of(path) == texts


def test_nothing_that_a_text_holds_is_markup(tmp_path: Path) -> None:
    evil = "</script><script>alert(1)</script><!--<img src=x onerror=alert(1)>{{script}}\u2028"
    plain, hostile = tmp_path / "plain.html", tmp_path / "hostile.html"
    for path, text in ((plain, "x"), (hostile, evil)):
        cluster = group(0, 1, [text], [text])
        branch: dict[str, Any] = {"name": text, "label": None, "children": []}
        write_map(
            path, [[0, 0]], [0], [text], [cluster],
            columns={text: [text]}, tree=[branch], title=text,
        )  # fmt: skip
    tags = [re.findall(r"<[!/a-z]", path.read_text(encoding="utf-8")) for path in (plain, hostile)]
    assert tags[0] == tags[1]


def test_a_lone_surrogate_becomes_a_question_mark(tmp_path: Path) -> None:
    write_map(tmp_path / "map.html", [[0, 0]], [-1], ["half \ud83d"], [])
    assert texts_of(tmp_path / "map.html") == ["half ?"]


def test_names_no_address_but_its_own_parts(tmp_path: Path) -> None:
    write_map(tmp_path / "map.html", [[0, 0]], [-1], ["x"], [])
    page = (tmp_path / "map.html").read_text(encoding="utf-8")
    assert not re.search(r"https?:|//[a-z]+\.|\bsrc=|@import|url\(", page)
    assert "default-src 'none'" in page


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="no folder"):
        write_map(tmp_path / "none" / "map.html", [[0, 0]], [-1], ["a"], [])


def test_columns_come_as_their_values_and_which_of_them_each_text_has(tmp_path: Path) -> None:
    columns = columns_of(
        tmp_path / "map.html",
        topic=["tea", "rail", "rail", None],
        price=["2.50", "3", "", "-1e3"],
        day=[date(1970, 1, 2), None, date(1969, 12, 31), date(1970, 1, 2)],
        code=["007", "12", "12", "12"],
    )
    topic, price, day, code = (columns[name] for name in ("topic", "price", "day", "code"))
    assert (topic["kind"], topic["values"], topic["codes"]) == (
        "category", ["rail", "tea"], [1, 0, 0, -1],
    )  # fmt: skip
    assert price["kind"] == "number"
    assert price["numbers"] == pytest.approx([2.5, 3, np.nan, -1000], nan_ok=True)
    assert [price["values"][i] for i in price["codes"][:2]] == ["2.50", "3"]
    assert day["kind"] == "date"
    milliseconds = 24 * 60 * 60 * 1000
    assert day["numbers"] == pytest.approx(
        [milliseconds, np.nan, -milliseconds, milliseconds], nan_ok=True
    )
    assert day["values"] == ["1970-01-02", "1969-12-31"]
    assert code["kind"] == "category"


def test_long_or_unique_values_are_texts_to_read(tmp_path: Path) -> None:
    columns = columns_of(
        tmp_path / "map.html",
        id=[f"id {i}" for i in range(30)],
        answer=["a long answer, word for word, in more than sixty characters " * 9] * 30,
        team=["a", "b", "c"] * 10,
        few=[f"id {i % 12}" for i in range(30)],
    )
    kinds = {name: column["kind"] for name, column in columns.items()}
    assert kinds == {"id": "text", "answer": "text", "team": "category", "few": "category"}
    assert len(columns["answer"]["values"][0]) == 300


@pytest.mark.slow
def test_a_data_frame_is_a_mapping_of_columns(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"n": [1, 2], "day": pandas.to_datetime(["1970-01-01", None])})
    write_map(tmp_path / "map.html", [[0, 0], [0, 1]], [-1, -1], ["a", "b"], [], columns=frame)
    assert [one["kind"] for one in data_of(tmp_path / "map.html")["columns"]] == ["number", "date"]


def test_what_the_map_cannot_show_of_columns_is_named(tmp_path: Path) -> None:
    columns = {f"c{i}": ["x"] for i in range(31)} | {"vector": [[1.0, 2.0]]}
    with pytest.warns(SememeWarning, match=r'leaves out 2 columns \("c30", "vector"\)'):
        assert len(columns_of(tmp_path / "map.html", **columns)) == 30
    with pytest.warns(SememeWarning, match=r'leaves out 2 columns \("c29", "c30"\)'):
        write_map(
            tmp_path / "map.html", [[0, 0]], [-1], ["x"], [],
            columns={f"c{i}": ["x"] for i in range(31)} | {"late": ["x"]}, color="late",
        )  # fmt: skip
    assert data_of(tmp_path / "map.html")["columns"][0]["name"] == "late"
    days = ["2026-11-29"] * 9 + ["soon"]
    with pytest.warns(SememeWarning, match=r'"day": 1 of 10 cells is no date \(row 9: .soon.\)'):
        assert columns_of(tmp_path / "map.html", day=days)["day"]["kind"] == "date"


def test_a_part_of_the_rows_keeps_its_numbers(tmp_path: Path) -> None:
    texts, columns = ["a", "b", "c"], {"n": [1, 2, 4]}
    write_map(
        tmp_path / "map.html", [[0, 0], [1, 1]], [0, -1, 0], texts, [group(0, 2, [], [])],
        columns=columns, rows=[0, 2],
    )  # fmt: skip
    data = data_of(tmp_path / "map.html")
    assert unpacked_array(data["rows"], "<i4") == [0, 2]
    assert texts_of(tmp_path / "map.html") == ["a", "c"]
    assert unpacked_array(data["members"], "<i4") == [0, 0]
    assert unpacked_array(data["columns"][0]["numbers"], "<f8") == [1, 4]


def test_a_hierarchy_names_branches_and_points_at_clusters(tmp_path: Path) -> None:
    def node(label: int | None, *children: Any, name: str = "") -> Any:
        return {"name": name, "label": label, "children": children}

    groups = [group(5, 1, ["a"], []), group(8, 2, ["b"], [])]
    tree = [node(None, node(5), node(8), name="all")]
    write_map(tmp_path / "map.html", np.zeros((3, 2)), [5, 8, 8], ["x"] * 3, groups, tree=tree)
    assert data_of(tmp_path / "map.html")["tree"] == [{"name": "all", "children": [1, 0]}]


def test_clusters_side_by_side_have_different_colours() -> None:
    side = 12  # squares of a board, each a cluster, with a margin between them
    squares = np.stack(np.meshgrid(range(side), range(side)), axis=-1).reshape(-1, 2)
    random = np.random.default_rng(0)
    members = np.repeat(np.arange(side**2), 20)
    points = squares[members] + random.uniform(-0.45, 0.45, size=(len(members), 2))
    colors = np.array(neighbor_colors(points, members, side**2)).reshape(side, side)
    assert set(colors.ravel()) <= set(range(12))
    assert (colors[1:] != colors[:-1]).all()
    assert (colors[:, 1:] != colors[:, :-1]).all()


def test_up_to_twelve_clusters_share_no_colour() -> None:
    points = np.random.default_rng(0).normal(size=(200, 2))
    assert sorted(neighbor_colors(points, np.arange(200) % 12, 12)) == list(range(12))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"columns": {"topic": ["a"]}, "color": "topik"}, 'did you mean "topic"'),
        ({"color": "topic"}, "is no column of the map; there are none"),
        ({"columns": {"id": ["x" * 99]}, "color": "id"}, "choose a column of categories"),
        ({"columns": {"tags": [["x"]]}, "color": "tags"}, "its values are lists"),
    ],
)
def test_columns_that_do_not_fit_are_refused(
    tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        write_map(tmp_path / "map.html", [[0, 0]], [-1], ["a"], [], **options)
    assert list(tmp_path.iterdir()) == []

"""Clusters of many texts: the ways of a million, on a few thousand."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from blobs import agreement, blobs
from numpy.typing import NDArray

from page_data import data_of, unpacked_json
from sememe import costs
from sememe.clustering import Clusters
from sememe.clustering.grouping import Options, group_points
from sememe.errors import CostWarning
from sememe.neighbors import normalized

SIZES = [400, 500, 600, 700, 800]


def cluster_many(
    vectors: NDArray[np.float32],
    clusters: int | None = None,
    threshold: float | None = None,
    granularity: float | None = None,
    progress: bool | None = None,
) -> Clusters:
    """Cluster a few thousand vectors as if they were a million."""
    options = Options(
        clusters,
        threshold,
        granularity,
        progress=progress,
        approximate_from=2000,
        sampled_from=2000,
        sample=1500,
        warn_from=100,
    )
    rows = list(range(len(vectors)))
    return group_points(normalized(vectors), rows, [f"text {row}" for row in rows], options)


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, {"clusters": 5}, {"granularity": 0.3}], ids=str)
def test_the_groups_are_found(options: dict[str, Any]) -> None:
    vectors, truth = blobs(SIZES)
    before = vectors.copy()
    groups = cluster_many(vectors, **options)
    assert agreement(groups.labels, truth) > 0.9
    assert 0.9 < groups.recall <= 1
    np.testing.assert_array_equal(vectors, before)
    again = cluster_many(vectors, **options)
    np.testing.assert_array_equal(groups.labels, again.labels)
    if not options:
        assert groups.why is not None
        assert groups.why.startswith("on a sample of 1,500 texts, ")


@pytest.mark.slow
def test_the_map_draws_a_sample_and_says_so(tmp_path: Path) -> None:
    vectors, _ = blobs(SIZES)
    groups = cluster_many(vectors, clusters=5)
    groups.save_map(tmp_path / "map.html", title="Many", most=1000)
    page = (tmp_path / "map.html").read_text(encoding="utf-8")
    assert "Many (1,000 of 3,000 texts drawn)" in page
    assert len(unpacked_json(data_of(tmp_path / "map.html")["texts"])) == 1000
    assert groups.space.points is None  # the others were not laid out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, r"^Clustering 120 texts will take about \d+ (s|min)"),
        ({"clusters": 2}, r"^Clustering 120 texts will take about"),
        ({"threshold": 0.5}, r"all of 120 texts .* about [\d.]+ (s|min|h)\. granularity= takes"),
    ],
    ids=str,
)
def test_what_takes_long_says_so_first(
    options: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    vectors, _ = blobs([60, 60])
    monkeypatch.setattr(costs, "LONG_SECONDS", 0)
    with pytest.warns(CostWarning, match=message) as notes:
        cluster_many(vectors, **options)
    assert len(notes) == 1


@pytest.mark.slow
def test_progress_bars_are_shown_where_they_are_asked_for(
    capsys: pytest.CaptureFixture[str],
) -> None:
    vectors, _ = blobs(SIZES)
    cluster_many(vectors, granularity=0.3, progress=True)
    assert "/3000 " in capsys.readouterr().err
    cluster_many(vectors, granularity=0.3)
    assert capsys.readouterr().err == ""

"""Clusters of many texts: the ways of a million, on a few thousand."""

from pathlib import Path

import numpy as np
import pytest
from blobs import agreement, blobs

from sememe.clustering import cluster_vectors, cost, grouping, result
from sememe.errors import CostWarning
from sememe.neighbors import approximate

SIZES = [400, 500, 600, 700, 800]


@pytest.fixture(autouse=True)
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grouping, "_LARGE", 2000)
    monkeypatch.setattr(grouping, "_SAMPLE", 1500)
    monkeypatch.setattr(approximate, "APPROXIMATE_FROM", 2000)
    monkeypatch.setattr(result, "_DRAWN", 1000)


@pytest.mark.parametrize("options", [{}, {"clusters": 5}, {"granularity": 0.3}], ids=str)
def test_the_groups_are_found(options: dict[str, float]) -> None:
    vectors, truth = blobs(SIZES)
    texts = [f"text {row}" for row in range(len(vectors))]
    before = vectors.copy()
    found = cluster_vectors(vectors, texts, **options)  # type: ignore[arg-type]
    assert agreement(found.labels, truth) > 0.9
    assert 0.9 < found.recall <= 1
    np.testing.assert_array_equal(vectors, before)
    again = cluster_vectors(vectors, texts, **options)  # type: ignore[arg-type]
    np.testing.assert_array_equal(found.labels, again.labels)
    if not options:
        assert found.why is not None
        assert found.why.startswith("on a sample of 1,500 texts, ")


def test_the_map_draws_a_sample_and_says_so(tmp_path: Path) -> None:
    vectors, _ = blobs(SIZES)
    found = cluster_vectors(vectors, [f"text {row}" for row in range(3000)], clusters=5)
    found.save_map(tmp_path / "map.html", title="Many")
    page = (tmp_path / "map.html").read_text(encoding="utf-8")
    assert "Many (1,000 of 3,000 texts drawn)" in page
    assert page.count("text ") < 1500


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, r"^To cluster 120 texts will take about \d+ min"),
        ({"clusters": 2}, r"^To cluster 120 texts will take about"),
        ({"threshold": 0.5}, r"all of 120 texts .* about [\d.]+ (min|h); granularity= takes"),
    ],
    ids=str,
)
def test_what_takes_long_says_so_first(
    options: dict[str, float], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    vectors, _ = blobs([60, 60])
    monkeypatch.setattr(cost, "_COSTLY", 100)
    monkeypatch.setattr(cost, "_LONG_SECONDS", 0)
    with pytest.warns(CostWarning, match=message) as notes:
        cluster_vectors(vectors, [f"text {row}" for row in range(120)], **options)  # type: ignore[arg-type]
    assert len(notes) == 1


def test_progress_bars_are_shown_where_they_are_asked_for(
    capsys: pytest.CaptureFixture[str],
) -> None:
    vectors, _ = blobs(SIZES)
    texts = [f"text {row}" for row in range(len(vectors))]
    cluster_vectors(vectors, texts, granularity=0.3, progress=True)
    assert "/3000 " in capsys.readouterr().err
    cluster_vectors(vectors, texts, granularity=0.3)
    assert capsys.readouterr().err == ""

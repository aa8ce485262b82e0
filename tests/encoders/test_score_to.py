"""Scores on disk: like score's, in every form, and unharmed by kills."""

import json
import random
import signal
import sys
import time
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from encode_job import Run

from sememe import CrossEncoder
from sememe.encoders import disk
from sememe.errors import InputError, JobError, SememeWarning
from sememe.tables import read_table
from tiny_models import TEXTS, make_cross_encoder

FORMS = ["s.parquet", "s.csv", "s.tsv", "s.jsonl", "s.npy"]
PAIRS = [(a, b) for a in TEXTS if a for b in [*TEXTS, 'a "quoted", text', "a\tb\nc"]]


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "SHARD_TEXTS", 20)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "cross"
    make_cross_encoder(folder, max_length=48)
    return folder


@pytest.fixture(scope="module")
def cross(model: Path) -> CrossEncoder:
    return CrossEncoder(model, precision="f32")


def scores_in(path: Path, name: str = "score") -> np.ndarray:
    if path.suffix == ".npy":
        return np.asarray(np.load(path))
    return np.array(read_table(path).columns[name], dtype=np.float32)


@pytest.mark.slow
@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("count", [0, 20, len(PAIRS)])
def test_what_is_on_disk_is_what_score_gives(
    cross: CrossEncoder, tmp_path: Path, name: str, count: int
) -> None:
    pairs = PAIRS[:count]
    tabs = name == "s.tsv" and count
    with (
        pytest.warns(SememeWarning, match="tsv holds no tabs, line breaks")
        if tabs
        else nullcontext()
    ):
        done = cross.score_to(iter(pairs), tmp_path / name)
    assert (done.rows, done.dim, done.found) == (count, 1, 0)
    assert [path.name for path in tmp_path.iterdir()] == [name], "the working folder is gone"
    if not count and name != "s.npy":
        assert "second" in (tmp_path / name).read_text(errors="replace") or name == "s.jsonl"
        return
    expected = cross.score(PAIRS[:count])
    np.testing.assert_allclose(scores_in(tmp_path / name), expected, atol=1e-6)
    if name != "s.npy":
        found = read_table(tmp_path / name).columns
        assert list(found) == ["first", "second", "score"]
        if tabs:
            pairs = [(" ".join(a.split()), b.translate({9: 32, 10: 32})) for a, b in pairs]
        assert list(zip(found["first"], found["second"], strict=True)) == pairs


@pytest.mark.slow
def test_several_labels_are_a_column_each(tmp_path: Path) -> None:
    make_cross_encoder(tmp_path / "nli", labels=["no", "yes", "perhaps"], max_length=48)
    cross = CrossEncoder(tmp_path / "nli", precision="f32")
    done = cross.score_to(PAIRS, tmp_path / "s.csv")
    assert done.dim == 3
    for column, name in enumerate(cross.labels):
        expected = cross.score(PAIRS)[:, column]
        np.testing.assert_allclose(scores_in(tmp_path / "s.csv", name), expected, atol=1e-5)


def test_pairs_may_be_lists_and_are_cut_into_parts_as_tuples_are(
    cross: CrossEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk, "_SHARD_CHARACTERS", 200)
    cross.score_to(PAIRS, tmp_path / "out")
    assert cross.score_to(map(list, PAIRS), tmp_path / "out").found == len(PAIRS)
    assert len(list((tmp_path / "out").glob("part-*"))) > len(PAIRS) / 20 + 1


def test_an_output_that_cannot_be(cross: CrossEncoder, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"results go into \.csv, .*\.parquet, \.npy, \.jso"):
        cross.score_to(PAIRS, tmp_path / "s.txt")


def test_another_option_does_not_go_on_with_the_job(cross: CrossEncoder, tmp_path: Path) -> None:
    cross.score_to(PAIRS, tmp_path / "out")
    assert cross.score_to(PAIRS, tmp_path / "out").found == len(PAIRS)
    with pytest.raises(JobError, match="begun with symmetric False, and now it is True"):
        cross.score_to(PAIRS, tmp_path / "out", symmetric=True)


def finished(job: Path) -> int:
    manifest = job / "_manifest.json"
    return len(json.loads(manifest.read_text())["shards"]) if manifest.exists() else 0


@pytest.mark.kill
@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_killed_after_some_shards_it_ends_as_if_nothing_had_happened(
    model: Path, tmp_path: Path
) -> None:
    chance = random.Random(0)
    whole, killed = tmp_path / "whole" / "s.csv", tmp_path / "killed" / "s.csv"
    for path in (whole, killed):
        path.parent.mkdir()
    run = partial(Run, tmp_path / "log", model, count=2000, shard=20)
    assert run(whole).end()[0] == 0
    job = killed.with_name("s.csv.job")
    for _ in range(3):
        work, wanted = run(killed), finished(job) + chance.randint(1, 20)
        while finished(job) < wanted and work.process.is_alive():
            time.sleep(0.002)
        assert work.kill() == -signal.SIGKILL
    before = finished(job)
    assert run(killed).end() == (0, f"ready\nfound {before * 20}\n")
    assert killed.read_bytes() == whole.read_bytes()
    assert [path.name for path in killed.parent.iterdir()] == ["s.csv"]

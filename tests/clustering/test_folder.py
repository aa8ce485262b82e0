"""A clustering on disk: saved, opened again, and what is refused."""

import json
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from blobs import blobs, cluster_vectors

from sememe.clustering import Clusters, cluster, folder
from sememe.encoders import BiEncoder
from sememe.errors import InputError, SememeWarning, TableError
from tiny_models import Tiny


@pytest.fixture(scope="module")
def groups() -> Clusters:
    vectors, truth = blobs([30, 20, 10], noise=0.4)
    texts = [f"{['red', 'blue', 'green'][group]} {row}\nline" for row, group in enumerate(truth)]
    texts[7], vectors[7] = texts[6], vectors[6]
    columns: dict[str, list[Any]] = {
        "price": [row / 2 for row in range(60)],
        "tag": [None, "a", "b"] * 20,
    }
    return cluster_vectors(vectors, texts, clusters=3, columns=columns).rename({2: "leaves"})


def test_what_is_saved_opens_again(groups: Clusters, tmp_path: Path) -> None:
    groups.save(tmp_path / "g", title="Mine", color="tag")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["g"]
    assert sorted(path.name for path in (tmp_path / "g").iterdir()) == sorted(folder.FILES)
    again = Clusters.open(tmp_path / "g")
    np.testing.assert_array_equal(again.labels, groups.labels)
    np.testing.assert_array_equal(again.vectors, groups.vectors)
    np.testing.assert_array_equal(again.strength, groups.strength)
    np.testing.assert_array_equal(again.xy, groups.xy)
    assert again.clusters == groups.clusters
    assert again.texts == groups.texts
    assert dict(again.columns) == dict(groups.columns)
    assert again.to_dict() == groups.to_dict()
    assert (again.title, again.color) == ("Mine", "tag")
    queries, _ = blobs([30, 20, 10], noise=0.7)
    for one, other in zip(
        again.assign(vectors=queries), groups.assign(vectors=queries), strict=True
    ):
        np.testing.assert_array_equal(one, other)
    assert str(again.tree()) == str(groups.tree())


@pytest.mark.filterwarnings("ignore::sememe.errors.BlankWarning")
def test_blanks_thresholds_and_empty_clusterings_open_again(tmp_path: Path) -> None:
    vectors, _ = blobs([5, 5], noise=0.3)
    texts = ["", *(f"text {row}" for row in range(9))]
    for number, groups in enumerate(
        (
            cluster_vectors(vectors, texts, threshold=0.5),
            cluster_vectors(np.empty((0, 0)), []),
            cluster_vectors(vectors[:2], ["", " "]),
        )
    ):
        groups.save(tmp_path / str(number))
        again = Clusters.open(tmp_path / str(number))
        np.testing.assert_array_equal(again.labels, groups.labels)
        assert again.blanks.tolist() == groups.blanks.tolist()
        assert again.texts == groups.texts
        assert again.space.threshold == groups.space.threshold


def test_saving_again_replaces_its_own_files_alone(groups: Clusters, tmp_path: Path) -> None:
    place = tmp_path / "g"
    place.mkdir()
    (place / "notes.txt").write_text("mine")
    groups.save(place)
    groups.merge(0, 1).save(place)
    assert len(Clusters.open(place)) == 2
    assert (place / "notes.txt").read_text() == "mine"
    assert sorted(path.name for path in place.iterdir()) == sorted([*folder.FILES, "notes.txt"])


def test_a_failure_leaves_what_was_there(
    groups: Clusters, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    groups.save(tmp_path / "g")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(folder, "write_table", full)
    for name in ("g", "new"):
        with pytest.raises(TableError, match=f"{name} cannot be written: No space left") as error:
            groups.merge(0, 1).save(tmp_path / name)
        assert error.value.unavailable
    assert [path.name for path in tmp_path.iterdir()] == ["g"]
    assert len(Clusters.open(tmp_path / "g")) == 3


def test_the_arrays_can_be_read_by_whoever_can_read_the_texts(
    groups: Clusters, tmp_path: Path
) -> None:
    groups.save(tmp_path / "g")
    modes = {(tmp_path / "g" / name).stat().st_mode for name in folder.FILES}
    assert len(modes) == 1


@pytest.mark.slow
@pytest.mark.kill
def test_a_folder_is_whole_or_not_there_whenever_saving_is_killed(tmp_path: Path) -> None:
    code = f"""
        import itertools, numpy as np, sememe
        vectors = np.random.default_rng(0).normal(size=(300, 8))
        texts = [f"text {{row}}" for row in range(300)]
        groups = sememe.cluster(texts, vectors=vectors, clusters=3)
        both = groups, groups.merge(0, 1)
        for turn in itertools.count():
            both[turn % 2].save(f"{tmp_path}/g{{turn % 3}}")
            print(turn, flush=True)
    """
    for delay in (0.0, 0.013, 0.029):
        saving = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", textwrap.dedent(code)], stdout=subprocess.PIPE
        )
        assert saving.stdout is not None
        for _ in range(5):
            assert saving.stdout.readline()
        time.sleep(delay)
        saving.kill()
        saving.communicate()
        opened = 0
        for place in tmp_path.glob("g*"):
            if not (place / "clusters.json").exists():
                continue
            groups = Clusters.open(place)
            assert sorted(set(groups.labels.tolist()) - {-1}) == sorted(
                one.label for one in groups.clusters
            )
            assert len(groups.texts) == len(groups.strength) == 300
            opened += 1
        assert opened >= 2


def test_what_is_no_clustering_is_refused(groups: Clusters, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no clustering \(there is no clusters.json\)"):
        Clusters.open(tmp_path)
    groups.save(tmp_path / "g")
    described = tmp_path / "g" / "clusters.json"
    content = json.loads(described.read_text(encoding="utf-8"))
    described.write_text(json.dumps({**content, "format": 99}))
    with pytest.raises(InputError, match="of format 99, and this version of sememe reads format 1"):
        Clusters.open(tmp_path / "g")
    del content["threshold"]
    for wrong in ("{", "[]", json.dumps(content)):
        described.write_text(wrong)
        with pytest.raises(InputError, match="is damaged"):
            Clusters.open(tmp_path / "g")
    groups.save(tmp_path / "h")
    (tmp_path / "h" / "arrays.safetensors").write_bytes(b"short")
    with pytest.raises(InputError, match="is damaged"):
        Clusters.open(tmp_path / "h")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::sememe.errors.ChoiceWarning")
def test_the_encoder_is_opened_again_and_another_one_refused(tiny: Tiny, tmp_path: Path) -> None:
    import sememe

    encoder = sememe.BiEncoder(tiny.directory, precision="f32")
    texts = ["a car", "a bus", "a tram", "the car", "the bus", "the tram"]
    groups = cluster(texts, encoder, clusters=2)
    np.testing.assert_array_equal(groups.assign(texts).labels, groups.labels)
    groups.save(tmp_path / "g")
    for again in (Clusters.open(tmp_path / "g"), Clusters.open(tmp_path / "g", encoder)):
        np.testing.assert_array_equal(again.assign(texts).labels, groups.labels)
    by_name = Clusters.open(tmp_path / "g", tiny.directory)
    np.testing.assert_array_equal(by_name.assign(texts).labels, groups.labels)
    other = sememe.BiEncoder(tiny.directory, precision="f32", pooling="cls")
    with pytest.raises(InputError, match="their vectors cannot be compared"):
        Clusters.open(tmp_path / "g", other)
    described = tmp_path / "g" / "clusters.json"
    content = json.loads(described.read_text(encoding="utf-8"))
    content["encoder"]["fingerprint"] = "0" * 16
    described.write_text(json.dumps(content))
    with pytest.raises(InputError, match="their vectors cannot be compared"):
        Clusters.open(tmp_path / "g").assign(texts)


@pytest.mark.filterwarnings("ignore::sememe.errors.ChoiceWarning")
def test_what_changed_is_named_with_the_encoder(encoder: BiEncoder, tmp_path: Path) -> None:
    things = ["car", "red bus", "old tram", "power plant", "late train", "book"]
    texts = [f"{way} {thing}" for thing in things for way in ("a", "the", "my")]
    groups = cluster(texts, encoder, clusters=1)
    assert groups.split(0, into=2).merge(0, 1).cluster(0).terms == groups.cluster(0).terms
    groups.save(tmp_path / "g")
    described = tmp_path / "g" / "clusters.json"
    content = json.loads(described.read_text(encoding="utf-8"))
    content["encoder"]["model"] = str(tmp_path / "gone")
    described.write_text(json.dumps(content))
    with pytest.warns(SememeWarning, match="Names are made without the encoder: .*gone"):
        assert len(Clusters.open(tmp_path / "g").split(0, into=2)) == 2

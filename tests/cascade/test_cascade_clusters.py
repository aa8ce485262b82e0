"""`cluster(..., cross=)`: better clusters by a good teacher, the bi-encoder's by any other."""

import json
from pathlib import Path

import numpy as np
import pytest
from worlds import Lookup, Scores, World, chance, truth

import sememe
from commands import sememe as run
from sememe.errors import InputError
from tiny_models import Tiny, make_cross_encoder

pytestmark = pytest.mark.filterwarnings("ignore::sememe.errors.CostWarning")


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEMEME_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def world() -> World:
    return World()


def rand_index(labels: np.ndarray, groups: np.ndarray) -> float:
    """The share of pairs on which two partitions agree."""
    first, second = np.triu_indices(len(labels), 1)
    together = labels[first] == labels[second]
    return float((together == (groups[first] == groups[second])).mean())


@pytest.mark.slow
@pytest.mark.parametrize("options", [{"clusters": 12}, {"granularity": 3.0}, {}])
def test_a_good_teacher_makes_better_clusters(world: World, options: dict[str, object]) -> None:
    alone = sememe.cluster(world.texts, Lookup(world), **options)  # type: ignore[arg-type]
    taught = sememe.cluster(
        world.texts,
        Lookup(world),
        cross=Scores(truth),
        **options,  # type: ignore[arg-type]
    )
    assert taught.cascade is not None
    assert taught.cascade.trusted
    assert rand_index(taught.labels, world.groups) > rand_index(alone.labels, world.groups)
    assert taught.to_dict()["cascade"]["pairs"] == taught.cascade.pairs


@pytest.mark.slow
@pytest.mark.parametrize("options", [{"clusters": 12}, {"granularity": 3.0}, {}])
def test_without_trust_the_clusters_are_the_bi_encoder_s(
    world: World, options: dict[str, object]
) -> None:
    alone = sememe.cluster(world.texts, Lookup(world), **options)  # type: ignore[arg-type]
    untaught = sememe.cluster(
        world.texts,
        Lookup(world),
        cross=Scores(lambda a, b: 4 * chance(a, b)),
        budget="2n",
        **options,  # type: ignore[arg-type]
    )
    assert untaught.cascade is not None
    assert not untaught.cascade.trusted
    np.testing.assert_array_equal(untaught.labels, alone.labels)
    np.testing.assert_array_equal(untaught.vectors, alone.vectors)
    assert untaught.to_dict()["clusters"] == alone.to_dict()["clusters"]


def test_blank_and_repeated_texts_teach_nothing_and_stay_where_they_are(world: World) -> None:
    scorer = Scores(truth)
    texts = ["", *world.texts, world.texts[3]]
    with pytest.warns(sememe.errors.BlankWarning):
        groups = sememe.cluster(texts, Lookup(world), cross=scorer, clusters=12)
    assert groups.labels[0] == -1
    assert groups.labels[-1] == groups.labels[4]
    assert all(one.strip() and one != other for one, other in scorer.read)
    np.testing.assert_array_equal(groups.vectors[-1], groups.vectors[4])


@pytest.mark.slow
def test_new_texts_are_moved_before_they_are_filed_from_a_folder_too(
    world: World, tmp_path: Path
) -> None:
    groups = sememe.cluster(world.texts, Lookup(world), cross=Scores(truth), clusters=12)
    groups.save(tmp_path / "groups")
    opened = sememe.Clusters.open(tmp_path / "groups")
    assert opened.cascade == groups.cascade
    new = world.vectors + np.float32(0.02)
    expected = groups.assign(vectors=new)
    assert (expected.labels == groups.labels).mean() > 0.9
    np.testing.assert_array_equal(opened.assign(vectors=new).labels, expected.labels)


@pytest.mark.parametrize("texts", [["0 0", "0 1", "0 2"], ["0 0"] * 50, [], ["0 0"]])
def test_few_or_equal_texts_give_clusters_and_a_reason(world: World, texts: list[str]) -> None:
    groups = sememe.cluster(texts, Lookup(world), cross=Scores(truth))
    assert len(groups.labels) == len(texts)
    assert groups.cascade is None or "too few" in groups.cascade.why


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"budget": "3n"}, "give that too"),
        ({"cross": Scores(truth), "budget": 0}, "budget=0"),
        ({"cross": Scores(truth), "threshold": 0.7}, "threshold="),
        ({"cross": 3}, "cross=3 scores no pairs"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    world: World, options: dict[str, object], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        sememe.cluster(world.texts, Lookup(world), **options)  # type: ignore[arg-type]


@pytest.mark.slow
def test_the_command_reads_with_a_cross_encoder_once(tmp_path: Path, tiny: Tiny) -> None:
    make_cross_encoder(tmp_path / "cross")
    words = ["car", "bus", "train", "road", "film", "book", "music", "food", "school", "wind"]
    texts = [f"{one} {other} power" for one in words for other in words]
    (tmp_path / "texts.txt").write_text("\n".join(texts), encoding="utf-8")
    line = [
        "cluster", tmp_path / "texts.txt", "--cross", tmp_path / "cross", "--budget", "2n",
        "--model", tiny.directory, "--precision", "f32", "--json", "-o", tmp_path / "groups",
    ]  # fmt: skip
    first, second = run(*line), run(*line)
    assert first.returncode == second.returncode == 0, first.stderr + second.stderr
    assert "Exhaustive would be 4,950 pairs" in first.stderr
    assert "Exhaustive" not in second.stderr
    paid, again = (json.loads(each.stdout)["cascade"] for each in (first, second))
    assert paid["cached"] == 0
    assert again["cached"] == again["pairs"] == paid["pairs"] > 0
    assert paid["why"] in first.stderr


@pytest.mark.slow
def test_the_command_names_what_is_wrong_in_a_line(tmp_path: Path, tiny: Tiny) -> None:
    make_cross_encoder(tmp_path / "labels", labels=("no", "maybe", "yes"))
    (tmp_path / "texts.txt").write_text("a\nb\nc\n", encoding="utf-8")
    line = [
        "cluster", tmp_path / "texts.txt", "--model", tiny.directory, "--precision", "f32",
        "-o", tmp_path / "groups",
    ]  # fmt: skip
    cases: list[tuple[list[object], str]] = [
        (["--budget", "3n"], "give --cross too"),
        (["--cross", tmp_path / "labels"], "no, maybe, yes"),
        (["--cross", tmp_path / "nothing"], "nothing"),
    ]
    for options, message in cases:
        ran = run(*line, *options)
        assert ran.returncode == 2
        assert len(ran.stderr.strip().splitlines()) == 1, ran.stderr
        assert message in ran.stderr

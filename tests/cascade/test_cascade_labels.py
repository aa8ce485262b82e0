"""Labels beside a cross-encoder: what it gains, and an interval that decides."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score
from worlds import Lookup, Scores, World, chance, truth

import sememe
from commands import sememe as run
from sememe.cascade.labels import Evidence, Labels
from sememe.cascade.linear import LinearMap
from sememe.errors import InputError
from tiny_models import Tiny, make_cross_encoder

pytestmark = pytest.mark.filterwarnings("ignore::sememe.errors.CostWarning")

Rule = Callable[[str, str], float]


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEMEME_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def world() -> World:
    return World(each=25)


def groups_of(world: World, count: int = 100) -> list[dict[str, object]]:
    """Some texts with the names of their groups."""
    rows = np.random.default_rng(0).choice(len(world.texts), count, replace=False)
    return [{"text": world.texts[row], "label": f"group {world.groups[row]}"} for row in rows]


def clustered(world: World, rule: Rule, **options: Any) -> sememe.Clusters:
    options = dict[str, Any](clusters=12, budget="2n", progress=False) | options
    return sememe.cluster(world.texts, Lookup(world), cross=Scores(rule), **options)


@pytest.mark.slow
def test_labels_say_what_a_good_teacher_gains(world: World) -> None:
    cascade = clustered(world, truth, labels=groups_of(world)).cascade
    assert cascade is not None
    assert cascade.gain is not None
    assert cascade.trusted
    assert (cascade.gain.labels, cascade.gain.unit) == (100, "texts")
    assert 0 < cascade.gain.low < cascade.gain.gain < cascade.gain.high
    assert cascade.rho == cascade.gain.map
    assert "on 100 labelled texts" in cascade.why


@pytest.mark.slow
def test_labels_overrule_the_bi_encoder_s_clusters(world: World) -> None:
    def other(one: str, two: str) -> float:
        """Knows which of two halves a text is in, which is not what the labels are about."""
        same = int(one.split()[1]) % 2 == int(two.split()[1]) % 2
        return (3.0 if same else -3.0) + chance(one, two)

    vectors = world.vectors.copy()
    vectors[:, -1] += np.where(np.arange(len(vectors)) % 2, 0.3, -0.3)
    alone = sememe.cluster(world.texts, vectors=vectors, clusters=2)
    options: dict[str, Any] = {"vectors": vectors, "clusters": 2, "budget": "2n"}
    halves = [
        {"text": text, "label": f"half {row % 2}"} for row, text in enumerate(world.texts[:200])
    ]
    unjudged = sememe.cluster(world.texts, cross=Scores(other), **options)
    judged = sememe.cluster(world.texts, cross=Scores(other), labels=halves, **options)
    assert unjudged.cascade is not None
    assert judged.cascade is not None
    assert not unjudged.cascade.trusted
    assert judged.cascade.trusted
    wrong = sememe.cluster(
        world.texts, cross=Scores(lambda a, b: -other(a, b)), labels=halves, **options
    )
    assert wrong.cascade is not None
    assert not wrong.cascade.trusted
    np.testing.assert_array_equal(wrong.labels, alone.labels)


def test_pairs_are_labels_too_and_may_be_of_other_texts(world: World) -> None:
    random = np.random.default_rng(0)
    ends = random.choice(len(world.texts), (300, 2))
    ends[:100, 1] = ends[:100, 0] // 25 * 25 + random.integers(25, size=100)
    ends = ends[ends[:, 0] != ends[:, 1]]
    lookup = Lookup(world)
    lookup.vectors |= {f"{text} b": vector for text, vector in lookup.vectors.items()}
    labels = [
        {
            "sentence1": f"{world.texts[one]} b",
            "sentence2": world.texts[other],
            "label": int(world.groups[one] == world.groups[other]),
        }
        for one, other in ends
    ]
    options: dict[str, Any] = {"clusters": 12, "budget": "2n", "labels": labels}
    cascade = sememe.cluster(world.texts, lookup, cross=Scores(truth), **options).cascade
    assert cascade is not None
    assert cascade.gain is not None
    assert (cascade.gain.labels, cascade.gain.unit) == (len(ends), "pairs")
    with pytest.raises(InputError, match=r"are not among texts, such as .* give an encoder"):
        sememe.cluster(world.texts, vectors=world.vectors, cross=Scores(truth), **options)


@pytest.mark.slow
def test_no_more_is_read_than_it_takes_to_show_a_gain_or_to_rule_it_out(world: World) -> None:
    n, labels = len(world.texts), groups_of(world, 200)
    options: dict[str, Any] = {"labels": labels, "budget": "4n"}
    for rule, target, outcome in (
        (truth, 0.001, "is reached"),
        (truth, 0.9, "won't come"),
        (lambda a, b: 4 * chance(a, b), 0.3, "won't come"),
    ):
        cascade = clustered(world, rule, target=target, **options).cascade
        assert cascade is not None
        assert outcome in cascade.why
        assert cascade.target == target
        assert cascade.pairs < 2 * n
    undecided = clustered(world, truth, labels=labels[:50], target=0.1, budget="1n").cascade
    assert undecided is not None
    assert undecided.pairs <= n


@pytest.mark.slow
def test_a_folder_keeps_what_labels_said(world: World, tmp_path: Path) -> None:
    groups = clustered(world, truth, labels=groups_of(world), target=0.01)
    groups.save(tmp_path / "groups")
    assert sememe.Clusters.open(tmp_path / "groups").cascade == groups.cascade


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1), st.booleans())
def test_the_difference_is_that_of_two_average_precisions(seed: int, pairs: bool) -> None:
    random = np.random.default_rng(seed)
    rows = [
        {"text": f"{row}", "label": f"g{row % 5}"} for row in range(60)
    ] if not pairs else [
        {"sentence1": f"{row}", "sentence2": f"{row} b", "label": row % 2} for row in range(60)
    ]  # fmt: skip
    labels = Labels.read(rows, groups=True)
    scores, others = random.integers(0, 9, (2, len(labels.same))) / 4
    difference, low, high = labels.compared(scores, others)
    expected = [average_precision_score(labels.same, each) for each in (scores, others)]
    np.testing.assert_allclose(difference, expected[0] - expected[1], atol=1e-12)
    assert low <= high
    assert labels.compared(scores, scores) == (0, 0, 0)


def test_centring_is_no_gain_of_the_cross_encoder(world: World) -> None:
    labels = Labels.read(groups_of(world), groups=True)
    vectors = labels.vectors(world.texts, world.vectors, None)
    mean = world.vectors.mean(axis=0)
    plain = LinearMap(mean, np.eye(vectors.shape[1], dtype=np.float32))
    assert Evidence(labels, vectors).gain(plain, 0.5).gain == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"labels": [{"text": "a", "label": "x"}] * 60}, "give that too"),
        ({"cross": Scores(truth), "target": 0.1}, "give labels= too"),
        ({"cross": Scores(truth), "target": 2, "labels": []}, "target=2"),
        (
            {
                "cross": Scores(truth),
                "labels": [{"text": f"{n}", "label": "xy"[n % 2]} for n in range(20)],
            },
            "of 20 texts: give at least 50",
        ),
        (
            {
                "cross": Scores(truth),
                "labels": [{"sentence1": "a", "sentence2": "b", "score": n / 9} for n in range(9)],
            },
            "labels= are scored pairs",
        ),
    ],
)
def test_labels_that_cannot_be_used_are_refused(
    world: World, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        sememe.cluster(world.texts, Lookup(world), **options)


@pytest.mark.slow
def test_the_command_takes_labels_and_a_target(tmp_path: Path, tiny: Tiny) -> None:
    make_cross_encoder(tmp_path / "cross")
    words = ["car", "bus", "train", "road", "film", "book", "music", "food", "school", "wind"]
    texts = [f"{one} {other} power" for one in words for other in words]
    (tmp_path / "texts.txt").write_text("\n".join(texts), encoding="utf-8")
    rows = ["text,label", *(f"{text},{text.split()[0]}" for text in texts[:60])]
    (tmp_path / "labels.csv").write_text("\n".join(rows), encoding="utf-8")
    line = [
        "cluster", tmp_path / "texts.txt", "--model", tiny.directory, "--precision", "f32",
        "--clusters", "5", "--labels", tmp_path / "labels.csv", "-o", tmp_path / "groups",
    ]  # fmt: skip
    ran = run(*line, "--cross", tmp_path / "cross", "--target", "0.5", "--json")
    assert ran.returncode == 0, ran.stderr
    cascade = json.loads(ran.stdout)["cascade"]
    assert (cascade["gain"]["labels"], cascade["gain"]["unit"]) == (60, "texts")
    assert cascade["target"] == 0.5
    assert cascade["why"] in ran.stderr
    alone = run(*line)
    assert alone.returncode == 2
    assert "give that too" in alone.stderr

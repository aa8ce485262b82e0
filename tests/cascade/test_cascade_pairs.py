"""`find_pairs(..., cross=)`: what labels say of a cross-encoder is what it counts."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import average_precision_score
from worlds import Lookup, Scores, World, chance, truth

import sememe
from commands import sememe as run
from sememe.cascade.labelled import signal_weights
from sememe.errors import InputError
from sememe.pairs import Pairs
from tiny_models import Tiny, make_cross_encoder

pytestmark = pytest.mark.filterwarnings("ignore::sememe.errors.CostWarning")

Rule = Callable[[str, str], float]


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEMEME_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def world() -> World:
    return World()


def labels_of(world: World, count: int = 100, seed: int = 0) -> list[dict[str, object]]:
    """Edges of the neighbours' graph, with what they truly are."""
    random = np.random.default_rng(seed)
    rows = random.choice(len(world.texts), count, replace=False)
    others = world.neighbors.indices[
        rows, random.integers(world.neighbors.indices.shape[1], size=count)
    ]
    return [
        {
            "sentence1": world.texts[row],
            "sentence2": world.texts[other],
            "label": int(world.groups[row] == world.groups[other]),
        }
        for row, other in zip(rows, others, strict=True)
    ]


def found(world: World, rule: Rule | None, **options: object) -> Pairs:
    cross = {} if rule is None else {"cross": Scores(rule)}
    return sememe.find_pairs(world.texts, Lookup(world), top=2000, **cross, **options)  # type: ignore[arg-type]


def precision(world: World, pairs: Pairs) -> float:
    """The share of pairs that are right."""
    return float((world.groups[pairs.first] == world.groups[pairs.second]).mean())


def test_without_labels_it_helps_where_groups_vouch_and_says_that_none_do_for_duplicates(
    world: World,
) -> None:
    alone, taught = found(world, None), found(world, truth)
    assert precision(world, taught) > precision(world, alone) + 0.02
    assert taught.cascade is not None
    assert taught.cascade.trusted
    assert "nothing vouches for it among duplicates" in taught.cascade.why
    assert alone.cascade is None


def test_without_trust_the_pairs_are_the_bi_encoder_s(world: World) -> None:
    alone, untaught = found(world, None), found(world, lambda a, b: 4 * chance(a, b))
    assert untaught.cascade is not None
    assert not untaught.cascade.trusted
    for name in ("first", "second", "score"):
        np.testing.assert_array_equal(getattr(alone, name), getattr(untaught, name))


def test_labels_bear_a_good_teacher_out_and_their_gain_has_an_interval(world: World) -> None:
    alone = found(world, None)
    taught = found(world, truth, labels=labels_of(world))
    assert taught.cascade is not None
    gain = taught.cascade.gain
    assert gain is not None
    assert gain.labels == 100
    assert gain.low < gain.gain < gain.high
    assert gain.gain > 0
    assert gain.cross > 0
    assert precision(world, taught) > precision(world, alone) + 0.01
    assert (np.diff(taught.score) <= 0).all()
    assert taught.cascade.pairs <= 3 * len(world.texts)


@pytest.mark.parametrize("rule", [lambda a, b: -truth(a, b), lambda *_: 1.0])
def test_labels_dismiss_a_teacher_that_is_wrong(world: World, rule: Rule) -> None:
    alone, untaught = found(world, None), found(world, rule, labels=labels_of(world))
    assert untaught.cascade is not None
    assert not untaught.cascade.trusted
    np.testing.assert_array_equal(alone.score, untaught.score)


def test_labels_may_be_of_other_texts(world: World) -> None:
    lookup = Lookup(world)
    lookup.vectors |= {f"{text} b": vector for text, vector in lookup.vectors.items()}
    labels = [
        {**row, "sentence1": f"{row['sentence1']} b", "sentence2": f"{row['sentence2']} b"}
        for row in labels_of(world)
    ]
    pairs = sememe.find_pairs(world.texts, lookup, top=500, cross=Scores(truth), labels=labels)
    assert pairs.cascade is not None
    assert pairs.cascade.trusted
    assert pairs.second.max() < len(world.texts)


def test_a_threshold_holds_after_the_closest_were_scored_again(world: World) -> None:
    pairs = sememe.find_pairs(
        world.texts, Lookup(world), threshold=0.8, cross=Scores(truth), labels=labels_of(world)
    )
    assert pairs.score.min() >= np.float32(0.8)
    assert pairs.score.max() <= 1


@pytest.mark.parametrize("seed", range(3))
def test_weights_of_many_labels_order_pairs_as_well_as_the_best_signal(seed: int) -> None:
    random = np.random.default_rng(seed)
    same = random.random(2000) < 0.5
    noise = random.normal(size=(2000, 3)) * [1.0, 5.0, 0.7]
    signals = same[:, None] + noise
    signals = (signals - signals.mean(axis=0)) / signals.std(axis=0)
    weights = signal_weights(signals[:1000], same[:1000])
    assert (weights >= 0).all()
    rest = [average_precision_score(same[1000:], signals[1000:, i]) for i in range(3)]
    assert average_precision_score(same[1000:], signals[1000:] @ weights) > max(rest)


def test_no_signal_counts_less_than_nothing() -> None:
    random = np.random.default_rng(0)
    same = random.random(300) < 0.5
    signals = np.column_stack([same + random.normal(size=300), -1.0 * same, -1.0 * same])
    weights = signal_weights(signals, same)
    assert weights[0] > 0
    assert (weights[1:] == 0).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"labels": [{"sentence1": "a", "sentence2": "b", "label": 1}]}, "give that too"),
        ({"cross": Scores(truth), "centre": True}, "centre="),
        ({"budget": "2n"}, "give that too"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    world: World, options: dict[str, object], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        sememe.find_pairs(world.texts, Lookup(world), **options)  # type: ignore[arg-type]


def test_too_few_labels_or_of_one_kind_are_refused(world: World) -> None:
    for labels in (labels_of(world, 30), [{**row, "label": 1} for row in labels_of(world)]):
        with pytest.raises(sememe.errors.SememeError, match="label"):
            found(world, truth, labels=labels)


@pytest.mark.slow
def test_the_command_reports_what_the_cross_encoder_was_worth(tmp_path: Path, tiny: Tiny) -> None:
    make_cross_encoder(tmp_path / "cross")
    words = ["car", "bus", "train", "road", "film", "book", "music", "food", "school", "wind"]
    texts = [f"{one} {other} power" for one in words for other in words]
    (tmp_path / "texts.txt").write_text("\n".join(texts), encoding="utf-8")
    rows = [f"{one},{texts[(7 * i + 3) % 100]},{i % 2}" for i, one in enumerate(texts[:60])]
    text = "\n".join(["sentence1,sentence2,label", *rows])
    (tmp_path / "labels.csv").write_text(text, encoding="utf-8")
    line = [
        "pairs", tmp_path / "texts.txt", "--model", tiny.directory, "--precision", "f32",
        "--cross", tmp_path / "cross", "--top", "20", "--json", "-o", tmp_path / "pairs.csv",
    ]  # fmt: skip
    plain, judged = run(*line), run(*line, "--labels", tmp_path / "labels.csv")
    assert plain.returncode == judged.returncode == 0, plain.stderr + judged.stderr
    assert json.loads(plain.stdout)["cascade"]["gain"] is None
    assert json.loads(judged.stdout)["cascade"]["gain"]["labels"] == 60
    assert "on 60 labelled pairs" in judged.stderr
    without = run(*line[:6], "--labels", tmp_path / "labels.csv", "-o", tmp_path / "pairs.csv")
    assert without.returncode == 2
    assert "give that too" in without.stderr

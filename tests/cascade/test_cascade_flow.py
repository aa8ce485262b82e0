"""The cascade from end to end: a good teacher helps, and any other changes nothing."""

import numpy as np
import pytest
from worlds import Scores, World, chance, truth

from sememe.cascade import Cascade
from sememe.errors import CostWarning, InputError

pytestmark = pytest.mark.filterwarnings("ignore::sememe.errors.CostWarning")


@pytest.fixture(scope="module")
def world() -> World:
    return World()


def average_precision(world: World, cascade: Cascade) -> float:
    """Of "same group" over all pairs, by the vectors' cosine."""
    first, second = np.triu_indices(len(world.texts), 1)
    cosine = (cascade.vectors @ cascade.vectors.T)[first, second]
    same = (world.groups[first] == world.groups[second])[np.argsort(-cosine, kind="stable")]
    return float((np.cumsum(same) / np.arange(1, len(same) + 1))[same].mean())


def assert_unmoved(world: World, cascade: Cascade) -> None:
    assert cascade.vectors is world.vectors
    assert cascade.neighbors is world.neighbors
    assert cascade.map is None
    assert cascade.weights is None
    assert not cascade.report.trusted
    assert cascade.report.rho == 0


def test_a_good_teacher_brings_pairs_together_that_it_never_read(world: World) -> None:
    alone = world.taught_by(Scores(lambda *_: 0.0))
    taught = world.taught_by(Scores(truth))
    assert taught.report.trusted
    assert taught.report.tau is not None
    assert taught.report.tau > 0.1
    assert average_precision(world, taught) > average_precision(world, alone) + 0.05
    assert "Trusted" in str(taught.report)


def test_the_best_edges_are_more_often_right_than_the_nearest(world: World) -> None:
    taught = world.taught_by(Scores(truth))
    assert taught.weights is not None

    def right(indices: np.ndarray) -> float:
        return float((world.groups[indices] == world.groups[:, None]).mean())

    assert right(taught.neighbors.indices) > right(world.neighbors.indices) + 0.05
    same = world.groups[taught.neighbors.indices] == world.groups[:, None]
    assert taught.weights[same].mean() > taught.weights[~same].mean() + 0.2
    assert taught.neighbors.indices.shape == world.neighbors.indices.shape
    assert not (taught.neighbors.indices == np.arange(len(world.texts))[:, None]).any()


def test_the_map_moves_new_vectors_as_it_moved_the_old_ones(world: World) -> None:
    taught = world.taught_by(Scores(truth))
    assert taught.map is not None
    np.testing.assert_allclose(taught.map.move(world.vectors[5:9]), taught.vectors[5:9], atol=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_scores_without_sense_change_nothing(seed: int) -> None:
    world = World(seed=seed)
    assert_unmoved(world, world.taught_by(Scores(lambda a, b: 4 * chance(f"{seed}{a}", b))))


def test_a_teacher_that_says_the_contrary_changes_nothing_and_is_dismissed_early(
    world: World,
) -> None:
    scorer = Scores(lambda a, b: -truth(a, b))
    cascade = world.taught_by(scorer)
    assert_unmoved(world, cascade)
    assert len(scorer.read) == cascade.report.pairs == len(world.texts)
    assert "contradict" in cascade.report.why


def test_a_teacher_that_repeats_the_cosine_changes_nothing(world: World) -> None:
    vector = dict(zip(world.texts, world.vectors, strict=True))
    assert_unmoved(world, world.taught_by(Scores(lambda a, b: 6 * vector[a] @ vector[b])))


def test_one_score_for_everything_is_dismissed_early(world: World) -> None:
    cascade = world.taught_by(Scores(lambda *_: 1.0))
    assert_unmoved(world, cascade)
    assert cascade.report.pairs == len(world.texts)
    assert "the same score" in cascade.report.why


@pytest.mark.parametrize(("budget", "most"), [("1.5n", 720), (1000, 1000), ("3n", 1440)])
def test_no_more_is_read_than_the_budget_and_no_pair_twice(
    world: World, budget: str | int, most: int
) -> None:
    scorer = Scores(truth)
    cascade = world.taught_by(scorer, budget)
    assert cascade.report.pairs == len(scorer.read) <= most
    assert cascade.report.budget == most
    assert len({frozenset(pair) for pair in scorer.read}) == len(scorer.read)
    assert cascade.report.spared == 480 * 479 // 2 - cascade.report.pairs


def test_all_means_all_edges_and_the_new_ones(world: World) -> None:
    scorer = Scores(truth)
    cascade = world.taught_by(scorer, "all")
    assert cascade.report.rounds == 2
    edges = {
        frozenset((world.texts[row], world.texts[other]))
        for row, others in enumerate(world.neighbors.indices)
        for other in others
    }
    assert edges < {frozenset(pair) for pair in scorer.read}


def test_the_same_again_is_the_same(world: World) -> None:
    one, other = world.taught_by(Scores(truth)), world.taught_by(Scores(truth))
    np.testing.assert_array_equal(one.vectors, other.vectors)
    np.testing.assert_array_equal(one.neighbors.indices, other.neighbors.indices)


def test_probabilities_teach_as_their_logits_do(world: World) -> None:
    class Probabilities:
        def score(self, pairs: list[tuple[str, str]]) -> list[float]:
            return [float(1 / (1 + np.exp(-truth(*pair)))) for pair in pairs]

    by_logits = world.taught_by(Scores(truth))
    by_chances = world.taught_by(Probabilities())  # type: ignore[arg-type]
    assert by_chances.report.rho == pytest.approx(by_logits.report.rho, rel=1e-3)
    np.testing.assert_allclose(by_chances.vectors, by_logits.vectors, atol=1e-3)


def test_too_few_texts_or_pairs_are_no_error_and_cost_nothing(world: World) -> None:
    few = World(groups=1, each=3)
    scorer = Scores(truth)
    assert_unmoved(few, few.taught_by(scorer))
    assert_unmoved(world, world.taught_by(scorer, 99))
    assert scorer.read == []
    assert "too few" in world.taught_by(scorer, 1).report.why


def test_a_time_that_is_over_at_once_leaves_everything_as_it_was(world: World) -> None:
    cascade = world.taught_by(Scores(truth), "0.000001s")
    assert_unmoved(world, cascade)
    assert cascade.report.pairs == 0
    assert cascade.report.budget is None


def test_a_time_that_is_long_enough_teaches(world: World) -> None:
    assert world.taught_by(Scores(truth), "5min").report.trusted


@pytest.mark.parametrize("budget", [0, "0n", "-1n", "three", None, True, 2.5])
def test_a_budget_that_is_none_is_refused(world: World, budget: object) -> None:
    with pytest.raises(InputError, match="budget="):
        world.taught_by(Scores(truth), budget)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("scorer", "message"),
    [
        (Scores(lambda *_: float("nan")), "gave nan for the pair"),
        (Scores(lambda *_: float("inf")), "gave inf for the pair"),
        (object(), "scores no pairs"),
        (Scores, "scores no pairs"),
        (type("Labels", (Scores,), {"labels": ("no", "yes")})(truth), "labels no, yes"),
        (type("Two", (), {"score": lambda _, pairs: [[1, 2]] * len(pairs)})(), "one number a pair"),
        (type("None_", (), {"score": lambda *_: None})(), "one number a pair"),
        (type("Word", (), {"score": lambda _, pairs: ["a"] * len(pairs)})(), "one number a pair"),
    ],
)
def test_a_scorer_that_cannot_teach_is_named(world: World, scorer: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        world.taught_by(scorer)  # type: ignore[arg-type]


@pytest.mark.filterwarnings("default::sememe.errors.CostWarning")
def test_the_cost_is_said_once_and_names_the_exhaustive_one(world: World) -> None:
    with pytest.warns(CostWarning, match="114,960 pairs.*at most 1,440 pairs") as caught:
        world.taught_by(Scores(truth))
    assert len(caught) == 1

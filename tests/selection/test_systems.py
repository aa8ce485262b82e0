"""Ways of using models: words as an index has them, fusion, reranking, teaching, tuning."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toys import TOPICS, Overlap, Topics, texts

from sememe import BiEncoder
from sememe.evaluation.kinds import PairTask, TripletTask
from sememe.evaluation.systems import EncoderSystem, ScorerSystem
from sememe.selection.candidates import Models, candidates_for
from sememe.selection.systems import Hybrid, Part, Reranked, Taught, Words
from sememe.selection.tuning import TunedClassifier, TunedEncoder
from tiny_models import make_checkpoint

DOCUMENTS = [
    "tea in a cup",
    "the train is late",
    "snow and wind",
    "a cup of milk",
    "rain on the track",
]


def test_words_rank_by_bm25_and_put_the_others_behind() -> None:
    places, scores = Words().rank(["cups of tea", "zebra"], DOCUMENTS, 5)
    assert places[0, :2].tolist() == [0, 3]
    assert sorted(places[0].tolist()) == sorted(places[1].tolist()) == [0, 1, 2, 3, 4]
    assert (np.diff(scores[0]) <= 0).all()
    assert np.isfinite(scores).all()


def test_fusion_has_what_either_finds() -> None:
    encoder = EncoderSystem(Topics(0.01))
    places, _ = Hybrid("both", encoder).rank(["kettle on the track"], DOCUMENTS, 3)
    assert {0, 3} & set(places[0].tolist())
    assert 4 in places[0]


def test_a_cross_encoder_reorders_the_first_twenty() -> None:
    found, topics = texts(60)
    first = EncoderSystem(Topics(4.0))
    cross = ScorerSystem(Overlap())
    query = "tea cup kettle leaf brew"
    places, _ = Reranked("reranked", first, cross).rank([query], found, 40)
    before, _ = first.rank([query], found, 40)
    assert set(places[0, :20].tolist()) == set(before[0, :20].tolist())
    is_tea = [topics[place] == "tea" for place in places[0, :20]]
    assert is_tea == sorted(is_tea, reverse=True)


def test_the_pairs_of_all_queries_are_read_in_one_call() -> None:
    calls: list[int] = []

    class Counting(Overlap):
        def score(self, pairs: Sequence[tuple[str, str]]) -> Any:
            calls.append(len(pairs))
            return super().score(pairs)

    found, _ = texts(60)
    system = Reranked("reranked", EncoderSystem(Topics(2.0)), ScorerSystem(Counting()))
    system.rank(["tea cup", "train track", "sun snow"], found, 40)
    assert calls == [60]


def test_components_are_cut_and_scaled() -> None:
    encoder = EncoderSystem(Topics(0.5))
    vectors = Part("three", encoder, slice(3)).vectors(DOCUMENTS)
    assert vectors.shape == (5, 3)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)


def test_vectors_are_taught_among_the_texts_that_are_grouped() -> None:
    found, _ = texts(120)
    encoder = EncoderSystem(Topics(1.0))
    taught = Taught("taught", encoder, ScorerSystem(Overlap()), "3n")
    assert taught.vectors([*found, found[0]]).shape[0] == 121
    assert len(np.unique(taught.group(found, 3))) == 3


@pytest.mark.slow
def test_a_tuned_classifier_answers_with_the_labels_that_it_learned(shallow: Any) -> None:
    found, topics = texts(26)
    gold = np.array([list(TOPICS).index(topic) for topic in topics])
    tuned = TunedClassifier("tuned", shallow.directory, "few-shot")
    answers = tuned.classify(found[:18], gold[:18], found[18:])
    assert answers.shape == (8,)
    assert set(answers.tolist()) <= {0, 1, 2}


@pytest.mark.slow
def test_poolings_of_one_pass_are_those_of_their_own(tmp_path: Path) -> None:
    folder = make_checkpoint(tmp_path / "regular", layout="plain").directory
    candidates, _ = candidates_for("pairs", [folder], Models(), installed=False)
    assert [each.options["pooling"] for each in candidates] == ["mean", "cls", "max"]
    for each in candidates:
        alone = EncoderSystem(BiEncoder(folder, pooling=each.options["pooling"]))
        vectors = alone.vectors(DOCUMENTS)
        # In bf16, which some processors take here, another graph rounds elsewhere.
        np.testing.assert_allclose(
            (each.system.vectors(DOCUMENTS) * vectors).sum(axis=1), 1, atol=1e-3
        )
        assert (each.dim, each.size) == (vectors.shape[1], None)
    assert len({id(each.encoder) for each in candidates}) == 1


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["similarity", "pairs", "triplets"])
def test_pairs_are_scored_by_what_did_not_learn_from_them(
    shallow: Any, kind: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sememe.evaluation.kinds.FOLDS", 2)
    found, topics = texts(60)
    found = [" ".join(text.split()[3:]) for text in found]
    first, second = found[:30], found[30:]
    gold = np.array([a == b for a, b in zip(topics[:30], topics[30:], strict=True)], int)
    task: Any = PairTask(kind, "toys", list(zip(first, second, strict=True)), gold)
    if kind == "similarity":
        task = PairTask(kind, "toys", task.pairs, gold * 1.0)
    if kind == "triplets":
        task = TripletTask("toys", list(zip(first, second, found[::-1][:30], strict=True)))
    tuned = TunedEncoder("tuned", shallow.directory, task)
    before = EncoderSystem(BiEncoder(shallow.directory))
    pairs = [(row[0], row[1]) for row in (task.rows if kind == "triplets" else task.pairs)]
    scores = tuned.score(pairs)
    assert np.isfinite(scores).all()
    assert not np.allclose(scores, before.score(pairs))
    assert next(iter(task.measure(tuned).values())).items == 30

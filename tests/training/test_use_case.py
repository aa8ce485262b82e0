"""The example of one encoder trained by topic and by sentiment measures what it says."""

import importlib.util
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from page_data import data_of, unpacked_json
from sememe.tables import read_table
from tiny_models import make_checkpoint, random_bert

SCRIPT = Path(__file__).parents[2] / "examples" / "use_case.py"
SPEC = importlib.util.spec_from_file_location("use_case", SCRIPT)
assert SPEC is not None
assert SPEC.loader is not None
use_case: Any = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(use_case)

OPINIONS = read_table(use_case.OPINIONS).columns
TOPICS, SENTIMENTS = (np.array(OPINIONS[name], str) for name in ("topic", "sentiment"))
seeds = given(seed=st.integers(0, 2**32))


@seeds
def test_every_opinion_is_trained_on_or_unseen_and_never_both(seed: int) -> None:
    assert (np.sum(use_case.split(TOPICS, SENTIMENTS, seed), axis=0) == 1).all()
    assert len(set(OPINIONS["text"])) == len(TOPICS)  # no text is in two rows


@seeds
def test_two_topics_are_new_and_all_others_are_measured_too(seed: int) -> None:
    trained, unseen, new = (set(TOPICS[part]) for part in use_case.split(TOPICS, SENTIMENTS, seed))
    assert len(new) == 2
    assert use_case.NEW_TOPIC in new
    assert trained == unseen == set(TOPICS) - new


@pytest.mark.slow
@seeds
def test_topics_and_sentiments_keep_their_balance(seed: int) -> None:
    for part in use_case.split(TOPICS, SENTIMENTS, seed):
        pairs = np.stack([TOPICS[part], SENTIMENTS[part]])
        counts = np.unique(pairs, axis=1, return_counts=True)[1]
        assert counts.max() - counts.min() <= 1


@seeds
def test_the_two_sentences_are_opinions_that_are_never_trained_on(seed: int) -> None:
    trained = use_case.split(TOPICS, SENTIMENTS, seed)[0]
    rows = [OPINIONS["text"].index(text) for text in use_case.NUCLEAR]
    assert not trained[rows].any()
    assert set(SENTIMENTS[rows]) == {"positive", "negative"}


@pytest.mark.parametrize("kind", use_case.SIDES)
def test_triplets_are_what_they_claim(kind: str) -> None:
    positive, negative = use_case.sides(kind, TOPICS, SENTIMENTS)
    assert not positive.diagonal().any()
    n = len(TOPICS)
    for a, b in np.random.default_rng(0).integers(n, size=(2000, 2)):
        topic, sentiment = TOPICS[a] == TOPICS[b], SENTIMENTS[a] == SENTIMENTS[b]
        wanted = {
            "topic": (topic and a != b, not topic),
            "sentiment": (sentiment and a != b, not sentiment),
            "across": (sentiment and not topic, topic and not sentiment),
        }[kind]
        assert (positive[a, b], negative[a, b]) == wanted
    assert positive.any(1).all()
    assert negative.any(1).all()


def test_accuracy_is_that_of_all_triplets_one_by_one() -> None:
    rows = np.random.default_rng(1).choice(len(TOPICS), 40, replace=False)
    vectors = np.random.default_rng(2).normal(size=(40, 3))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    positive, negative = use_case.sides("sentiment", TOPICS[rows], SENTIMENTS[rows])
    found = use_case.triplet_accuracy(vectors, positive, negative)
    for a in range(40):
        p, n = np.meshgrid(np.flatnonzero(positive[a]), np.flatnonzero(negative[a]))
        anchors = np.repeat(vectors[[a]], p.size, axis=0)
        margins = ((vectors[p.ravel()] - vectors[n.ravel()]) * anchors).sum(axis=1)
        expected = (margins > 0).mean()
        assert found[a] == pytest.approx(expected)


def test_equally_near_is_not_nearer() -> None:
    topics = np.array(["a", "a", "b", "b"])
    positive, negative = use_case.sides("topic", topics, topics)
    assert use_case.triplet_accuracy(np.ones((4, 2)), positive, negative) == [0] * 4


def test_an_opinion_that_two_seeds_measured_counts_once() -> None:
    seeds = [np.array([1.0, 0.0, np.nan, np.nan]), np.array([0.0, np.nan, 1.0, np.nan])]
    assert use_case.shown(seeds).startswith("50.0 (")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::sememe.errors.ChoiceWarning")
def test_it_trains_prints_its_table_and_draws_its_maps(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    bert = random_bert(max_position_embeddings=256)
    make_checkpoint(tmp_path / "tiny", bert=bert, max_length=256)
    monkeypatch.setattr(use_case, "OPTIONS", {name: {"epochs": 0.1} for name in use_case.OPTIONS})
    arguments = ["--out", str(tmp_path / "maps"), "--model", str(tmp_path / "tiny"), "--seeds", "3"]
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), *arguments])
    use_case.main()
    lines = capsys.readouterr().out.splitlines()
    table = [line for line in lines if line.startswith("|")]
    assert len(table) == 2 + 2 * len(use_case.SIDES) + 1
    assert {line.count("|") for line in table} == {6}
    for name, label in (("topic", "vegan food"), ("sentiment", "positive")):
        page = tmp_path / "maps" / f"{name}.html"
        assert use_case.NUCLEAR[0] in unpacked_json(data_of(page)["texts"])
        assert label in page.read_text(encoding="utf-8")


def test_help_is_shown(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), "--help"])
    with pytest.raises(SystemExit) as ended:
        use_case.main()
    assert ended.value.code == 0
    assert "--out" in capsys.readouterr().out

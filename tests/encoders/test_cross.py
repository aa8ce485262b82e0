"""Scores are transformers' own; every pair alone, in any batch, from any thread."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import BertTokenizerFast

from sememe import BiEncoder, CrossEncoder
from sememe.encoders import cross
from sememe.errors import CheckpointError, GuessWarning, InputError, TruncationWarning
from sememe.tables import read_table
from tiny_models import TEXTS, WORDS, Tiny, edit_json, make_checkpoint, make_cross_encoder

PAIRS = [(a, b) for a in TEXTS for b in TEXTS if a]
NAMES = ("contradiction", "entailment", "neutral")


@dataclass
class Reference:
    """A checkpoint, its encoder here, and transformers' model and tokenizer."""

    directory: Path
    cross: CrossEncoder
    model: Any

    def logits(self, pairs: list[tuple[str, str]], truncation: str = "longest_first") -> np.ndarray:
        tokenizer = BertTokenizerFast.from_pretrained(self.directory)
        rows: list[np.ndarray] = []
        for a, b in pairs:
            # In lists: of a second text that is empty, a single call would make no pair.
            fed = tokenizer([a], [b], truncation=truncation, max_length=32, return_tensors="pt")
            with torch.no_grad():
                rows.append(self.model(**fed).logits[0].numpy())
        stacked: np.ndarray = np.stack(rows)
        return stacked


def made(directory: Path, labels: tuple[str, ...]) -> Reference:
    model = make_cross_encoder(directory, labels=labels)
    return Reference(directory, CrossEncoder(directory, precision="f32"), model)


@pytest.fixture(scope="session")
def one(tmp_path_factory: pytest.TempPathFactory) -> Reference:
    return made(tmp_path_factory.mktemp("cross") / "one", ("LABEL_0",))


@pytest.fixture(scope="session")
def three(tmp_path_factory: pytest.TempPathFactory) -> Reference:
    return made(tmp_path_factory.mktemp("cross") / "three", NAMES)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return np.asarray(1 / (1 + np.exp(-x)))


# --- the scores ---


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::sememe.errors.TruncationWarning")
def test_scores_are_those_of_transformers(one: Reference) -> None:
    expected = one.logits(PAIRS)[:, 0]
    assert expected.std() > 0.1, "scores that hardly differ would prove nothing"
    np.testing.assert_allclose(one.cross.score(PAIRS, raw=True), expected, atol=1e-4)
    found = one.cross.score(PAIRS)
    assert found.dtype == np.float32
    assert found.shape == (len(PAIRS),)
    np.testing.assert_allclose(found, sigmoid(expected), atol=1e-5)


def test_the_second_text_is_of_the_second_type(one: Reference) -> None:
    fed = BertTokenizerFast.from_pretrained(one.directory)(*PAIRS[1], return_tensors="pt")
    with torch.no_grad():
        right = one.model(**fed).logits.item()
        wrong = one.model(**{**fed, "token_type_ids": fed["token_type_ids"] * 0}).logits.item()
    assert abs(right - wrong) > 1e-2
    assert one.cross.score(PAIRS[1], raw=True) == pytest.approx(right, abs=1e-4)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::sememe.errors.TruncationWarning")
def test_several_labels_come_in_columns_as_they_are(three: Reference) -> None:
    assert three.cross.labels == NAMES
    found = three.cross.score(PAIRS)
    assert found.shape == (len(PAIRS), 3)
    np.testing.assert_allclose(found, three.logits(PAIRS), atol=1e-4)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::sememe.errors.TruncationWarning")
@pytest.mark.parametrize("key", ["sentence_transformers", "sbert_ce_default_activation_function"])
def test_the_checkpoints_own_activation_is_applied(tmp_path: Path, key: str) -> None:
    make_cross_encoder(tmp_path, labels=NAMES)
    name = "torch.nn.modules.activation.Softmax"
    said = {"activation_fn": name, "version": "5.3.0"} if key == "sentence_transformers" else name
    edit_json(tmp_path / "config.json", **{key: said})
    opened = CrossEncoder(tmp_path, precision="f32")
    scores, logits = opened.score(PAIRS), opened.score(PAIRS, raw=True)
    powers = np.exp(logits)
    np.testing.assert_allclose(scores, powers / powers.sum(axis=1, keepdims=True), atol=1e-6)


def test_an_activation_that_is_not_known_is_never_run(tmp_path: Path) -> None:
    make_cross_encoder(tmp_path)
    said = {"activation_fn": "os.system", "version": "5.3.0"}
    edit_json(tmp_path / "config.json", sentence_transformers=said)
    with pytest.warns(GuessWarning, match=r"'os\.system' is not known and never run"):
        opened = CrossEncoder(tmp_path, precision="f32")
    assert 0 < opened.score(PAIRS[0]) < 1


def test_huge_logits_make_no_noise() -> None:
    logits = np.array([[-3e4], [0], [3e4]], np.float32)
    with np.errstate(over="raise", invalid="raise"):
        assert cross.activated(logits, "sigmoid").ravel().tolist() == [0, 0.5, 1]
        assert cross.activated(logits.T, "softmax").tolist() == [[0, 0, 1]]


# --- what is promised ---


@pytest.mark.filterwarnings("ignore::sememe.errors.TruncationWarning")
def test_a_pair_has_one_score_in_any_batch_and_thread(one: Reference) -> None:
    alone = np.array([one.cross.score(pair) for pair in PAIRS[:20]])
    with ThreadPoolExecutor(6) as threads:
        found = list(threads.map(one.cross.score, [PAIRS] * 12))
    for scores in found:
        np.testing.assert_allclose(scores[:20], alone, atol=2e-6)


def test_identical_pairs_are_computed_once(one: Reference) -> None:
    seen: list[int] = []
    run = one.cross._pipeline.engine.run

    def watched(batches: Any) -> Any:
        for batch, values in run(batches):
            seen.extend(batch.rows)
            yield batch, values

    one.cross._pipeline.engine.run = watched  # type: ignore[method-assign]
    try:
        found = one.cross.score([PAIRS[1], PAIRS[2], PAIRS[1], PAIRS[1]])
    finally:
        one.cross._pipeline.engine.run = run  # type: ignore[method-assign]
    assert sorted(seen) == [0, 1]
    assert found[0] == found[2] == found[3] != found[1]


def test_no_pairs(one: Reference, three: Reference) -> None:
    assert one.cross.score([]).shape == (0,)
    assert three.cross.score([]).shape == (0, 3)
    assert one.cross.score([], symmetric=True).shape == (0,)
    assert one.cross.rank("nuclear", []) == []


def test_symmetric_is_the_mean_of_both_orders(one: Reference) -> None:
    pairs = [("nuclear power", "wind energy"), ("a", "the plant"), ("wind energy", "nuclear power")]
    turned = [(b, a) for a, b in pairs]
    found = one.cross.score(pairs, symmetric=True)
    np.testing.assert_allclose(found, (one.cross.score(pairs) + one.cross.score(turned)) / 2, 1e-5)
    assert found[0] == found[2], "the same two texts in the other order"


def test_another_fingerprint_for_other_scores(one: Reference, tmp_path: Path) -> None:
    make_cross_encoder(tmp_path / "again")
    assert CrossEncoder(tmp_path / "again", precision="f32").fingerprint == one.cross.fingerprint
    said = {"activation_fn": "torch.nn.modules.linear.Identity", "version": "5.3.0"}
    edit_json(tmp_path / "again" / "config.json", sentence_transformers=said)
    assert CrossEncoder(tmp_path / "again", precision="f32").fingerprint != one.cross.fingerprint


# --- truncation ---

LONG = "the wind and the sun are clean energy and " * 5


@pytest.mark.parametrize(
    "pair", [(LONG, "a book"), ("a book", LONG), (LONG, LONG + "the"), ("the " * 15, "car " * 15)]
)
def test_the_longer_text_loses_first(one: Reference, pair: tuple[str, str]) -> None:
    with pytest.warns(TruncationWarning, match=r"1 of 1 pairs were longer than the 32 tokens"):
        found = one.cross.score(pair, raw=True)
    assert found == pytest.approx(one.logits([pair])[0, 0], abs=1e-4)


def test_a_query_loses_nothing_to_its_document(one: Reference) -> None:
    pair = ("the new power plant is not cheap and not clean", LONG)
    with pytest.warns(TruncationWarning):
        found = one.cross.score([pair], raw=True, truncate="document")
    assert found[0] == pytest.approx(one.logits([pair], "only_second")[0, 0], abs=1e-4)
    with pytest.warns(TruncationWarning):
        (hit,) = one.cross.rank(*pair[:1], [LONG])
    assert hit.score == pytest.approx(float(sigmoid(found[0])), abs=1e-6)


def test_a_query_that_leaves_no_room_is_named(one: Reference) -> None:
    with pytest.raises(InputError, match=r"The query 'the wind and .* nothing of a document"):
        one.cross.rank(LONG, ["a book"])


# --- ranking ---


@settings(max_examples=20)
@given(
    st.lists(st.sampled_from([*WORDS.split()[:20], "a new car"]), max_size=12), st.integers(1, 15)
)
def test_ranking_is_sorting_by_score(one: Reference, documents: list[str], top_k: int) -> None:
    scores = one.cross.score([("clean energy", text) for text in documents])
    order = sorted(range(len(documents)), key=lambda i: (-scores[i], i))[:top_k]
    found = one.cross.rank("clean energy", documents, top_k=top_k)
    assert [hit.index for hit in found] == order
    assert [hit.text for hit in found] == [documents[i] for i in order]
    np.testing.assert_allclose([hit.score for hit in found], scores[order], atol=2e-6)


def test_numpy_s_numbers_and_arrays_are_taken(one: Reference) -> None:
    pairs = [("clean energy", "wind power"), ("a", "b")]
    np.testing.assert_array_equal(one.cross.score(np.array(pairs)), one.cross.score(pairs))
    assert len(one.cross.rank("a", ["b", "c"], top_k=cast(Any, np.int64(1)))) == 1
    assert one.cross.score(pairs, raw=cast(Any, np.True_)).dtype == np.float32


def test_the_halves_of_a_surrogate_pair_in_a_query_are_joined(one: Reference) -> None:
    emoji = "\U0001f44d"
    assert one.cross.rank("\ud83d\udc4d", ["a"]) == one.cross.rank(emoji, ["a"])


def test_a_model_of_several_labels_cannot_rank(three: Reference) -> None:
    with pytest.raises(InputError, match=r"labels contradiction, entailment, neutral, so no one"):
        three.cross.rank("a", ["b"])


# --- bad input ---


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ([("a", "b"), ("a", "b", "c")], r"pairs\[1\] is \('a', 'b', 'c'\); two texts are needed"),
        ([("a", "b"), "ab"], r"pairs\[1\] is 'ab'; two texts"),
        ([("a", None)], r"pairs\[0\]\[1\] is missing \(None\)"),
        ([("a", "b"), ("a", "b"), (" ", "b")], r"pairs\[2\]\[0\] is blank"),
        ([None], r"pairs\[0\] is None"),
        (7, r"pairs is an int; give an iterable"),
    ],
)
def test_a_bad_row_is_named(one: Reference, pairs: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        one.cross.score(pairs)


@pytest.mark.parametrize(
    ("query", "documents", "options", "message"),
    [
        ("", ["a"], {}, "query is ''; a text that is not blank"),
        (None, ["a"], {}, "query is None"),
        ("a", ["b", 3], {}, r"documents\[1\] is of type int"),
        ("a", ["b"], {"top_k": 0}, "top_k=0: give a whole number of at least 1"),
        ("a", ["b"], {"top_k": True}, "top_k=True: give a whole number"),
        ("a", "one document", {}, "documents is a single str"),
    ],
)
def test_a_bad_ranking_is_refused(
    one: Reference, query: Any, documents: Any, options: Any, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        one.cross.rank(query, documents, **options)


def test_truncate_is_one_of_two(one: Reference) -> None:
    with pytest.raises(InputError, match="truncate='first' is not known; there are longest, docu"):
        one.cross.score(PAIRS, truncate="first")


def test_halves_of_surrogates_are_told_of(one: Reference) -> None:
    with pytest.warns(UserWarning, match=r"1 of 4 texts \(first: pairs\[1\]\[0\]\) hold half"):
        assert one.cross.score([("a", "b"), ("a \ud83d", "b")]).shape == (2,)


def test_neither_text_of_a_symmetric_pair_is_the_document(one: Reference) -> None:
    with pytest.raises(InputError, match="symmetric=True reads each text in both places"):
        one.cross.score(PAIRS, symmetric=True, truncate="document")


def test_two_labels_of_one_name_are_refused(tmp_path: Path) -> None:
    make_cross_encoder(tmp_path, labels=["same", "same"])
    with pytest.raises(CheckpointError, match="id2label gives two labels one name: same, same"):
        CrossEncoder(tmp_path)


def test_a_label_never_takes_the_place_of_a_text(tmp_path: Path) -> None:
    make_cross_encoder(tmp_path / "model", labels=["first", "other"])
    CrossEncoder(tmp_path / "model", precision="f32").score_to(PAIRS[:3], tmp_path / "s.jsonl")
    columns = read_table(tmp_path / "s.jsonl").columns
    assert list(columns) == ["first", "second", "sememe_first", "other"]
    assert columns["first"] == [a for a, _ in PAIRS[:3]]


# --- which model is which ---


def test_a_bi_encoder_is_no_cross_encoder(tiny: Tiny) -> None:
    with pytest.raises(CheckpointError, match="is a bi-encoder: open it with BiEncoder"):
        CrossEncoder(tiny.directory)


def test_a_regular_transformer_cannot_score(tmp_path: Path) -> None:
    make_checkpoint(tmp_path, layout="plain")
    with pytest.raises(CheckpointError, match="regular transformer: it has no classification head"):
        CrossEncoder(tmp_path)


def test_a_cross_encoder_has_no_vectors_unless_its_transformer_is_pooled(one: Reference) -> None:
    with pytest.raises(CheckpointError, match="is a cross-encoder: it scores pairs"):
        BiEncoder(one.directory, precision="f32")
    assert BiEncoder(one.directory, precision="f32", pooling="mean").encode(["a"]).shape == (1, 32)


@pytest.mark.parametrize("labels", [{"0": "a", "2": "b"}, {}, {"x": "a"}, ["a"], {"0" * 5000: "a"}])
def test_labels_with_a_gap_are_refused(tmp_path: Path, labels: Any) -> None:
    make_cross_encoder(tmp_path)
    edit_json(tmp_path / "config.json", id2label=labels)
    with pytest.raises(CheckpointError, match=r"id2label must name the labels 0, 1, … without a"):
        CrossEncoder(tmp_path)


def test_a_head_of_another_size_is_named(tmp_path: Path) -> None:
    make_cross_encoder(tmp_path)
    edit_json(tmp_path / "config.json", id2label={"0": "a", "1": "b"})
    with pytest.raises(CheckpointError, match=r"'classifier.weight' has shape \[1, 32\]"):
        CrossEncoder(tmp_path, precision="f32")

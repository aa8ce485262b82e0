"""Cross-encoders of sentence-transformers and of sememe are one another's, to the score."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from saved_models import (
    IDENTITY,
    NAMES,
    PAIRS,
    SIGMOID,
    SOFTMAX,
    make_classifier,
    open_cross,
    resaved,
)
from sentence_transformers import CrossEncoder as Theirs
from sentence_transformers.sentence_transformer.modules import Dense, Pooling, Transformer
from transformers import AutoModelForSequenceClassification

from sememe import BiEncoder, CrossEncoder
from sememe.errors import CheckpointError
from tiny_models import HIDDEN, TEXTS, edit_json, make_checkpoint

ACTIVATIONS: dict[str, Any] = {
    SIGMOID: torch.nn.Sigmoid(),
    SOFTMAX: torch.nn.Softmax(dim=1),
    IDENTITY: torch.nn.Identity(),
}
KINDS = [
    (labels, said) for labels in (("LABEL_0",), NAMES) for said in (None, SIGMOID, IDENTITY)
] + [(NAMES, SOFTMAX)]
pytestmark = [
    pytest.mark.filterwarnings("ignore::sememe.errors.TruncationWarning"),
    pytest.mark.filterwarnings("ignore:Implicit dimension choice for softmax"),
]


def assert_same(cross: CrossEncoder, model: Any) -> None:
    """Scores, logits, labels, limits."""
    found = cross.score(PAIRS)
    assert found.std() > 0.05, "scores that hardly differ would prove nothing"
    np.testing.assert_allclose(found, model.predict(PAIRS), rtol=1e-5, atol=1e-5)
    logits = model.predict(PAIRS, activation_fn=torch.nn.Identity())
    np.testing.assert_allclose(cross.score(PAIRS, raw=True), logits, rtol=1e-5, atol=1e-5)
    assert cross.max_length == model.max_seq_length
    assert cross.labels == tuple(model.config.id2label.values())


@pytest.mark.slow
@pytest.mark.parametrize(("labels", "said"), KINDS, ids=str)
def test_sememe_reads_what_sentence_transformers_wrote(
    tmp_path: Path, labels: tuple[str, ...], said: str | None
) -> None:
    made = make_classifier(tmp_path / "before", labels)
    model = open_cross(made, activation_fn=ACTIVATIONS[said] if said else None, max_length=20)
    cross = CrossEncoder(resaved(model, tmp_path / "theirs"), precision="f32")
    assert_same(cross, model)


@pytest.mark.slow
@pytest.mark.parametrize("generation", ["before 4.0", "4.0 to 5.3"])
@pytest.mark.parametrize(("labels", "said"), KINDS, ids=str)
def test_both_read_and_sememe_writes_the_earlier_layouts(
    tmp_path: Path, labels: tuple[str, ...], said: str | None, generation: str
) -> None:
    made = make_classifier(tmp_path / "before", labels)
    if said and generation == "before 4.0":
        edit_json(made / "config.json", sbert_ce_default_activation_function=said)
    elif said:
        own = {"activation_fn": said, "version": "4.1.0"}
        edit_json(made / "config.json", sentence_transformers=own)
    cross = CrossEncoder(made, precision="f32")
    assert_same(cross, open_cross(made))
    cross.save(tmp_path / "ours")
    assert not (tmp_path / "ours" / "modules.json").exists()
    reopened, model = (
        CrossEncoder(tmp_path / "ours", precision="f32"),
        open_cross(tmp_path / "ours"),
    )
    assert reopened.fingerprint == cross.fingerprint
    assert_same(reopened, model)
    usual = SIGMOID if len(labels) == 1 else IDENTITY
    assert isinstance(model.activation_fn, type(ACTIVATIONS[said or usual]))


def test_transformers_reads_what_sememe_wrote(tmp_path: Path) -> None:
    cross = CrossEncoder(make_classifier(tmp_path / "before", NAMES), precision="f32")
    cross.save(tmp_path / "ours")
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path / "ours")
    assert model.config.id2label == dict(enumerate(NAMES))


def test_a_tokenizer_that_says_no_limit_is_given_the_model_s(tmp_path: Path) -> None:
    made = make_classifier(tmp_path / "before", max_length=10**30)
    cross = CrossEncoder(made, precision="f32")
    cross.save(tmp_path / "ours")
    assert cross.max_length == open_cross(tmp_path / "ours").max_seq_length == 48


@pytest.mark.slow
def test_modules_put_together_by_hand(tmp_path: Path) -> None:
    made = make_classifier(tmp_path / "before", NAMES)
    transformer = Transformer(str(made), transformer_task="sequence-classification")
    model = Theirs(modules=[transformer], device="cpu")
    cross = CrossEncoder(resaved(model, tmp_path / "theirs"), precision="f32")
    assert_same(cross, model)


@pytest.mark.slow
def test_a_default_prompt_stands_in_front_of_the_first_text(tmp_path: Path) -> None:
    made = make_classifier(tmp_path / "before")
    prompts = {"q": "the power ", "unused": "a car "}
    model = open_cross(made, prompts=prompts, default_prompt_name="q")
    cross = CrossEncoder(resaved(model, tmp_path / "theirs"), precision="f32")
    assert_same(cross, model)
    plain = CrossEncoder(made, precision="f32")
    by_hand = [("the power " + first, second) for first, second in PAIRS]
    np.testing.assert_allclose(cross.score(PAIRS), plain.score(by_hand), atol=1e-6)
    assert np.abs(cross.score(PAIRS) - plain.score(PAIRS)).max() > 0.01
    assert cross.fingerprint != plain.fingerprint
    hits = [hit.index for hit in cross.rank(TEXTS[0], TEXTS)]
    assert hits == [hit["corpus_id"] for hit in model.rank(TEXTS[0], TEXTS)]
    cross.save(tmp_path / "ours")
    reopened, again = (
        CrossEncoder(tmp_path / "ours", precision="f32"),
        open_cross(tmp_path / "ours"),
    )
    assert (again.prompts, again.default_prompt_name) == (prompts, "q")
    assert reopened.fingerprint == cross.fingerprint
    assert_same(reopened, again)


@pytest.mark.slow
def test_lower_casing_is_written_where_sentence_transformers_finds_it(tmp_path: Path) -> None:
    made = make_classifier(tmp_path / "before")
    edit_json(made / "tokenizer_config.json", do_lower_case=False)
    (made / "tokenizer.json").unlink()  # its normaliser lower-cases
    model = open_cross(made)
    edit_json(resaved(model, tmp_path / "theirs") / "sentence_bert_config.json", do_lower_case=True)
    cross = CrossEncoder(tmp_path / "theirs", precision="f32")
    cross.save(tmp_path / "ours")
    loud = [(first.upper(), second.title()) for first, second in PAIRS]
    again = open_cross(tmp_path / "ours")
    np.testing.assert_allclose(again.predict(loud), cross.score(loud), atol=1e-5)
    assert np.abs(model.predict(loud) - cross.score(loud)).max() > 0.01


def test_a_score_made_of_a_pooled_vector_is_refused_by_both_encoders(tmp_path: Path) -> None:
    make_checkpoint(tmp_path / "before", layout="plain")
    head = Dense(HIDDEN, 1, module_output_name="scores")
    modules = [Transformer(str(tmp_path / "before")), Pooling(HIDDEN), head]
    resaved(Theirs(modules=modules, device="cpu"), tmp_path / "theirs")
    for encoder in (BiEncoder, CrossEncoder):
        with pytest.raises(
            CheckpointError, match=r"2_Dense.config\.json: a Dense .* for scores is"
        ):
            encoder(tmp_path / "theirs", precision="f32")


# --- what is opened as what it is not ---


def test_a_cross_encoder_is_no_bi_encoder(tmp_path: Path) -> None:
    made = make_classifier(tmp_path / "before")
    for directory in (made, resaved(open_cross(made), tmp_path / "theirs")):
        with pytest.raises(CheckpointError, match=r"is a cross-encoder: .* Open it with Cross"):
            BiEncoder(directory, precision="f32")


@pytest.mark.slow
def test_its_transformer_is_one_with_a_pooling(tmp_path: Path) -> None:
    made = make_classifier(tmp_path / "before")
    encoder = BiEncoder(made, precision="f32", pooling="mean")
    encoder.save(tmp_path / "ours")
    np.testing.assert_array_equal(
        BiEncoder(tmp_path / "ours", precision="f32").encode(TEXTS), encoder.encode(TEXTS)
    )


def test_a_bi_encoder_is_no_cross_encoder(tmp_path: Path) -> None:
    make_checkpoint(tmp_path)
    with pytest.raises(CheckpointError, match="is a bi-encoder: open it with BiEncoder"):
        CrossEncoder(tmp_path, precision="f32")


def test_a_regular_transformer_is_no_cross_encoder(tmp_path: Path) -> None:
    make_checkpoint(tmp_path, layout="plain")
    with pytest.raises(CheckpointError, match="is a regular transformer: it has no classification"):
        CrossEncoder(tmp_path, precision="f32")

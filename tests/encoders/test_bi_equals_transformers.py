"""Vectors held against transformers' own, on checkpoints where every part matters."""

from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch

from reference import sentence_vectors, token_states
from sememe import BiEncoder
from sememe.errors import TruncationWarning
from tiny_models import HIDDEN, POSITIONS, TEXTS, Casing, Layout, Linear, make_checkpoint
from tiny_models import random_bert as bert

# In the order in which sentence-transformers concatenates those that are switched on.
MODES = ["cls", "max", "mean", "mean_sqrt_len", "weightedmean", "lasttoken"]
HIDDEN_ACTIVATIONS = [
    "gelu", "gelu_new", "gelu_fast", "gelu_pytorch_tanh",
    "relu", "sigmoid", "silu", "swish", "tanh",
]  # fmt: skip
SIGNIFICANT = 1e-2
LONG = "the wind is free and " * 30
# For what is behind the layers.
SHALLOW = bert(num_hidden_layers=1)


def difference(a: Any, b: Any) -> float:
    """The largest difference between two arrays, or two lists of arrays, of equal shapes."""
    pairs = list(zip(a, b, strict=True))
    assert all(x.shape == y.shape for x, y in pairs)
    return max(float(np.abs(x - y).max()) for x, y in pairs)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "model"


# --- what the comparison can see ---


def _uniform_attention(model: Any) -> None:
    for layer in model.encoder.layer:
        layer.attention.self.query.weight.data.zero_()
        layer.attention.self.query.bias.data.zero_()


def _one_head(model: Any) -> None:
    for layer in model.encoder.layer:
        layer.attention.self.num_attention_heads = 1
        layer.attention.self.attention_head_size = HIDDEN


def _no_positions(model: Any) -> None:
    model.embeddings.position_embeddings.weight.data.zero_()


def _no_token_type(model: Any) -> None:
    model.embeddings.token_type_embeddings.weight.data.zero_()


def _no_norm_shift(model: Any) -> None:
    model.encoder.layer[-1].output.LayerNorm.bias.data.zero_()


def _no_value_bias(model: Any) -> None:
    model.encoder.layer[0].attention.self.value.bias.data.zero_()


def _swapped_layers(model: Any) -> None:
    first, second = model.encoder.layer
    model.encoder.layer = torch.nn.ModuleList([second, first])


@pytest.mark.parametrize(
    "damage",
    [
        _uniform_attention,
        _one_head,
        _no_positions,
        _no_token_type,
        _no_norm_shift,
        _no_value_bias,
        _swapped_layers,
    ],
)
def test_the_reference_notices_damage(folder: Path, damage: Any) -> None:
    tiny = make_checkpoint(folder)
    whole = sentence_vectors(tiny, TEXTS)
    damage(tiny.bert)
    assert difference(whole, sentence_vectors(tiny, TEXTS)) > SIGNIFICANT


def test_the_modes_of_pooling_are_far_apart(folder: Path) -> None:
    tiny = make_checkpoint(folder, pooling=MODES)
    parts = np.split(sentence_vectors(tiny, TEXTS), len(MODES), axis=1)
    for i, part in enumerate(parts):
        for other in parts[:i]:
            assert difference(part, other) > SIGNIFICANT


# --- tokens ---


@pytest.mark.slow
def test_token_states_equal_transformers(folder: Path) -> None:
    tiny = make_checkpoint(folder)
    found = BiEncoder(folder, precision="f32").encode_tokens(TEXTS)
    assert difference(found, token_states(tiny, TEXTS)) < 1e-4


@pytest.mark.slow
def test_token_states_of_repeated_texts_and_of_one_str(folder: Path) -> None:
    tiny = make_checkpoint(folder)
    encoder = BiEncoder(folder, precision="f32")
    found = encoder.encode_tokens(["a", "wind", "a"])
    assert difference(found, token_states(tiny, ["a", "wind", "a"])) < 1e-4
    np.testing.assert_array_equal(encoder.encode_tokens("a"), found[0])


# --- pooling ---


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["2.x", "6.x"])
@pytest.mark.parametrize("include_prompt", [True, False])
def test_every_pooling_equals_transformers(
    folder: Path, layout: Layout, include_prompt: bool
) -> None:
    # All modes at once: their concatenation holds each one's vector.
    tiny = make_checkpoint(
        folder, layout=layout, pooling=MODES, include_prompt=include_prompt, prompts={"q": "a wind"}
    )
    encoder = BiEncoder(folder, precision="f32")
    assert encoder.dim == 6 * HIDDEN
    for prompt in ("", "a wind"):
        expected = sentence_vectors(tiny, TEXTS, prompt)
        assert difference(encoder.encode(TEXTS, prompt=prompt), expected) < 1e-4
    assert difference(encoder.encode(TEXTS, prompt_name="q"), expected) < 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
def test_one_pooling_given_by_the_user(folder: Path, mode: str) -> None:
    make_checkpoint(folder, bert=SHALLOW, pooling=["cls", "max"])
    tiny = make_checkpoint(folder.with_name("same"), bert=SHALLOW, pooling=[mode])
    found = BiEncoder(folder, precision="f32", pooling=mode).encode(TEXTS)
    assert difference(found, sentence_vectors(tiny, TEXTS)) < 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("pooling", [["max", "cls"], ["lasttoken", "mean", "max"]])
def test_a_named_pooling_is_concatenated_in_its_own_order(folder: Path, pooling: list[str]) -> None:
    tiny = make_checkpoint(folder, layout="6.x", pooling=pooling)
    expected = sentence_vectors(tiny, TEXTS)
    assert difference(BiEncoder(folder, precision="f32").encode(TEXTS), expected) < 1e-4
    asked = BiEncoder(folder, precision="f32", pooling="+".join(pooling))
    assert difference(asked.encode(TEXTS), expected) < 1e-4


def test_a_prompt_that_melts_into_the_text_stays_defined(folder: Path) -> None:
    # "pow" + "er" is one token, "pow" alone is three: more is skipped than the text has.
    tiny = make_checkpoint(folder, pooling=["cls", "mean"], include_prompt=False)
    encoder = BiEncoder(folder, precision="f32")
    alone = encoder.encode(["er"], prompt="pow")
    assert difference(alone, sentence_vectors(tiny, ["er"], "pow")) < 1e-4
    among = encoder.encode(["er", "the power is cheap"], prompt="pow")
    np.testing.assert_allclose(among[0], alone[0], atol=1e-5)


# --- what stands behind the pooling ---


@pytest.mark.slow
@pytest.mark.parametrize("name", ["Identity", "Tanh", "ReLU", "GELU", "Sigmoid", "SiLU"])
def test_dense_with_every_activation(folder: Path, name: str) -> None:
    tiny = make_checkpoint(folder, bert=SHALLOW, head=[Linear(20, name, bias=name != "Tanh")])
    encoder = BiEncoder(folder, precision="f32")
    assert encoder.dim == 20
    assert difference(encoder.encode(TEXTS), sentence_vectors(tiny, TEXTS)) < 1e-4


@pytest.mark.slow
@pytest.mark.parametrize(
    "head",
    [
        ["normalize"],
        ["normalize", Linear(20)],
        [Linear(40, "GELU"), "normalize", Linear(16, "Identity"), "normalize"],
        ["normalize", "normalize"],
    ],
)
def test_normalize_in_the_middle_and_at_the_end(
    folder: Path, head: list[Linear | Literal["normalize"]]
) -> None:
    tiny = make_checkpoint(folder, bert=SHALLOW, pooling=["cls", "mean"], head=head)
    expected = sentence_vectors(tiny, TEXTS)
    encoder = BiEncoder(folder, precision="f32")
    assert difference(encoder.encode(TEXTS), expected) < 1e-4
    lengths = np.linalg.norm(encoder.encode(TEXTS, normalize=True), axis=1)
    np.testing.assert_allclose(lengths, 1, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["0.x", "2.x", "6.x"])
def test_every_layout_gives_the_same_vectors(folder: Path, layout: Layout) -> None:
    tiny = make_checkpoint(folder, layout=layout, head=[Linear(20), "normalize"])
    encoder = BiEncoder(folder, precision="f32")
    assert encoder.max_length == 32
    assert difference(encoder.encode(TEXTS), sentence_vectors(tiny, TEXTS)) < 1e-4


# --- lengths ---


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["0.x", "2.x", "6.x"])
@pytest.mark.parametrize("max_length", [8, 32, POSITIONS])
def test_truncation_at_the_model_s_length_not_the_tokenizer_s(
    folder: Path, layout: Layout, max_length: int
) -> None:
    # tokenizer.json says 12.
    tiny = make_checkpoint(folder, layout=layout, max_length=max_length)
    encoder = BiEncoder(folder, precision="f32")
    with pytest.warns(TruncationWarning):
        states = encoder.encode_tokens([LONG, "a"])
    assert len(states[0]) == encoder.max_length == max_length
    assert difference(states, token_states(tiny, [LONG, "a"])) < 1e-4
    with pytest.warns(TruncationWarning):
        found = encoder.encode([LONG, "a", *TEXTS[:1]])
    assert difference(found, sentence_vectors(tiny, [LONG, "a", *TEXTS[:1]])) < 1e-4


def test_a_text_of_exactly_the_maximum_length(folder: Path) -> None:
    tiny = make_checkpoint(folder, max_length=POSITIONS)
    texts = ["the " * (POSITIONS - 2), "wind " * (POSITIONS - 3), "a"]
    found = BiEncoder(folder, precision="f32").encode(texts)
    assert difference(found, sentence_vectors(tiny, texts)) < 1e-4


def test_the_maximum_length_is_capped_by_the_positions(folder: Path) -> None:
    make_checkpoint(folder, max_length=512)
    assert BiEncoder(folder, precision="f32").max_length == POSITIONS


# --- the transformer's settings ---


@pytest.mark.slow
@pytest.mark.parametrize("name", HIDDEN_ACTIVATIONS)
def test_every_hidden_activation(folder: Path, name: str) -> None:
    tiny = make_checkpoint(folder, bert=bert(hidden_act=name, num_hidden_layers=1))
    found = BiEncoder(folder, precision="f32").encode(TEXTS)
    assert difference(found, sentence_vectors(tiny, TEXTS)) < 1e-4


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [
        {"num_attention_heads": 1},
        {"num_attention_heads": 8, "num_hidden_layers": 3},
        {"num_hidden_layers": 1, "intermediate_size": 24},
        {"layer_norm_eps": 1e-2},
        {"type_vocab_size": 1},
    ],
)
def test_every_size(folder: Path, settings: dict[str, Any]) -> None:
    tiny = make_checkpoint(folder, bert=bert(3, **settings))
    found = BiEncoder(folder, precision="f32").encode(TEXTS)
    assert difference(found, sentence_vectors(tiny, TEXTS)) < 1e-4


# --- how weights and tokenizers are stored ---


@pytest.mark.slow
@pytest.mark.parametrize(
    "stored",
    [
        {"gamma": True},
        {"prefix": "bert."},
        {"prefix": "bert.", "gamma": True},
        {"dtype": torch.float16},
        {"dtype": torch.bfloat16},
        {"shards": 3},
        {"shards": 2, "dtype": torch.bfloat16, "prefix": "bert."},
    ],
    ids=str,
)
def test_every_way_to_store_weights(folder: Path, stored: dict[str, Any]) -> None:
    # Half-precision weights are rounded in the reference too, and both compute in float32.
    tiny = make_checkpoint(folder, head=[Linear(20)], **stored)
    found = BiEncoder(folder, precision="f32").encode(TEXTS)
    assert difference(found, sentence_vectors(tiny, TEXTS)) < 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("tokenizer", ["json", "vocab"])
@pytest.mark.parametrize("casing", ["uncased", "cased", "lowered"])
def test_every_tokenizer(folder: Path, tokenizer: Literal["json", "vocab"], casing: Casing) -> None:
    texts = ["Nuclear POWER in the Café, nuclear power", "NUCLEAR", "日本 café", *TEXTS]
    tiny = make_checkpoint(folder, tokenizer=tokenizer, casing=casing)
    found = BiEncoder(folder, precision="f32").encode(texts)
    assert difference(found, sentence_vectors(tiny, texts)) < 1e-4


@pytest.mark.slow
def test_do_lower_case_lowers(folder: Path) -> None:
    make_checkpoint(folder, casing="lowered")
    make_checkpoint(folder.with_name("cased"), casing="cased")
    lowered = BiEncoder(folder, precision="f32").encode(["Nuclear", "nuclear"])
    cased = BiEncoder(folder.with_name("cased"), precision="f32").encode(["Nuclear", "nuclear"])
    assert difference(lowered[:1], lowered[1:]) == 0
    assert difference(cased[:1], cased[1:]) > SIGNIFICANT

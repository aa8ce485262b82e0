"""Every architecture's graph against transformers: hidden states and logits, singles and pairs."""

import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from sememe import BiEncoder, CrossEncoder
from sememe.checkpoint import read
from sememe.checkpoint.modules import POOLING_MODES, Pooling
from sememe.engines import open_engine
from sememe.engines.openvino.graph import ARCHITECTURES
from sememe.engines.openvino.post_norm import bucket
from sememe.errors import CheckpointError
from sememe.text import PairTokenizer, Tokenizer, batches
from tiny_architectures import KINDS, Made, break_attention, make
from tiny_models import TEXTS, WORDS, edit_json

NEAR = 1e-4
LONG = [" ".join(WORDS.split()), "solar " * 200]
PAIRS = [(a, b) for a in (*TEXTS[:3], *LONG) for b in (*TEXTS[3:], LONG[0])]


@pytest.fixture(scope="module", params=KINDS)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Made:
    return make(tmp_path_factory.mktemp(request.param), request.param)


def states(made: Made, *texts: list[str]) -> list[np.ndarray]:
    """transformers' own last hidden states, without those of padding."""
    fed = made.fed(*texts)
    with torch.no_grad():
        result = made.model.base_model(**fed).last_hidden_state.numpy()
    lengths = fed["attention_mask"].sum(1).tolist()
    return [text[:length] for text, length in zip(result, lengths, strict=True)]


def farthest(result: list[np.ndarray], expected: list[np.ndarray]) -> float:
    return max(float(np.abs(a - b).max()) for a, b in zip(result, expected, strict=True))


def test_all_architectures_are_tried() -> None:
    assert set(KINDS) == set(ARCHITECTURES)


@pytest.mark.slow
def test_token_vectors_equal_transformers(made: Made) -> None:
    texts = [*TEXTS, *LONG]
    encoder = BiEncoder(made.encoder, precision="f32", pooling="mean")
    assert encoder.max_length == made.max_length
    with pytest.warns(match="longer"):
        result = encoder.encode_tokens(texts)
    assert max(map(len, result)) == made.max_length
    assert farthest(result, states(made, texts)) < NEAR


@pytest.mark.slow
def test_token_vectors_of_pairs_equal_transformers(made: Made) -> None:
    checkpoint = read(made.classifier)
    engine = open_engine(checkpoint, "tokens", precision="f32")
    tokens = PairTokenizer(checkpoint)(PAIRS)
    result = {
        int(row): values[:length]
        for batch, computed in engine.run(batches(tokens, np.arange(len(PAIRS)), 512))
        for row, length, values in zip(batch.rows, batch.lengths, computed, strict=True)
    }
    assert max(map(len, result.values())) == made.max_length
    expected = states(made, *([pair[side] for pair in PAIRS] for side in (0, 1)))
    assert farthest([result[row] for row in range(len(PAIRS))], expected) < NEAR


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::sememe.errors.TruncationWarning")
def test_logits_equal_transformers(made: Made) -> None:
    result = CrossEncoder(made.classifier, precision="f32").score(PAIRS, raw=True)
    with torch.no_grad():
        fed = made.fed(*([pair[side] for pair in PAIRS] for side in (0, 1)))
        expected = made.model(**fed).logits.numpy()
    assert result.shape == (len(PAIRS), 3)
    assert np.abs(result - expected).max() < NEAR
    assert expected.std() > 0.1


def test_these_comparisons_would_notice_a_broken_attention(made: Made) -> None:
    texts = [*TEXTS, *LONG]
    broken = replace(made, model=copy.deepcopy(made.model))
    break_attention(broken.model)
    assert farthest(states(broken, texts), states(made, texts)) > 1e-2


@pytest.mark.slow
def test_what_stands_in_the_padding_does_not_matter(made: Made) -> None:
    checkpoint = read(made.encoder)
    modes = tuple(mode for mode in POOLING_MODES if mode != "pooler")
    engine = open_engine(checkpoint, Pooling(modes), precision="f32")
    tokens = Tokenizer(checkpoint)(TEXTS)
    (batch,) = batches(tokens, np.arange(len(TEXTS)), 10_000)
    ((_, expected),) = engine.run([batch])
    padding = np.arange(batch.ids.shape[1]) >= batch.lengths[:, None]
    assert padding.any()
    for pad in (1, 2, 30):
        batch.ids[padding] = pad
        ((_, result),) = engine.run([batch])
        assert np.abs(result - expected).max() < 1e-5


# --- pooler ---


def test_the_pooler_is_transformers(tmp_path: Path) -> None:
    made = make(tmp_path, "bert")
    result = BiEncoder(made.encoder, precision="f32", pooling="pooler").encode(TEXTS)
    with torch.no_grad():
        expected = made.model.base_model(**made.fed(TEXTS)).pooler_output.numpy()
    assert np.abs(result - expected).max() < NEAR


def test_a_checkpoint_without_a_pooler_says_so(tmp_path: Path) -> None:
    made = make(tmp_path, "distilbert")
    with pytest.raises(CheckpointError, match=r"no tensor 'pooler\.dense\.weight'.* such as"):
        BiEncoder(made.encoder, precision="f32", pooling="mean+pooler")


# --- MPNet ---


def test_distances_fall_into_transformers_buckets() -> None:
    from transformers.models.mpnet.modeling_mpnet import MPNetEncoder

    distances = torch.arange(-600, 601)
    expected = MPNetEncoder.relative_position_bucket(distances).tolist()
    assert [bucket(int(distance)) for distance in distances] == expected


# --- ModernBERT ---


@pytest.fixture(scope="module")
def modern(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """With every bias that the config allows, another order of layers, and a mean classifier."""
    order = ["full_attention", "sliding_attention", "full_attention", "sliding_attention"]
    return make(
        tmp_path_factory.mktemp("modern"),
        "modernbert",
        layer_types=order,
        norm_bias=True,
        attention_bias=True,
        mlp_bias=True,
        classifier_bias=True,
        classifier_pooling="mean",
        classifier_activation="silu",
        hidden_activation="gelu_new",
    )


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::sememe.errors.TruncationWarning")
@pytest.mark.parametrize("generation", [5, 4])
def test_both_generations_of_modernbert_s_config_are_read(modern: Made, generation: int) -> None:
    if generation == 4:
        for folder in (modern.encoder, modern.classifier):
            edit_json(
                folder / "config.json",
                layer_types=None,
                rope_parameters=None,
                global_attn_every_n_layers=2,
                global_rope_theta=5000.0,
                local_rope_theta=300.0,
            )
    result = BiEncoder(modern.encoder, precision="f32", pooling="mean").encode_tokens(LONG)
    assert farthest(result, states(modern, LONG)) < NEAR
    pairs = [(a, b) for a in LONG for b in TEXTS]
    scores = CrossEncoder(modern.classifier, precision="f32").score(pairs, raw=True)
    with torch.no_grad():
        fed = modern.fed([a for a, _ in pairs], [b for _, b in pairs])
        assert np.abs(scores - modern.model(**fed).logits.numpy()).max() < NEAR


def test_the_local_window_is_narrower_than_these_texts(modern: Made) -> None:
    wide = replace(modern, model=copy.deepcopy(modern.model))
    wide.model.config.local_attention = 200
    assert farthest(states(wide, LONG), states(modern, LONG)) > 1e-2

"""Bi-encoders of sentence-transformers and of sememe are one another's, to the vector."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from saved_models import open_bi, resaved
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer
from sentence_transformers.util import cos_sim

from sememe import BiEncoder
from tiny_models import HIDDEN, TEXTS, Casing, Layout, Linear, make_checkpoint, random_bert

CHECKPOINTS: list[dict[str, Any]] = [
    {},
    {"pooling": ["cls"], "head": ["normalize"], "similarity": "dot"},
    {"pooling": ["max", "mean_sqrt_len"], "similarity": "euclidean"},
    {"pooling": ["weightedmean", "lasttoken"], "head": [Linear(8)], "similarity": "manhattan"},
    {"head": [Linear(12, "GELU", bias=False), Linear(6, "Identity"), "normalize"]},
    {"head": ["normalize", Linear(8, "ReLU")]},
    {"prompts": {"query": "the wind ", "document": "a book: "}, "include_prompt": False},
    {"prompts": {"query": "the ", "s2s": "a car "}, "default_prompt": "s2s"},
    {"casing": "lowered"},
    {"tokenizer": "vocab", "casing": "cased"},
]
SHALLOW = random_bert(num_hidden_layers=1)
SAME: dict[str, Any] = {"rtol": 1e-5, "atol": 1e-5}


def assert_same(encoder: BiEncoder, model: Any) -> None:
    """Vectors with and without prompts, similarities, limits."""
    vectors = encoder.encode(TEXTS)
    np.testing.assert_allclose(vectors, model.encode(TEXTS), **SAME)
    assert encoder.max_length == model.max_seq_length
    assert encoder.dim == model.get_embedding_dimension()
    for name in encoder.prompts:
        expected = model.encode(TEXTS, prompt_name=name)
        np.testing.assert_allclose(encoder.encode(TEXTS, prompt_name=name), expected, **SAME)
    np.testing.assert_allclose(encoder.encode_query(TEXTS), model.encode_query(TEXTS), **SAME)
    np.testing.assert_allclose(encoder.encode_document(TEXTS), model.encode_document(TEXTS), **SAME)
    found = encoder.similarity(vectors, vectors)
    np.testing.assert_allclose(found, model.similarity(vectors, vectors), rtol=1e-5, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("made", CHECKPOINTS, ids=str)
def test_sememe_reads_what_sentence_transformers_wrote(
    tmp_path: Path, made: dict[str, Any]
) -> None:
    make_checkpoint(tmp_path / "before", bert=SHALLOW, **made)
    model = open_bi(tmp_path / "before")
    encoder = BiEncoder(resaved(model, tmp_path / "theirs"), precision="f32")
    assert_same(encoder, model)


@pytest.mark.slow
@pytest.mark.parametrize("made", CHECKPOINTS, ids=str)
def test_sentence_transformers_reads_what_sememe_wrote(
    tmp_path: Path, made: dict[str, Any]
) -> None:
    make_checkpoint(tmp_path / "before", bert=SHALLOW, **made)
    encoder = BiEncoder(tmp_path / "before", precision="f32")
    encoder.save(tmp_path / "ours")
    model = open_bi(tmp_path / "ours")
    assert_same(encoder, model)
    assert {name: text for name, text in model.prompts.items() if text} == encoder.prompts
    assert model.similarity_fn_name == made.get("similarity", "cosine")
    assert model.default_prompt_name == made.get("default_prompt")


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["0.x", "2.x", "6.x"])
def test_every_layout_is_written_as_one(tmp_path: Path, layout: Layout) -> None:
    make_checkpoint(tmp_path / "before", bert=SHALLOW, layout=layout, head=[Linear(8), "normalize"])
    encoder = BiEncoder(tmp_path / "before", precision="f32")
    encoder.save(tmp_path / "ours")
    assert_same(encoder, open_bi(tmp_path / "ours"))


def test_a_regular_transformer_keeps_the_pooling_that_was_chosen(tmp_path: Path) -> None:
    make_checkpoint(tmp_path / "before", layout="plain")
    encoder = BiEncoder(tmp_path / "before", precision="f32", pooling="cls")
    encoder.save(tmp_path / "ours")
    model = open_bi(tmp_path / "ours")
    assert model[1].pooling_mode == "cls"
    assert_same(encoder, model)


@pytest.mark.slow
@pytest.mark.parametrize("modes", [("mean", "cls"), ("lasttoken", "mean_sqrt_len_tokens", "max")])
def test_poolings_stay_in_their_order(tmp_path: Path, modes: Sequence[Any]) -> None:
    make_checkpoint(tmp_path / "before", bert=SHALLOW, layout="plain")
    transformer = Transformer(str(tmp_path / "before"))
    model = type(open_bi(tmp_path / "before"))(
        modules=[transformer, Pooling(HIDDEN, tuple(modes)), Normalize()], device="cpu"
    )
    encoder = BiEncoder(resaved(model, tmp_path / "theirs"), precision="f32")
    assert_same(encoder, model)
    encoder.save(tmp_path / "ours")
    assert_same(encoder, open_bi(tmp_path / "ours"))


@pytest.mark.slow
def test_truncated_vectors_are_the_same_where_they_are_not_normalised(tmp_path: Path) -> None:
    make_checkpoint(tmp_path / "before", truncate_dim=6)
    model = open_bi(tmp_path / "before")
    encoder = BiEncoder(resaved(model, tmp_path / "theirs"), precision="f32")
    assert_same(encoder, model)
    encoder.save(tmp_path / "ours")
    assert_same(encoder, open_bi(tmp_path / "ours"))


def test_truncated_vectors_are_normalised_after_here_and_before_there(tmp_path: Path) -> None:
    make_checkpoint(tmp_path / "before", head=["normalize"], truncate_dim=6)
    model = open_bi(tmp_path / "before")
    encoder = BiEncoder(resaved(model, tmp_path / "theirs"), precision="f32")
    ours, theirs = encoder.encode(TEXTS), model.encode(TEXTS)
    np.testing.assert_allclose(cos_sim(ours, theirs).diagonal(), 1, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(ours, axis=1), 1, atol=1e-5)
    assert np.linalg.norm(theirs, axis=1).max() < 0.9
    np.testing.assert_allclose(ours, model.encode(TEXTS, normalize_embeddings=True), **SAME)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::sememe.errors.TruncationWarning")
@pytest.mark.parametrize("casing", ["uncased", "lowered"])
def test_long_texts_are_cut_at_the_same_token(tmp_path: Path, casing: Casing) -> None:
    make_checkpoint(tmp_path / "before", max_length=9, casing=casing)
    encoder = BiEncoder(tmp_path / "before", precision="f32")
    encoder.save(tmp_path / "ours")
    assert_same(encoder, open_bi(tmp_path / "ours"))


@pytest.mark.slow
def test_the_default_model_is_written_as_it_is(tmp_path: Path, default_encoder: BiEncoder) -> None:
    default_encoder.save(tmp_path / "ours")
    again = BiEncoder(tmp_path / "ours", precision="f32")
    assert again.fingerprint == default_encoder.fingerprint
    model = open_bi(tmp_path / "ours")
    np.testing.assert_allclose(default_encoder.encode(TEXTS), model.encode(TEXTS), atol=1e-5)
    assert model.max_seq_length == 256

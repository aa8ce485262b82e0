"""Two vectors may be compared under one fingerprint only, so it must follow all that counts."""

import shutil
from pathlib import Path
from typing import Any

import openvino
import pytest

from sememe import BiEncoder
from tiny_models import Linear, edit_json, make_checkpoint, random_bert


def fingerprint(directory: Path, precision: str = "f32", pooling: str | None = None) -> str:
    return BiEncoder(directory, precision=precision, pooling=pooling).fingerprint


@pytest.mark.slow
def test_a_copy_has_the_same_fingerprint(tmp_path: Path) -> None:
    make_checkpoint(tmp_path / "a", head=[Linear(8), "normalize"])
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    found = fingerprint(tmp_path / "a")
    assert found == fingerprint(tmp_path / "b")
    assert len(found) == 16
    assert int(found, 16) >= 0


@pytest.mark.slow
@pytest.mark.parametrize(
    "changed",
    [
        {"seed": 1},
        {"pooling": ["cls"]},
        {"include_prompt": False},
        {"head": []},
        {"head": [Linear(8, "ReLU"), "normalize"]},
        {"head": ["normalize", Linear(8)]},
        {"max_length": 20},
        {"truncate_dim": 6},
        {"casing": "lowered"},
        {"bert": random_bert(layer_norm_eps=1e-3)},
    ],
    ids=str,
)
def test_a_change_that_moves_vectors_changes_it(tmp_path: Path, changed: dict[str, Any]) -> None:
    made = {"head": [Linear(8), "normalize"]}
    make_checkpoint(tmp_path / "a", **made)  # type: ignore[arg-type]
    make_checkpoint(tmp_path / "b", **{**made, **changed})
    assert fingerprint(tmp_path / "a") != fingerprint(tmp_path / "b")


def test_it_follows_dense_weights(tmp_path: Path) -> None:
    bert = random_bert()
    for seed in (0, 1):
        make_checkpoint(tmp_path / str(seed), bert=bert, seed=seed, head=[Linear(8)])
    assert fingerprint(tmp_path / "0") != fingerprint(tmp_path / "1")


def test_it_follows_the_settings_of_a_bare_vocabulary(tmp_path: Path) -> None:
    make_checkpoint(tmp_path, tokenizer="vocab")
    before = fingerprint(tmp_path)
    edit_json(tmp_path / "tokenizer_config.json", do_lower_case=False)
    assert fingerprint(tmp_path) != before


@pytest.mark.slow
def test_it_follows_the_user_s_own_pooling(tmp_path: Path) -> None:
    make_checkpoint(tmp_path)
    assert fingerprint(tmp_path, pooling="mean") == fingerprint(tmp_path)
    assert fingerprint(tmp_path, pooling="cls") != fingerprint(tmp_path)


def test_it_follows_the_precision(tmp_path: Path) -> None:
    if "BF16" not in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        pytest.skip("this processor has no bfloat16 products")
    make_checkpoint(tmp_path)
    assert fingerprint(tmp_path, precision="bf16") != fingerprint(tmp_path)

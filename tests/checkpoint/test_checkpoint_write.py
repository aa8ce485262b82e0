"""What is saved is opened again as it was; it appears whole or not at all."""

import json
import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from processes import run_python
from sememe import BiEncoder, distill, train_bi, train_classifier
from sememe.checkpoint import Weights, read, write
from sememe.checkpoint.modules import POOLING_MODES, Pooling, pooling_config, read_pooling
from sememe.checkpoint.write import check_target
from sememe.errors import CheckpointError, InputError
from tiny_models import (
    HIDDEN,
    TEXTS,
    Linear,
    edit_json,
    make_checkpoint,
    random_bert,
    write_json,
)

MODES = st.lists(
    st.sampled_from([mode for mode in POOLING_MODES if mode != "pooler"]), min_size=1, max_size=4
).map(tuple)


def opened(directory: Path, **options: Any) -> BiEncoder:
    return BiEncoder(directory, precision="f32", **options)


@pytest.mark.slow
@pytest.mark.parametrize(
    "made",
    [
        {"head": [Linear(8), "normalize"], "prompts": {"q": "the "}, "default_prompt": "q"},
        {"layout": "6.x", "pooling": ["mean", "cls"], "truncate_dim": 5, "similarity": "dot"},
        {"layout": "0.x", "tokenizer": "vocab", "casing": "lowered"},
        {"shards": 3, "dtype": torch.bfloat16},
        {"prefix": "bert.", "gamma": True, "dtype": torch.float16},
    ],
    ids=str,
)
def test_a_saved_encoder_is_the_same_encoder(tmp_path: Path, made: dict[str, Any]) -> None:
    make_checkpoint(tmp_path / "a", **made)
    encoder = opened(tmp_path / "a")
    encoder.save(tmp_path / "b")
    saved = opened(tmp_path / "b")
    assert saved.fingerprint == encoder.fingerprint
    np.testing.assert_array_equal(saved.encode(TEXTS), encoder.encode(TEXTS))
    here = Path()
    expected, result = (
        replace(read(tmp_path / name), name="", directory=here, transformer=here, head=())
        for name in ("a", "b")
    )
    assert result == expected


def test_int8_ranges_are_kept_for_the_copied_weights(tmp_path: Path) -> None:
    made = make_checkpoint(tmp_path / "a")
    opened(tmp_path / "a").save(tmp_path / "b")
    assert Weights(tmp_path / "b").sha256 == Weights(made.transformer).sha256


def test_the_pooling_of_the_user_is_saved(tmp_path: Path) -> None:
    make_checkpoint(tmp_path / "a", head=["normalize"])
    encoder = opened(tmp_path / "a", pooling="cls+max")
    encoder.save(tmp_path / "b")
    assert read(tmp_path / "b").pooling == Pooling(("cls", "max"))
    assert opened(tmp_path / "b").fingerprint == encoder.fingerprint


@given(MODES, st.booleans())
def test_any_pooling_is_read_as_it_was_written(
    tmp_path: Path, modes: tuple[str, ...], include_prompt: bool
) -> None:
    pooling = Pooling(modes, include_prompt)
    write_json(tmp_path / "config.json", pooling_config(pooling, HIDDEN))
    assert read_pooling(tmp_path) == pooling


def test_the_pooler_has_no_name_to_be_saved_by(tmp_path: Path) -> None:
    make_checkpoint(tmp_path / "a")
    with pytest.raises(InputError, match=r'pooling="pooler" has no name in the layout'):
        opened(tmp_path / "a", pooling="pooler").save(tmp_path / "b")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_pooling_says_no_more_than_sentence_transformers_2_0_understands() -> None:
    assert pooling_config(Pooling(("mean",)), 384) == {
        "word_embedding_dimension": 384,
        "pooling_mode_cls_token": False,
        "pooling_mode_max_tokens": False,
        "pooling_mode_mean_tokens": True,
        "pooling_mode_mean_sqrt_len_tokens": False,
    }


def test_new_weights_take_the_place_of_the_old_ones(tmp_path: Path) -> None:
    made = make_checkpoint(tmp_path / "a", head=[Linear(8)])
    other = make_checkpoint(tmp_path / "b", bert=random_bert(1), head=[Linear(8)], seed=1)
    linear = other.head[0][0].state_dict()
    places = {
        made.transformer: {name: value.numpy() for name, value in other.bert.state_dict().items()},
        made.directory / "2_Dense": {f"linear.{name}": x.numpy() for name, x in linear.items()},
    }
    write(read(tmp_path / "a"), tmp_path / "c", places)
    result = opened(tmp_path / "c").encode(TEXTS)
    np.testing.assert_array_equal(result, opened(tmp_path / "b").encode(TEXTS))


def test_a_saved_model_says_what_it_is(tmp_path: Path) -> None:
    make_checkpoint(tmp_path / "my-base")
    opened(tmp_path / "my-base").save(tmp_path / "b")
    card = (tmp_path / "b" / "README.md").read_text(encoding="utf-8").splitlines()
    assert "# A bi-encoder, made from my-base" in card
    assert any("SentenceTransformer(" in line for line in card)
    assert str(tmp_path) not in "\n".join(card)


# --- where it is written ---


def test_missing_folders_are_made_and_an_empty_one_is_taken(tmp_path: Path) -> None:
    make_checkpoint(tmp_path / "a")
    encoder = opened(tmp_path / "a")
    (tmp_path / "empty").mkdir()
    for target in (tmp_path / "new" / "er", tmp_path / "empty"):
        encoder.save(target)
        assert opened(target).fingerprint == encoder.fingerprint
        assert not list(target.parent.glob(".sememe-*"))


@pytest.mark.parametrize("kind", ["its own folder", "a folder with a file", "a file"])
def test_what_is_there_is_never_written_over(tmp_path: Path, kind: str) -> None:
    make_checkpoint(tmp_path / "a")
    target = tmp_path / ("a" if kind == "its own folder" else "taken")
    if kind == "a file":
        target.write_text("mine")
    elif kind == "a folder with a file":
        target.mkdir()
        (target / "mine").write_text("mine")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(InputError, match=rf"{target.name} is there already; a model is saved to a"):
        opened(tmp_path / "a").save(target)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_folder_that_may_not_be_written_to_is_refused_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = {"text": ["a", "b"] * 4, "label": ["x", "y"] * 4}
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write everywhere
    for work in (
        lambda to: train_classifier(data, to, model="no-such-model"),
        lambda to: train_bi(data, to, model="no-such-model"),
        lambda to: distill(["a"], to, teacher="no-such-model"),
        check_target,
    ):
        with pytest.raises(InputError, match=r"new cannot be written: you may not write into"):
            work(tmp_path / "new")


@pytest.mark.skipif(sys.platform == "win32", reason="there is no limit on a file's size")
@pytest.mark.parametrize("tensors", ["{}", "{checkpoint.transformer: {'x': np.zeros(20_000)}}"])
def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, tensors: str) -> None:
    make_checkpoint(tmp_path / "a")
    run_python(f"""
        import resource, signal
        import numpy as np
        from sememe.checkpoint import read, write
        from sememe.errors import CheckpointError

        checkpoint = read({str(tmp_path / "a")!r})
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
        try:
            write(checkpoint, {str(tmp_path / "out" / "b")!r}, {tensors})
        except CheckpointError as error:
            assert "b cannot be written: " in str(error) and "\\n" not in str(error), error
        else:
            raise SystemExit("it was written")
    """)
    assert list((tmp_path / "out").iterdir()) == []


def test_a_model_that_is_gone_leaves_nothing_behind(tmp_path: Path) -> None:
    make_checkpoint(tmp_path / "a")
    encoder = opened(tmp_path / "a")
    os.truncate(tmp_path / "a" / "1_Pooling" / "config.json", 0)  # read once, never again
    encoder.save(tmp_path / "b")
    shutil.rmtree(tmp_path / "a")
    with pytest.raises(CheckpointError):
        encoder.save(tmp_path / "c")
    assert [path.name for path in tmp_path.iterdir()] == ["b"]


def test_code_that_belongs_to_a_model_goes_with_it_and_is_not_run(tmp_path: Path) -> None:
    make_checkpoint(tmp_path / "a")
    (tmp_path / "a" / "modeling.py").write_text("raise SystemExit")
    edit_json(tmp_path / "a" / "config.json", auto_map={"AutoModel": "modeling.Model"})
    opened(tmp_path / "a").save(tmp_path / "b")
    assert (tmp_path / "b" / "modeling.py").read_text() == "raise SystemExit"
    assert "auto_map" in json.loads((tmp_path / "b" / "config.json").read_text())

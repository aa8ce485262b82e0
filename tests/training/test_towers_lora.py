"""LoRA: only its matrices move, and what is saved is a checkpoint like any other."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from sememe import BiEncoder, CrossEncoder
from sememe.checkpoint import Scoring, read
from sememe.errors import MissingExtra
from sememe.training.towers import BiTower, CrossTower
from tiny_architectures import KINDS, make
from tiny_models import TEXTS, Linear, make_checkpoint, make_cross_encoder

PAIRS = [(a, b) for a in ("nuclear power", "a zebra!") for b in TEXTS]
SCORE = Scoring(("score",), "sigmoid")
pytestmark = [
    pytest.mark.filterwarnings("ignore::sememe.errors.TruncationWarning"),
    pytest.mark.filterwarnings("ignore::sememe.errors.GuessWarning"),
]


def trained(tower: Any, items: list[Any], steps: int = 3) -> dict[str, tuple[Any, Any]]:
    """The weights before and after some steps, of all that is trained."""
    weights = {name: weight for name, weight in tower.named_parameters() if weight.requires_grad}
    before = {name: weight.detach().clone() for name, weight in weights.items()}
    optimizer = torch.optim.AdamW(weights.values(), lr=0.02)
    (part,) = tower.train().parts(items)
    for _ in range(steps):
        tower(*part.inputs).square().sum().backward()
        optimizer.step()
        optimizer.zero_grad()
    return {name: (before[name], weight.detach()) for name, weight in weights.items()}


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_matrices_alone_move_and_are_merged_when_saved(tmp_path: Path, kind: str) -> None:
    made = make(tmp_path / kind, kind)
    plain = BiTower(read(made.encoder)).encode(TEXTS)
    tower = BiTower(read(made.encoder), lora=4)
    # Nothing is added at first.
    np.testing.assert_allclose(tower.encode(TEXTS), plain, atol=1e-6)
    frozen = {
        name: weight.clone()
        for name, weight in tower.named_parameters()
        if not weight.requires_grad
    }
    moved = trained(tower, TEXTS)
    assert all(".lora_" in name for name in moved)
    assert {name.rsplit(".", 3)[1] for name in moved} == {"lora_A", "lora_B"}
    touched = [name for name, (before, after) in moved.items() if not torch.equal(before, after)]
    assert len(touched) > len(moved) / 2
    for name, before in frozen.items():
        torch.testing.assert_close(tower.get_parameter(name), before, rtol=0, atol=0)

    encoded = tower.encode(TEXTS)
    assert np.abs(encoded - plain).max() > 1e-2
    tower.save(tmp_path / "saved")
    before, after = (load_file(f / "model.safetensors") for f in (made.encoder, tmp_path / "saved"))
    assert {n: x.shape for n, x in before.items()} == {n: x.shape for n, x in after.items()}
    assert any(not torch.equal(before[name], after[name]) for name in before)
    encoder = BiEncoder(tmp_path / "saved", precision="f32")
    np.testing.assert_allclose(encoder.encode(TEXTS, normalize=False), encoded, atol=2e-5)
    # Saving left the tower as it was, and it can go on.
    np.testing.assert_allclose(tower.encode(TEXTS), encoded, atol=1e-5)
    assert not all(torch.equal(*pair) for pair in trained(tower, TEXTS, steps=1).values())


@pytest.mark.slow
def test_a_new_head_is_trained_beside_the_matrices(tmp_path: Path) -> None:
    make_checkpoint(tmp_path / "base")
    tower = CrossTower(read(tmp_path / "base"), SCORE, lora=2)
    moved = trained(tower, PAIRS)
    head = {name for name in moved if ".lora_" not in name}
    assert head == {f"encoder.transformer.classifier.{of}" for of in ("weight", "bias")}
    assert not any(torch.equal(*moved[name]) for name in head)
    encoded = tower.encode(PAIRS)
    tower.save(tmp_path / "saved")
    cross = CrossEncoder(tmp_path / "saved", precision="f32")
    np.testing.assert_allclose(cross.score(PAIRS, raw=True), encoded[:, 0], atol=2e-5)


def test_a_cross_encoder_keeps_its_tensors_names(tmp_path: Path) -> None:
    make_cross_encoder(tmp_path / "base", labels=["no", "yes"])
    tower = CrossTower(read(tmp_path / "base"), Scoring(("no", "yes"), "softmax"), lora=2)
    trained(tower, PAIRS)
    tower.save(tmp_path / "saved")
    before, after = (load_file(tmp_path / f / "model.safetensors") for f in ("base", "saved"))
    assert before.keys() == after.keys()


def test_dense_layers_are_trained_too(tmp_path: Path) -> None:
    make_checkpoint(tmp_path / "base", head=[Linear(8)])
    tower = BiTower(read(tmp_path / "base"), lora=2)
    moved = trained(tower, TEXTS)
    dense = [name for name in moved if ".head." in name]
    assert len(dense) == 2
    assert not any(torch.equal(*moved[name]) for name in dense)
    encoded = tower.encode(TEXTS)
    tower.save(tmp_path / "saved")
    encoder = BiEncoder(tmp_path / "saved", precision="f32")
    np.testing.assert_allclose(encoder.encode(TEXTS, normalize=False), encoded, atol=2e-5)


def test_no_peft_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_checkpoint(tmp_path)
    monkeypatch.setitem(sys.modules, "peft", None)
    BiTower(read(tmp_path))
    with pytest.raises(MissingExtra, match=r'needed for lora=: pip install "peft>=0.14"$'):
        BiTower(read(tmp_path), lora=2)

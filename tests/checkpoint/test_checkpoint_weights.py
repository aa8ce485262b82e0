"""Tensors by name: every type and split in which they are stored, and files that are damaged."""

import json
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from safetensors.torch import save_file

from sememe.checkpoint import Weights
from sememe.errors import CheckpointError
from tiny_models import write_json


def saved(folder: Path, **tensors: torch.Tensor) -> Weights:
    save_file(tensors, folder / "model.safetensors")
    return Weights(folder)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16])
def test_every_type_becomes_float32(tmp_path: Path, dtype: torch.dtype) -> None:
    values = torch.randn(3, 4, generator=torch.Generator().manual_seed(0)).to(dtype)
    result = saved(tmp_path, first=torch.ones(2), x=values).get("x", (3, 4))
    assert result.dtype == np.float32
    np.testing.assert_array_equal(result, values.to(torch.float32).numpy())


def test_a_type_that_is_no_float_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="'x' is stored as I64; read are F64, F32, F16, BF16"):
        saved(tmp_path, x=torch.ones(2, dtype=torch.int64)).get("x", (2,))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_value_that_is_no_number_is_refused(tmp_path: Path, value: float) -> None:
    weights = saved(tmp_path, x=torch.tensor([1.0, value, 2.0]))
    with pytest.raises(CheckpointError, match="'x' has a NaN or an infinity"):
        weights.get("x", (3,))


def test_names_and_prefixes(tmp_path: Path) -> None:
    weights = saved(tmp_path, **{"bert.a.weight": torch.ones(2), "b": torch.ones(1)})
    assert sorted(weights.names) == ["b", "bert.a.weight"]
    assert weights.prefix("a.weight") == "bert."
    assert weights.prefix("b") == ""
    assert "b" in weights
    assert "c" not in weights
    with pytest.raises(CheckpointError, match=r"no tensor 'c\.weight'"):
        weights.prefix("c.weight")


def test_a_tensor_of_another_shape_is_named(tmp_path: Path) -> None:
    weights = saved(tmp_path, x=torch.ones(2, 3))
    with pytest.raises(CheckpointError, match=r"'x' has shape \[2, 3\], .* implies \[3, 2\]"):
        weights.get("x", (3, 2))
    with pytest.raises(CheckpointError, match=r"model\.safetensors: the tensor 'y' is missing"):
        weights.get("y", (1,))


def test_a_header_of_any_length(tmp_path: Path) -> None:
    # Data need not start at a multiple of four bytes.
    for spaces in range(4):
        entry = {"x": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}
        header = json.dumps(entry).encode() + b" " * spaces
        content = struct.pack("<Q", len(header)) + header + np.array([1, 2], "<f4").tobytes()
        (tmp_path / "model.safetensors").write_bytes(content)
        assert Weights(tmp_path).get("x", (2,)).tolist() == [1, 2]


def test_what_is_read_can_be_written_to_without_changing_the_file(tmp_path: Path) -> None:
    before = saved(tmp_path, x=torch.ones(2))
    before.get("x", (2,))[0] = 5
    assert Weights(tmp_path).get("x", (2,)).tolist() == [1, 1]


def test_shards_are_read_as_one(tmp_path: Path) -> None:
    save_file({"a": torch.ones(1)}, tmp_path / "one.safetensors")
    save_file({"b": torch.zeros(1)}, tmp_path / "two.safetensors")
    index = {"weight_map": {"a": "one.safetensors", "b": "two.safetensors"}}
    write_json(tmp_path / "model.safetensors.index.json", index)
    weights = Weights(tmp_path)
    assert weights.names == ["a", "b"]
    assert weights.get("a", (1,)) == 1
    assert weights.get("b", (1,)) == 0
    (tmp_path / "two.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"two\.safetensors: this part .* is missing"):
        Weights(tmp_path)


@pytest.mark.parametrize("name", ["../x.safetensors", "/etc/passwd", "C:\\x", "a/../../x", "..\\x"])
def test_a_shard_outside_the_checkpoint_is_not_followed(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    save_file({"a": torch.ones(1)}, tmp_path / "x.safetensors")
    write_json(folder / "model.safetensors.index.json", {"weight_map": {"a": name}})
    with pytest.raises(CheckpointError, match=r"index\.json: .* leads out of the checkpoint"):
        Weights(folder)


@pytest.mark.parametrize("index", [{}, {"weight_map": {}}, {"weight_map": ["a"]}])
def test_an_index_without_a_map(tmp_path: Path, index: object) -> None:
    write_json(tmp_path / "model.safetensors.index.json", index)
    with pytest.raises(CheckpointError, match="no weight_map"):
        Weights(tmp_path)


def _whole() -> bytes:
    header = b'{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}'
    return struct.pack("<Q", len(header)) + header + np.array([1, 2], "<f4").tobytes()


@given(st.binary(max_size=200) | st.integers(0, len(_whole()) - 1).map(lambda n: _whole()[:n]))
@example(struct.pack("<Q", 2**63))
@example(struct.pack("<Q", 2) + b"[]")
@example(_whole().replace(b"[0,8]", b"[8,0]"))
@example(_whole().replace(b"[2]", b"[9]"))
@example(_whole().replace(b"F32", b"F99"))
@example(_whole() + b"more")
@example(b"version https://git-lfs")
def test_a_damaged_file_is_one_clear_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model.safetensors").write_bytes(content)
    # Hypothesis reads the source's own constants and does try the first bytes of a git-lfs pointer.
    message = r"model\.safetensors(: not a whole safetensors file| is a git-lfs pointer)"
    with pytest.raises(CheckpointError, match=message):
        Weights(tmp_path)


@given(st.integers(0, len(_whole()) - 1), st.integers(0, 255))
def test_one_wrong_byte_never_ends_in_another_error(tmp_path: Path, at: int, byte: int) -> None:
    content = bytearray(_whole())
    content[at] = byte
    (tmp_path / "model.safetensors").write_bytes(content)
    try:
        Weights(tmp_path).get("x", (2,))
        told = "model.safetensors"
    except CheckpointError as error:
        told = str(error)
    assert "model.safetensors" in told


def test_the_hash_follows_every_byte(tmp_path: Path) -> None:
    first = saved(tmp_path, x=torch.ones(2)).sha256
    assert first == saved(tmp_path, x=torch.ones(2)).sha256
    assert first != saved(tmp_path, x=torch.zeros(2)).sha256
    assert len(first) == 64

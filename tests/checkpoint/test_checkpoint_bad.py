"""Broken and hostile checkpoints: each is one clear error, and nothing in them is ever run."""

import json
import pickle
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import peft
import pytest
import torch
from safetensors.torch import load_file, save_file

from processes import run_python
from sememe import BiEncoder, CrossEncoder
from sememe.errors import CheckpointError
from tiny_models import (
    VOCABULARY,
    Linear,
    edit_json,
    make_checkpoint,
    make_cross_encoder,
    random_bert,
    write_json,
)

Damage = Callable[[Path], object]
ROWS = len(VOCABULARY)


def refusal(folder: Path) -> str:
    """The refusal of a checkpoint, less the folder; always one line."""
    with pytest.raises(CheckpointError) as caught:
        BiEncoder(folder, precision="f32").encode(["a wind"])
    message = str(caught.value)
    assert "\n" not in message
    return message.replace(str(folder), "HERE")


def rewrite(folder: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors")


def cut(path: Path, keep: int) -> None:
    path.write_bytes(path.read_bytes()[:keep])


def config(**changes: object) -> Damage:
    return lambda folder: edit_json(folder / "config.json", **changes)


def face(**changes: object) -> Damage:
    return lambda folder: edit_json(folder / "config_sentence_transformers.json", **changes)


def pooling(**changes: object) -> Damage:
    return lambda folder: edit_json(folder / "1_Pooling" / "config.json", **changes)


def dense(**changes: object) -> Damage:
    return lambda folder: edit_json(folder / "2_Dense" / "config.json", **changes)


def file(name: str, content: str | bytes) -> Damage:
    data = content.encode() if isinstance(content, str) else content
    return lambda folder: (folder / name).write_bytes(data)


def missing(*names: str) -> Damage:
    def damage(folder: Path) -> None:
        for name in names:
            (folder / name).unlink()

    return damage


def module(**entry: object) -> Damage:
    """Put another entry in the Pooling's place."""

    def damage(folder: Path) -> None:
        modules = json.loads((folder / "modules.json").read_text())
        modules[1] = {**modules[1], **entry}
        write_json(folder / "modules.json", modules)

    return damage


WEIGHTS: dict[str, tuple[Damage, list[str]]] = {
    "no weights": (missing("model.safetensors"), ["HERE: there are no weights"]),
    "cut off": (
        lambda folder: cut(folder / "model.safetensors", 5000),
        ["HERE/model.safetensors: not a whole safetensors file", "download it again"],
    ),
    "empty": (file("model.safetensors", b""), ["HERE/model.safetensors: not a whole"]),
    "garbage": (file("model.safetensors", b"\xff" * 999), ["HERE/model.safetensors: not a whole"]),
    "a web page": (
        file("model.safetensors", "<html>404</html>"),
        ["model.safetensors: not a whol"],
    ),
    "a missing tensor": (
        lambda folder: rewrite(
            folder, lambda tensors: tensors.pop("encoder.layer.1.output.dense.bias")
        ),
        ["model.safetensors: the tensor 'encoder.layer.1.output.dense.bias' is missing"],
    ),
    "another model's tensors": (
        lambda folder: rewrite(folder, dict.clear),
        ["there is no tensor 'embeddings.word_embeddings.weight'"],
    ),
    "another hidden size": (
        config(hidden_size=64),
        ["embeddings.word_embeddings.weight", f"[{ROWS}, 32]", f"[{ROWS}, 64]"],
    ),
    "another inner size": (
        config(intermediate_size=65),
        ["encoder.layer.0.intermediate.dense.weight", "[64, 32]", "[65, 32]"],
    ),
    "another vocabulary": (config(vocab_size=99), ["embeddings.word_embeddings.weight"]),
    "other positions": (
        config(max_position_embeddings=64),
        ["embeddings.position_embeddings.weight"],
    ),
    "fewer layers": (
        config(num_hidden_layers=1),
        ["num_hidden_layers is 1", "encoder.layer.1.output.dense.weight"],
    ),
    "more layers": (config(num_hidden_layers=3), ["encoder.layer.2.attention.self.query.weight"]),
    "integers": (
        lambda folder: rewrite(
            folder,
            lambda tensors: tensors.update(
                {"embeddings.LayerNorm.bias": torch.ones(32, dtype=torch.int64)}
            ),
        ),
        ["embeddings.LayerNorm.bias", "I64"],
    ),
}

CONFIG: dict[str, tuple[Damage, list[str]]] = {
    "no config": (missing("config.json"), ["HERE: there is no config.json"]),
    "broken config": (file("config.json", '{"a": 1,\n oops}'), ["config.json, line 2, column 2"]),
    "config is a list": (file("config.json", "[]"), ["config.json: a JSON object was expected"]),
    "config is binary": (file("config.json", b"\xff\xfe\x00"), ["HERE/config.json: cannot be"]),
    "config is a trap": (file("config.json", "[" * 100_000), ["HERE/config.json"]),
    "config is empty": (file("config.json", ""), ["HERE/config.json, line 1, column 1"]),
    "no size": (config(hidden_size=None), ["HERE/config.json: hidden_size is None"]),
    "a size in words": (config(num_hidden_layers="two"), ["num_hidden_layers is 'two'"]),
    "no heads": (config(num_attention_heads=0), ["num_attention_heads is 0"]),
    "heads that do not divide": (
        config(num_attention_heads=5),
        ["HERE/config.json: hidden_size (32) is no multiple of num_attention_heads (5)"],
    ),
    "epsilon": (config(layer_norm_eps=-1), ["layer_norm_eps is -1"]),
    "unknown activation": (
        config(hidden_act="os.system"),
        ["HERE/config.json: the activation 'os.system' is not known; there are", "gelu"],
    ),
    "relative positions": (
        config(position_embedding_type="relative_key"),
        ["HERE/config.json: position_embedding_type is 'relative_key'"],
    ),
    "a decoder": (config(is_decoder=True), ["HERE/config.json: is_decoder is True"]),
    "no room": (
        lambda folder: edit_json(folder / "sentence_bert_config.json", max_seq_length=2),
        ["maximum length is 2", "2 special tokens"],
    ),
    "default prompt": (
        face(default_prompt_name="q", prompts={"query": "x"}),
        ["config_sentence_transformers.json: default_prompt_name is 'q'; known are query"],
    ),
    "prompts in a list": (face(prompts=["q"]), ["config_sentence_transformers.json: prompts is"]),
    "unknown similarity": (
        face(similarity_fn_name="jaccard"),
        ["similarity_fn_name is 'jaccard'; known are cosine, dot, euclidean, manhattan"],
    ),
    "truncation in words": (face(truncate_dim="ten"), ["truncate_dim is 'ten'"]),
    "wide truncation": (
        face(truncate_dim=4096),
        ["config_sentence_transformers.json says truncate_dim 4096, but"],
    ),
    "negative truncation": (face(truncate_dim=-3), ["truncate_dim is -3"]),
}

MODULES: dict[str, tuple[Damage, list[str]]] = {
    "broken listing": (file("modules.json", "[{]"), ["HERE/modules.json, line 1, column 3"]),
    "listing is an object": (file("modules.json", "{}"), ["HERE/modules.json: a JSON list"]),
    "listing of names": (file("modules.json", '["a"]'), ["HERE/modules.json: a JSON list"]),
    "empty listing": (file("modules.json", "[]"), ["HERE/modules.json: a Transformer and a"]),
    "no type": (module(type=None), ["HERE/modules.json: the module None cannot be read"]),
    "another module": (
        module(type="sentence_transformers.models.LSTM"),
        ["the module 'sentence_transformers.models.LSTM' cannot be read"],
    ),
    "no pooling config": (
        missing("1_Pooling/config.json"),
        ["HERE/1_Pooling/config.json: cannot be read"],
    ),
    "broken pooling config": (
        file("1_Pooling/config.json", "{"),
        ["1_Pooling/config.json, line 1"],
    ),
    "unknown pooling": (
        pooling(pooling_mode="median"),
        ["1_Pooling/config.json: the pooling 'median' is not known; there are cls, max, mean"],
    ),
    "pooling by number": (pooling(pooling_mode=3), ["1_Pooling/config.json: the pooling 3"]),
    "dense input": (
        dense(in_features=31),
        ["2_Dense/config.json: in_features is 31", "vectors of 32"],
    ),
    "dense output": (
        dense(out_features=9),
        ["2_Dense/model.safetensors: the tensor 'linear.weight' has shape [8, 32]"],
    ),
    "dense size": (
        dense(out_features="8"),
        ["2_Dense/config.json: out_features is '8'; a"],
    ),
    "dense activation": (
        dense(activation_function="os.system"),
        ["2_Dense/config.json: the activation 'os.system' is not known; there are Identity, Tanh"],
    ),
    "dense residual": (dense(use_residual=True), ["2_Dense/config.json: a Dense with a residual"]),
    "dense on tokens": (dense(module_input_name="token_embeddings"), ["2_Dense/config.json: a"]),
    "dense without weights": (
        missing("2_Dense/model.safetensors"),
        ["HERE/2_Dense: there are no weights"],
    ),
}

TOKENIZER: dict[str, tuple[Damage, list[str]]] = {
    "none": (
        missing("tokenizer.json", "vocab.txt"),
        ["HERE: there is no tokenizer (tokenizer.json, vocab.txt", "merges.txt for byte-level BPE"],
    ),
    "broken": (file("tokenizer.json", '{"model": 1}'), ["HERE/tokenizer.json: the tokenizer can"]),
    "cut off": (
        lambda folder: cut(folder / "tokenizer.json", 900),
        ["HERE/tokenizer.json: the to"],
    ),
    "empty": (file("tokenizer.json", ""), ["HERE/tokenizer.json: the tokenizer cannot be read"]),
}


def _cases() -> list[Any]:
    groups = {"weights": WEIGHTS, "config": CONFIG, "modules": MODULES, "tokenizer": TOKENIZER}
    return [
        pytest.param(*case, id=f"{group}: {name}")
        for group, cases in groups.items()
        for name, case in cases.items()
    ]


@pytest.mark.slow
@pytest.mark.parametrize(("damage", "expected"), _cases())
def test_a_broken_checkpoint_says_what_is_wrong_and_where(
    tmp_path: Path, damage: Damage, expected: list[str]
) -> None:
    make_checkpoint(tmp_path, head=[Linear(8)])
    damage(tmp_path)
    message = refusal(tmp_path)
    for part in expected:
        assert part in message


def test_a_folder_with_nothing_in_it(tmp_path: Path) -> None:
    assert "HERE: there is no config.json, so this is not a model" in refusal(tmp_path)


def test_a_broken_vocabulary_is_called_by_its_name(tmp_path: Path) -> None:
    make_checkpoint(tmp_path, tokenizer="vocab")
    (tmp_path / "vocab.txt").write_bytes(b"\xff\xfe")
    assert "HERE/vocab.txt: the tokenizer cannot be read" in refusal(tmp_path)


def test_a_broken_setting_beside_a_vocabulary_is_called_by_its_name(tmp_path: Path) -> None:
    make_checkpoint(tmp_path, tokenizer="vocab")
    (tmp_path / "tokenizer_config.json").write_text("{")
    assert refusal(tmp_path).startswith("HERE/tokenizer_config.json, line 1")


def test_a_tokenizer_that_knows_more_than_the_model(tmp_path: Path) -> None:
    make_checkpoint(tmp_path, bert=random_bert(vocab_size=60))
    message = refusal(tmp_path)
    assert "HERE/tokenizer.json: the token 'wind' has the id" in message
    assert "the model knows 60" in message


def test_a_missing_shard_is_named(tmp_path: Path) -> None:
    make_checkpoint(tmp_path, shards=3)
    (tmp_path / "model-00002-of-00003.safetensors").unlink()
    message = refusal(tmp_path)
    assert "HERE/model-00002-of-00003.safetensors: this part of the weights is missing" in message


# --- hostile ones ---


@pytest.mark.parametrize(
    "path", ["../../etc", "/etc", "C:\\x", "..\\x", "\\\\host\\x", "a/../../b"]
)
@pytest.mark.parametrize("index", [0, 1])
def test_a_module_outside_the_checkpoint_is_not_followed(
    tmp_path: Path, path: str, index: int
) -> None:
    make_checkpoint(tmp_path)
    modules = json.loads((tmp_path / "modules.json").read_text())
    modules[index]["path"] = path
    write_json(tmp_path / "modules.json", modules)
    assert f"HERE/modules.json: the path {path!r} leads out of the checkpoint" in refusal(tmp_path)


def test_a_module_that_names_code_is_not_run(tmp_path: Path) -> None:
    make_checkpoint(tmp_path)
    module(type="os.system", path="touch run")(tmp_path)
    assert "HERE/modules.json: the module 'os.system' cannot be read" in refusal(tmp_path)


def test_a_module_with_a_known_last_name_is_not_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "model"
    make_checkpoint(folder)
    trap = f"import pathlib; pathlib.Path({str(tmp_path / 'run')!r}).touch()"
    for place in (folder, tmp_path):
        (place / "hostile.py").write_text(trap)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(folder)
    module(type="hostile.Pooling")(folder)
    edit_json(folder / "config.json", auto_map={"AutoModel": "hostile.Model"})
    BiEncoder(folder, precision="f32").encode(["a"])
    assert not (tmp_path / "run").exists()


class _Trap:
    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self._path,)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt"])
def test_a_pickle_is_refused_unopened_with_a_way_out(tmp_path: Path, name: str) -> None:
    make_checkpoint(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    (tmp_path / name).write_bytes(pickle.dumps(_Trap(tmp_path / "run")))
    message = refusal(tmp_path)
    assert f"HERE/{name}: these weights are a pickle" in message
    assert "convert it once: python -c" in message
    assert not (tmp_path / "run").exists()
    pickle.loads((tmp_path / name).read_bytes())
    assert (tmp_path / "run").exists(), "the trap itself does not work"


@pytest.mark.slow
def test_a_pickled_cross_encoder_keeps_its_head_by_the_advice(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    model = make_cross_encoder(old)
    expected = CrossEncoder(old, precision="f32").score([("a wind", "the power")])
    torch.save(model.state_dict(), old / "pytorch_model.bin")
    (old / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match="these weights are a pickle") as caught:
        CrossEncoder(old)
    advice = str(caught.value).rpartition("convert it once: python -c ")[2].strip("'")
    exec(advice.replace("OLD", str(old)).replace("NEW", str(new)), {})
    result = CrossEncoder(new, precision="f32").score([("a wind", "the power")])
    np.testing.assert_allclose(result, expected, atol=1e-5)


@pytest.mark.slow
def test_an_adapter_says_how_to_merge_it(tmp_path: Path) -> None:
    base, adapter, new = tmp_path / "base", tmp_path / "adapter", tmp_path / "new"
    tiny = make_checkpoint(base)
    lora = peft.get_peft_model(tiny.bert, peft.LoraConfig(r=2, target_modules=["query"]))
    for name, parameter in lora.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter)
    lora.save_pretrained(adapter)
    edit_json(adapter / "adapter_config.json", base_model_name_or_path=str(base))
    with pytest.raises(CheckpointError, match=r"is an adapter \(LoRA\) of .*base") as caught:
        BiEncoder(adapter)
    advice = str(caught.value).rpartition("Merge it once: python -c ")[2].strip("'")
    exec(advice.replace("ADAPTER", str(adapter)).replace("NEW", str(new)), {})
    before, after = (BiEncoder(path, precision="f32").encode("a wind") for path in (base, new))
    assert abs(before - after).max() > 1e-3


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json"])
def test_a_pointer_of_git_lfs_says_how_to_get_the_file(tmp_path: Path, name: str) -> None:
    make_checkpoint(tmp_path)
    (tmp_path / name).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\n")
    with pytest.raises(CheckpointError, match=rf"{name} is a git-lfs pointer.* git lfs pull in"):
        BiEncoder(tmp_path, precision="f32")


def test_weights_without_the_right_to_read_them_are_not_called_cut_off() -> None:
    with tempfile.TemporaryDirectory() as folder:
        make_checkpoint(Path(folder))
        Path(folder).chmod(0o755)
        (Path(folder) / "model.safetensors").chmod(0)
        ran = run_python(
            f"""
            import os
            from pathlib import Path
            from sememe.checkpoint import Weights
            import safetensors.numpy
            if os.geteuid() == 0:
                os.seteuid(65534)
            try:
                Weights(Path({folder!r}))
            except ValueError as error:
                print(error)
            """
        )
    assert ran.stdout.strip().endswith("cannot be read (Permission denied).")

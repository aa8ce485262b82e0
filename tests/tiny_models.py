"""Tiny real checkpoints, made on the spot, in every generation of sentence-transformers' layout.

Weights are drawn far from where training starts them: with small ones, attention is close to a
plain mean and a broken attention would pass every comparison.
"""

import json
import string
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors.torch import save_file
from tokenizers import BertWordPieceTokenizer
from transformers import BertConfig, BertForSequenceClassification, BertModel

Layout = Literal["plain", "0.x", "2.x", "6.x"]
Casing = Literal["uncased", "cased", "lowered"]

HIDDEN, POSITIONS = 32, 48
WORDS = (
    "the a of and to in is it was for on are with this that not be at by new power nuclear wind "
    "solar energy clean plant waste safe danger dangerous cost cheap price people work home office "
    "remote city car cars electric bus train road school child teacher music film book food good "
    "bad great poor love hate like think never always very more less than Nuclear Power The café"
)
VOCABULARY = [
    "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *".,!?'-:", *string.digits,
    *string.ascii_lowercase, *(f"##{letter}" for letter in string.ascii_lowercase), *WORDS.split(),
]  # fmt: skip

TEXTS = [
    "nuclear power is clean",
    "the wind plant is cheap and the waste is not dangerous for people at home",
    "a",
    "",
    "a zebra likes 42 wines!",
    "remote work: good for people, bad for the office?",
    "the train is never new, and the bus was always poor.",
    "日本",
]

_BOOLEANS = {
    "cls": "pooling_mode_cls_token",
    "max": "pooling_mode_max_tokens",
    "mean": "pooling_mode_mean_tokens",
    "mean_sqrt_len": "pooling_mode_mean_sqrt_len_tokens",
    "weightedmean": "pooling_mode_weightedmean_tokens",
    "lasttoken": "pooling_mode_lasttoken",
}
_TYPES = {
    "0.x": {
        "Transformer": "sentence_transformers.models.BERT",
        "Pooling": "sentence_transformers.models.Pooling",
        "Dense": "sentence_transformers.models.Dense",
        "Normalize": "sentence_transformers.models.Normalize",
    },
    "2.x": {
        "Transformer": "sentence_transformers.models.Transformer",
        "Pooling": "sentence_transformers.models.Pooling",
        "Dense": "sentence_transformers.models.Dense",
        "Normalize": "sentence_transformers.models.Normalize",
    },
    "6.x": {
        "Transformer": "sentence_transformers.base.modules.transformer.Transformer",
        "Pooling": "sentence_transformers.sentence_transformer.modules.pooling.Pooling",
        "Dense": "sentence_transformers.base.modules.dense.Dense",
        "Normalize": "sentence_transformers.base.modules.normalize.Normalize",
    },
}


@dataclass(frozen=True)
class Linear:
    """A Dense module to be made: its size, torch's name of its activation, and its bias."""

    size: int
    activation: str = "Tanh"
    bias: bool = True


@dataclass(frozen=True)
class Tiny:
    """A checkpoint on disk, and the torch modules that its weights came from."""

    directory: Path
    transformer: Path
    bert: Any
    pooling: tuple[str, ...]
    include_prompt: bool
    head: tuple[Any, ...]
    max_length: int
    lowered: bool


def random_bert(seed: int = 0, **settings: Any) -> Any:
    """A BertModel in float32 whose every parameter is far from its initial value."""
    config = BertConfig(
        **{
            "vocab_size": len(VOCABULARY),
            "hidden_size": HIDDEN,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "intermediate_size": 2 * HIDDEN,
            "max_position_embeddings": POSITIONS,
            **settings,
        }
    )
    bert = BertModel(config).eval()
    random = torch.Generator().manual_seed(seed)
    for name, parameter in bert.named_parameters():
        if name.endswith("LayerNorm.weight"):
            mean, deviation = 1.0, 0.4
        elif name.endswith("bias"):
            mean, deviation = 0.0, 0.4
        elif "embeddings" in name:
            mean, deviation = 0.0, 1.0
        else:
            mean, deviation = 0.0, 1.5 / parameter.shape[-1] ** 0.5
        parameter.data.normal_(mean, deviation, generator=random)
    return bert


def make_checkpoint(
    directory: Path,
    *,
    bert: Any = None,
    seed: int = 0,
    layout: Layout = "2.x",
    pooling: Sequence[str] = ("mean",),
    include_prompt: bool = True,
    head: Sequence[Linear | Literal["normalize"]] = (),
    dtype: torch.dtype = torch.float32,
    shards: int = 1,
    prefix: str = "",
    gamma: bool = False,
    prompts: dict[str, str] | None = None,
    default_prompt: str | None = None,
    similarity: str | None = None,
    truncate_dim: int | None = None,
    max_length: int = 32,
    tokenizer: Literal["json", "vocab"] = "json",
    casing: Casing = "uncased",
) -> Tiny:
    """Write a checkpoint; `casing="lowered"` is a cased tokenizer behind `do_lower_case`."""
    bert = (random_bert(seed) if bert is None else bert).to(dtype).to(torch.float32)
    transformer = directory / "0_BERT" if layout == "0.x" else directory
    transformer.mkdir(parents=True, exist_ok=True)
    bert.config.to_json_file(transformer / "config.json", use_diff=False)
    state = {prefix + name: value.to(dtype) for name, value in bert.state_dict().items()}
    if gamma:
        state = {_old_norm(name): value for name, value in state.items()}
    _write_weights(transformer, state, shards)
    _write_tokenizer(transformer, tokenizer, casing, layout, max_length)
    modules = _make_head(head, HIDDEN * len(pooling), dtype, seed)
    if layout != "plain":
        _write_modules(directory, layout, tuple(pooling), include_prompt, modules, dtype)
        face = {
            "prompts": prompts or {},
            "default_prompt_name": default_prompt,
            "similarity_fn_name": similarity,
            "truncate_dim": truncate_dim,
        }
        if layout != "0.x":
            write_json(directory / "config_sentence_transformers.json", face)
    return Tiny(
        directory, transformer, bert, tuple(pooling), include_prompt, modules, max_length,
        casing == "lowered",
    )  # fmt: skip


def make_cross_encoder(
    directory: Path, *, labels: Sequence[str] = ("LABEL_0",), max_length: int = 32, seed: int = 0
) -> Any:
    """Write a classifier as sentence-transformers 4.0 to 5.3 did; returns transformers' model."""
    random = torch.Generator().manual_seed(seed)
    bert = random_bert(seed, num_labels=len(labels), id2label=dict(enumerate(labels)))
    model = BertForSequenceClassification(bert.config).eval()
    model.bert = bert
    model.classifier.weight.data.normal_(0, 1, generator=random)
    model.classifier.bias.data.normal_(0, 1, generator=random)
    directory.mkdir(parents=True, exist_ok=True)
    config = {**bert.config.to_dict(), "architectures": ["BertForSequenceClassification"]}
    write_json(directory / "config.json", config)
    state = {name: value.contiguous() for name, value in model.state_dict().items()}
    _write_weights(directory, state, 1)
    _write_tokenizer(directory, "json", "uncased", "plain", max_length)
    return model


def write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content), encoding="utf-8")


def edit_json(path: Path, **changes: object) -> None:
    """Change some keys of a JSON object on disk; None takes a key away."""
    merged = {**json.loads(path.read_text(encoding="utf-8")), **changes}
    write_json(path, {key: value for key, value in merged.items() if value is not None})


def _old_norm(name: str) -> str:
    return name.replace("LayerNorm.weight", "LayerNorm.gamma").replace(
        "LayerNorm.bias", "LayerNorm.beta"
    )


def _write_weights(folder: Path, state: dict[str, torch.Tensor], shards: int) -> None:
    if shards == 1:
        save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
        return
    files = [f"model-{i + 1:05}-of-{shards:05}.safetensors" for i in range(shards)]
    names = list(state)
    for index, file in enumerate(files):
        save_file({name: state[name] for name in names[index::shards]}, folder / file)
    places = {name: files[i % shards] for i, name in enumerate(names)}
    write_json(folder / "model.safetensors.index.json", {"metadata": {}, "weight_map": places})


def _write_tokenizer(
    folder: Path, kind: str, casing: Casing, layout: Layout, max_length: int
) -> None:
    lowercase = casing == "uncased"
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n", encoding="utf-8")
    if kind == "json":
        ids = {word: index for index, word in enumerate(VOCABULARY)}
        made = BertWordPieceTokenizer(ids, lowercase=lowercase)
        # As in the default model's file: limits that are not the model's.
        made.enable_truncation(12)
        made.enable_padding(length=12)
        made.save(str(folder / "tokenizer.json"))
    settings: dict[str, object] = {"do_lower_case": lowercase, "tokenizer_class": "BertTokenizer"}
    limits: dict[str, object] = {"do_lower_case": casing == "lowered"}
    if layout in ("plain", "6.x"):
        settings["model_max_length"] = max_length
    else:
        limits["max_seq_length"] = max_length
    write_json(folder / "tokenizer_config.json", settings)
    if layout != "plain":
        write_json(folder / "sentence_bert_config.json", limits)


def _make_head(
    head: Sequence[Linear | Literal["normalize"]], size: int, dtype: torch.dtype, seed: int
) -> tuple[Any, ...]:
    torch.manual_seed(seed)
    made: list[Any] = []
    for module in head:
        if module == "normalize":
            made.append("normalize")
            continue
        linear = torch.nn.Linear(size, module.size, bias=module.bias).to(dtype).to(torch.float32)
        made.append(torch.nn.Sequential(linear, getattr(torch.nn, module.activation)()))
        size = module.size
    return tuple(made)


def _write_modules(
    directory: Path,
    layout: Layout,
    pooling: tuple[str, ...],
    include_prompt: bool,
    head: tuple[Any, ...],
    dtype: torch.dtype,
) -> None:
    types = _TYPES[layout]
    folders = [("Transformer", "0_BERT" if layout == "0.x" else ""), ("Pooling", "1_Pooling")]
    config = directory / "1_Pooling" / "config.json"
    config.parent.mkdir(exist_ok=True)
    write_json(config, _pooling_config(layout, pooling, include_prompt))
    for index, module in enumerate(head, start=2):
        kind = "Normalize" if module == "normalize" else "Dense"
        folders.append((kind, f"{index}_{kind}"))
        (directory / f"{index}_{kind}").mkdir(exist_ok=True)
        if kind == "Dense":
            _write_dense(directory / f"{index}_{kind}", module, dtype)
    write_json(
        directory / "modules.json",
        [
            {"idx": index, "name": str(index), "path": path, "type": types[kind]}
            for index, (kind, path) in enumerate(folders)
        ],
    )


def _pooling_config(
    layout: Layout, pooling: tuple[str, ...], include_prompt: bool
) -> dict[str, object]:
    if layout == "6.x":
        # 6.x calls this one mode, and no other, by its old boolean's name.
        named = [mode.replace("sqrt_len", "sqrt_len_tokens") for mode in pooling]
        return {
            "embedding_dimension": HIDDEN,
            "pooling_mode": named[0] if len(named) == 1 else named,
            "include_prompt": include_prompt,
        }
    modes = list(_BOOLEANS)[:4] if layout == "0.x" else list(_BOOLEANS)
    flags: dict[str, object] = {_BOOLEANS[mode]: mode in pooling for mode in modes}
    if layout == "2.x":
        flags["include_prompt"] = include_prompt
    return {"word_embedding_dimension": HIDDEN, **flags}


def _write_dense(folder: Path, module: Any, dtype: torch.dtype) -> None:
    linear, activation = module
    write_json(
        folder / "config.json",
        {
            "in_features": linear.in_features,
            "out_features": linear.out_features,
            "bias": linear.bias is not None,
            "activation_function": f"{type(activation).__module__}.{type(activation).__name__}",
        },
    )
    state = {f"linear.{name}": value.to(dtype) for name, value in linear.state_dict().items()}
    save_file(state, folder / "model.safetensors")

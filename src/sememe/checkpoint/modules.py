"""What a checkpoint's modules are: pooling, dense layers, normalisation, scores, and static tables.

Static encoders are read as model2vec, sentence-transformers and WordLlama write them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from sememe.checkpoint.files import Array, Config, Weights, listed_modules, read_json
from sememe.errors import CheckpointError, GuessWarning, InputError, warn

POOLING_MODES = ("cls", "max", "mean", "mean_sqrt_len", "weightedmean", "lasttoken", "pooler")
ACTIVATIONS = ("Identity", "Tanh", "ReLU", "GELU", "Sigmoid", "SiLU")
SCORE_ACTIVATIONS = ("identity", "sigmoid", "softmax")

TRANSFORMERS = {
    "Transformer", "BERT", "RoBERTa", "DistilBERT", "ALBERT", "MPNet", "XLMRoBERTa", "XLNet",
    "CamemBERT", "T5",
}  # fmt: skip
"""The module's names; before 2.0 it was called after its architecture."""

# Up to 5.3 a config has six booleans; their order is the order of concatenation.
_BOOLEANS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
# Written only where they say something: 2.2 stops at a key that it does not know.
_LATER = ("pooling_mode_weightedmean_tokens", "pooling_mode_lasttoken")

_BEFORE_4 = "sbert_ce_default_activation_function"
SCORING_KEYS = ("id2label", "label2id", "num_labels", "sentence_transformers", _BEFORE_4)
"""What config.json says of the scoring, in all its layouts."""


@dataclass(frozen=True)
class Pooling:
    """How token vectors become one: the modes are concatenated, of a prompt's tokens too or not."""

    modes: tuple[str, ...] = ("mean",)
    include_prompt: bool = True


@dataclass(frozen=True)
class Dense:
    """A linear layer and an activation, its weights in `folder`."""

    folder: Path
    in_features: int
    out_features: int
    bias: bool
    activation: str

    def check_input(self, size: int) -> None:
        """Refuse vectors of another size than in_features."""
        if self.in_features != size:
            raise CheckpointError(
                f"{self.folder / 'config.json'}: in_features is {self.in_features}, but the module "
                f"before gives vectors of {size}."
            )


@dataclass(frozen=True)
class Normalize:
    """Division by the Euclidean length."""


@dataclass(frozen=True)
class Scoring:
    """A cross-encoder's head: the name of each score, and the activation of the logits."""

    labels: tuple[str, ...]
    activation: str

    @property
    def activation_fn(self) -> str:
        """The activation by torch's name, as checkpoints store it."""
        return _torch_name(self.activation.capitalize())


def parse_pooling(modes: object, source: str) -> tuple[str, ...]:
    """Pooling modes by their names; CheckpointError lists those that exist."""
    parts = modes if isinstance(modes, list | tuple) else str(modes).split("+")
    # 5.4 and later call one mode by a longer name.
    names = tuple(str(mode).strip().removesuffix("_tokens") for mode in parts)
    if not names or set(names) - set(POOLING_MODES):
        raise CheckpointError(
            f"{source}: the pooling {modes!r} is not known; there are {', '.join(POOLING_MODES)}, "
            "or several joined by +."
        )
    return names


def read_pooling(folder: Path) -> Pooling:
    """Read 1_Pooling/config.json: six booleans up to 5.3, `pooling_mode` from 5.4."""
    path = folder / "config.json"
    config = read_json(path)
    include = bool(config.get("include_prompt", True))
    if "pooling_mode" in config:
        return Pooling(parse_pooling(config["pooling_mode"], str(path)), include)
    modes = tuple(mode for key, mode in _BOOLEANS.items() if config.get(key))
    return Pooling(modes or ("mean",), include)


def pooling_config(pooling: Pooling, size: int) -> dict[str, Any]:
    """The config of a pooling of token vectors of `size`; InputError for the pooler."""
    if "pooler" in pooling.modes:
        raise InputError(
            'pooling="pooler" has no name in the layout that is written; save the model with '
            "another pooling, and open what was saved with this one."
        )
    config: dict[str, Any] = {"word_embedding_dimension": size}
    if pooling.modes == tuple(mode for mode in POOLING_MODES if mode in pooling.modes):
        flags = {key: mode in pooling.modes for key, mode in _BOOLEANS.items()}
        config |= {key: is_on for key, is_on in flags.items() if is_on or key not in _LATER}
    else:  # booleans have no order: readers before 5.4 refuse this
        modes = [mode.replace("sqrt_len", "sqrt_len_tokens") for mode in pooling.modes]
        config["pooling_mode"] = modes
    if not pooling.include_prompt:
        config["include_prompt"] = False
    return config


def read_dense(folder: Path) -> Dense:
    """Read a Dense module's config; its activation is matched by name, never imported."""
    path = folder / "config.json"
    config = read_json(path)
    activation = str(config.get("activation_function", "Tanh")).rsplit(".", 1)[-1]
    if activation not in ACTIVATIONS:
        raise CheckpointError(
            f"{path}: the activation {config['activation_function']!r} is not known; there are "
            f"{', '.join(ACTIVATIONS)}."
        )
    ends = {config.get("module_input_name"), config.get("module_output_name")}
    if config.get("use_residual") or not ends <= {None, "sentence_embedding"}:
        raise CheckpointError(
            f"{path}: a Dense with a residual, on token vectors or for scores is not read."
        )
    inside, outside = map(Config(path, config).size, ("in_features", "out_features"))
    return Dense(folder, inside, outside, bool(config.get("bias", True)), activation)


def dense_config(dense: Dense) -> dict[str, Any]:
    """The config of a Dense module, for all versions."""
    return {
        "in_features": dense.in_features,
        "out_features": dense.out_features,
        "bias": dense.bias,
        "activation_function": _torch_name(dense.activation),
    }


def _torch_name(activation: str) -> str:
    """Where torch has an activation: the name that checkpoints give it."""
    module = "linear" if activation == "Identity" else "activation"
    return f"torch.nn.modules.{module}.{activation}"


def read_scoring(path: Path, config: Mapping[str, Any], face: Mapping[str, Any]) -> Scoring:
    """Read a classifier's config.json and, from 5.4 on, config_sentence_transformers.json.

    Where they name no activation, one score goes through a sigmoid and several stay as they are,
    as in sentence-transformers.
    """
    labels = _labels(path, config)
    section = config.get("sentence_transformers")
    section = section if isinstance(section, dict) else {}
    name = str(
        face.get("activation_fn") or section.get("activation_fn") or config.get(_BEFORE_4) or ""
    )
    default = "sigmoid" if len(labels) == 1 else "identity"
    activation = name.rsplit(".", 1)[-1].lower() if name else default
    if activation not in SCORE_ACTIVATIONS:
        warn(
            f"{path}: the activation {name!r} is not known and never run; {default} is used. "
            f"Known are {', '.join(SCORE_ACTIVATIONS)}.",
            GuessWarning,
            once=True,
        )
        activation = default
    return Scoring(labels, activation)


def scoring_config(scoring: Scoring) -> dict[str, Any]:
    """What config.json says of a scoring, to versions from 4.0 on and to those before."""
    return {
        "id2label": {str(i): label for i, label in enumerate(scoring.labels)},
        "label2id": {label: i for i, label in enumerate(scoring.labels)},
        # The version is the layout's, so that a later reader does not take it for its own.
        "sentence_transformers": {"activation_fn": scoring.activation_fn, "version": "4.0.0"},
        _BEFORE_4: scoring.activation_fn,
    }


def _labels(path: Path, config: Mapping[str, Any]) -> tuple[str, ...]:
    names = config.get("id2label")
    if names is None:
        count = config.get("num_labels", 2)
        if not isinstance(count, int) or not 0 < count < 1_000_000:
            raise CheckpointError(f"{path}: num_labels is {count!r}; a positive number is needed.")
        return tuple(f"LABEL_{i}" for i in range(count))
    numbers = [str(i) for i in range(len(names))] if isinstance(names, dict) else []
    if not numbers or names.keys() != set(numbers):
        raise CheckpointError(f"{path}: id2label must name the labels 0, 1, … without a gap.")
    labels = tuple(str(names[number]) for number in numbers)
    if len(set(labels)) < len(labels):
        raise CheckpointError(f"{path}: id2label gives two labels one name: {', '.join(labels)}.")
    return labels


UNLIMITED = 2**31 - 1
"""The maximum length of a model without one: a mean takes any number of tokens."""

_MODEL2VEC_LENGTH = 512
_WORDLLAMA = "weights/l2_supercat_256.safetensors", "tokenizers/l2_supercat_tokenizer_config.json"


@dataclass(frozen=True)
class Static:
    """A static encoder on disk: tensors and tokenizer are a file or the folder that it is in."""

    stored: Path
    tokenizer: Path
    config: dict[str, Any]
    normalized: bool

    @cached_property
    def weights(self) -> Weights:
        """The tensors."""
        return Weights(self.stored)

    @property
    def model2vec(self) -> bool:
        """Whether model2vec made it, which leaves unknown tokens out and cuts long texts."""
        return "embeddings" in self.weights

    @property
    def max_length(self) -> int:
        """The most tokens read of a text."""
        length = self.config.get("max_length", _MODEL2VEC_LENGTH) if self.model2vec else None
        return length if isinstance(length, int) and length > 0 else UNLIMITED

    @property
    def sizes(self) -> dict[str, int]:
        """Of how many tokens, and of what size, the vectors are: the names are transformers'."""
        shape = self.weights.shape(self._name)
        if len(shape) != 2:
            raise CheckpointError(
                f"{self.weights.files[0]}: the tensor {self._name!r} has shape {list(shape)}; a "
                "table of token vectors has two dimensions."
            )
        tokens = self.weights.shape("mapping")[0] if "mapping" in self.weights else shape[0]
        return {"vocab_size": tokens, "hidden_size": shape[1]}

    @cached_property
    def table(self) -> Array:
        """The vectors of all tokens, float32 (tokens, dim), read and checked."""
        weights, tokens = self.weights, [self.sizes["vocab_size"]]
        table = weights.get(self._name, weights.shape(self._name), integers=True)
        if "mapping" in weights:
            rows = weights.get("mapping", tokens, integers=True)
            outside = (rows < 0) | (rows >= len(table)) | (rows % 1 != 0)
            if outside.any():
                raise CheckpointError(
                    f"{weights.files[0]}: the tensor 'mapping' gives a token the row "
                    f"{rows[outside][0]:g}, and {self._name!r} has {len(table)} rows."
                )
            table = table[rows.astype(np.intp)]
        return table * weights.get("weights", tokens)[:, None] if "weights" in weights else table

    @property
    def _name(self) -> str:
        return "embeddings" if self.model2vec else "embedding.weight"


def find_static(directory: Path) -> Static | None:
    """The static encoder in a directory; None if what is there is something else."""
    config = read_json(directory / "config.json", optional=True)
    if not (directory / "modules.json").is_file():
        if config.get("model_type") == "model2vec":
            return Static(directory, directory, config, bool(config.get("normalize")))
        stored, tokenizer = (directory / name for name in _WORDLLAMA)
        return Static(stored, tokenizer, config, False) if stored.is_file() and not config else None
    modules = listed_modules(directory)
    kinds = [module.kind for module in modules]
    if kinds[:1] != ["StaticEmbedding"]:
        return None
    if set(kinds[1:]) - {"Normalize"}:
        raise CheckpointError(
            f"{directory / 'modules.json'}: after a StaticEmbedding, sememe reads a Normalize, not "
            f"{kinds[1:]}."
        )
    folder = modules[0].folder
    return Static(folder, folder, config, len(kinds) > 1 or bool(config.get("normalize")))

"""Static encoders: a vector for each token, in the layouts of three libraries.

model2vec's has `embeddings` in model.safetensors, `weights` and `mapping` where its vocabulary was
quantised, and no modules.json before 0.4; sentence-transformers' is a StaticEmbedding module with
`embedding.weight`; WordLlama's is its installed package.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from sememe.checkpoint.files import Array, Weights, listed_modules, read_json
from sememe.errors import CheckpointError

UNLIMITED = 2**31 - 1
"""The maximum length of a model without one: a mean takes any number of tokens."""

_MODEL2VEC_LENGTH = 512
_WORDLLAMA = "weights/l2_supercat_256.safetensors", "tokenizers/l2_supercat_tokenizer_config.json"


@dataclass(frozen=True)
class Static:
    """A static encoder on disk.

    Attributes:
        stored: the safetensors file, or the folder that it is in.
        tokenizer: the tokenizer's file, or the folder that it is in.
        config: config.json, where there is one.
        normalized: whether vectors are divided by their length.
    """

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

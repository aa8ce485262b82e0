"""What is trained: anything that maps items to vectors or scores, with gradients."""

import os
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from sememe.checkpoint import Checkpoint, Scoring, write
from sememe.checkpoint.modules import Dense, Pooling
from sememe.engines.torch.speed import keep_gradients, quicken_dropout, unpadded
from sememe.engines.torch.transformer import TransformerWithHead, load_transformer
from sememe.errors import InputError
from sememe.extras import importing
from sememe.text import Pair, PairTokenizer, Tokenizer, Tokens, batches
from sememe.training.losses.loss import Tensor

TOKENS = {"cpu": 4096, "mps": 16_384, "cuda": 32_768}
"""Of one forward pass: so much is kept for the backward one, whatever the batch is."""


class Part(NamedTuple):
    """Items that are computed together: their rows among all, and what `forward` takes."""

    rows: npt.NDArray[np.intp]
    inputs: tuple[Any, ...]


class Tower(nn.Module):  # type: ignore[misc]
    """Maps items (texts, pairs, images, …) to one tensor each; the trainer knows nothing more.

    Where items are arrays of one shape, a subclass gives no more than `forward`; else `parts` too,
    and `columns` where an example is not its items.

    Attributes:
        part_size: how many arrays are computed together at the most.

    Example:
        >>> class Faces(Tower):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.layer = nn.Linear(4, 2)
        ...     def forward(self, images):
        ...         return self.layer(images)
        >>> Faces().encode([np.zeros(4, np.float32)] * 3).shape
        (3, 2)
    """

    part_size = 256

    @property
    def device(self) -> Any:
        """Where it computes."""
        return next(self.parameters()).device

    def parts(self, items: Sequence[Any]) -> list[Part]:
        """The items in parts that each fit into memory."""
        parts = []
        for start in range(0, len(items), self.part_size):
            arrays = np.stack(items[start : start + self.part_size])
            rows = np.arange(start, start + len(arrays))
            parts.append(Part(rows, (torch.from_numpy(arrays),)))
        return parts

    def forward(self, *inputs: Any) -> Tensor:
        """The inputs of a part of b items: float32 (b, dim)."""
        raise NotImplementedError

    def columns(
        self, rows: Sequence[tuple[Any, ...]], random: np.random.Generator
    ) -> list[list[Any]]:
        """The items of a batch of examples, column by column."""
        del random
        return [list(column) for column in zip(*rows, strict=True)]

    def encode(self, items: Sequence[Any]) -> npt.NDArray[np.float32]:
        """Compute without gradients, in float32: (n, dim)."""
        if not len(items):
            raise InputError("There is nothing to encode.")
        rows, values = [], []
        was_training = self.training
        self.eval()
        try:
            with torch.inference_mode():
                for part in self.parts(items):
                    rows.append(part.rows)
                    outputs = self(*(x.to(self.device) for x in part.inputs))
                    values.append(outputs.float().cpu().numpy())
        finally:
            self.train(was_training)
        encoded: npt.NDArray[np.float32] = np.concatenate(values)
        return encoded[np.argsort(np.concatenate(rows))]


class TextTower(Tower):
    """A checkpoint's encoder, its weights in float32: what bi- and cross-encoders share.

    `new_labels` is the number of labels of a new classification head. `lora`, the rank of LoRA's
    matrices (Hu et al., 2021), trains these instead of the transformer's own weights: MissingExtra
    without peft.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        output: Pooling | Literal["scores"],
        *,
        new_labels: int | None = None,
        lora: int | None = None,
    ) -> None:
        super().__init__()
        transformer = load_transformer(
            checkpoint, output, torch.float32, trust_remote_code=False, new_labels=new_labels
        )
        size = transformer.config.num_labels if output == "scores" else checkpoint.hidden_size
        self.kind = type(transformer).__name__
        self.checkpoint = checkpoint
        if lora is not None:
            _adapt(transformer, lora)
        keep_gradients(transformer)
        self.encoder = TransformerWithHead(checkpoint, output, unpadded(transformer), size)
        self.dim = self.encoder.dim
        quicken_dropout(self)

    def _tokens(self, items: Sequence[Any]) -> Tokens:
        raise NotImplementedError

    def parts(self, items: Sequence[Any]) -> list[Part]:
        """Texts of like lengths together, so that little is padded."""
        tokens, parts = self._tokens(items), []
        for batch in batches(tokens, np.arange(len(tokens.lengths)), TOKENS[self.device.type]):
            second = () if batch.second is None else (batch.second,)
            inputs = map(torch.from_numpy, (batch.ids, batch.lengths, *second))
            parts.append(Part(batch.rows, tuple(inputs)))
        return parts

    def forward(self, *inputs: Any) -> Tensor:
        """Ids (b, t), lengths (b,) and, of pairs, where the second types begin: (b, dim)."""
        return self.encoder(*inputs)

    def save(self, directory: str | os.PathLike[str]) -> None:
        """Write a checkpoint that sememe and sentence-transformers open; see `checkpoint.write`."""
        write(self.checkpoint, directory, self.tensors())

    def tensors(self) -> dict[Path, dict[str, npt.NDArray[np.float32]]]:
        """All weights, by the checkpoint's folder that they belong to."""
        transformer = _merged(self.encoder.transformer).items()
        # A flattened transformer is one more module, called `base`, around the one it computes.
        names = {re.sub(r"(^|\.)base\.", r"\1", name): tensor for name, tensor in transformer}
        if not any("pooler." in name for name in self.checkpoint.weights.names):
            # One that the checkpoint does not have was drawn at random.
            names = {name: x for name, x in names.items() if not name.startswith("pooler.")}
        tensors = {self.checkpoint.transformer: names}
        layers = self.encoder.head.layers if self.encoder.head else ()
        for layer, module in zip(layers, self.checkpoint.head, strict=False):
            if isinstance(module, Dense):
                state = layer[0].state_dict()
                tensors[module.folder] = {f"linear.{name}": x for name, x in state.items()}
        return {
            folder: {
                name: x.detach().cpu().float().contiguous().numpy() for name, x in named.items()
            }
            for folder, named in tensors.items()
        }


class BiTower(TextTower):
    """A bi-encoder in training: texts to vectors, without a Normalize at the very end."""

    def __init__(self, checkpoint: Checkpoint, *, lora: int | None = None) -> None:
        pooling = checkpoint.pooling or Pooling()
        super().__init__(replace(checkpoint, pooling=pooling, scoring=None), pooling, lora=lora)
        self._tokenizer, self._prompt = Tokenizer(checkpoint), checkpoint.default_prompt
        apart = self._prompt and not pooling.include_prompt
        self._skip = self._tokenizer.prompt_length(self._prompt) if apart else 0

    def forward(self, *inputs: Any) -> Tensor:
        """Ids (b, t) and lengths (b,): float32 (b, dim)."""
        return self.encoder(*inputs, skip=self._skip)

    def _tokens(self, items: Sequence[str]) -> Tokens:
        return self._tokenizer([self._prompt + text for text in items])


class CrossTower(TextTower):
    """A cross-encoder in training: pairs of texts to logits.

    With other labels in `scoring` than the checkpoint's, the head is a new one. Where an example is
    a query and its candidates, each query is scored against `negatives` of the others' second texts
    too; 0 where it is one pair.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        scoring: Scoring,
        *,
        negatives: int = 0,
        lora: int | None = None,
    ) -> None:
        has_labels = checkpoint.scoring is not None and checkpoint.scoring.labels == scoring.labels
        super().__init__(
            checkpoint, "scores", new_labels=None if has_labels else len(scoring.labels), lora=lora
        )
        self._tokenizer = PairTokenizer(checkpoint)
        self._negatives = negatives
        config = {**checkpoint.config, "architectures": [self.kind]}
        self.checkpoint = replace(checkpoint, config=config, scoring=scoring, pooling=None, head=())

    def _tokens(self, items: Sequence[Pair]) -> Tokens:
        return self._tokenizer(items)

    def columns(
        self, rows: Sequence[tuple[str, ...]], random: np.random.Generator
    ) -> list[list[Pair]]:
        """Each query with each of its candidates, then with some of the other examples'."""
        columns = [[(row[0], row[k]) for row in rows] for k in range(1, len(rows[0]))]
        candidates_of: dict[str, set[str]] = {}
        for query, *candidates in rows:
            candidates_of.setdefault(query, set()).update(candidates)
        others = [row[1] for row in rows]
        drawn = [
            [(row[0], _drawn(row, others, candidates_of[row[0]], random)) for row in rows]
            for _ in range(self._negatives)
        ]
        return columns + drawn


def _drawn(
    row: tuple[str, ...], others: list[str], candidates: set[str], random: np.random.Generator
) -> str:
    """One of the others that is not a candidate of the query; its positive if none turns up."""
    for _ in range(100):
        if (other := others[random.integers(len(others))]) not in candidates:
            return other
    return row[1]  # which the loss does not take for a negative


def _adapt(transformer: Any, rank: int) -> None:
    """Freeze a transformer but its head, and put LoRA's matrices beside each linear layer."""
    with importing("peft", purpose="lora="):
        from peft import LoraConfig, inject_adapter_in_model
    base = transformer.base_model  # peft freezes all of it, and the head is outside
    linear = [name for name, module in base.named_modules() if isinstance(module, nn.Linear)]
    config = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=linear)
    inject_adapter_in_model(config, base)


def _merged(transformer: Any) -> dict[str, Any]:
    """A transformer's state with LoRA's matrices, if there are any, merged into its weights."""
    adapted = [module for module in transformer.modules() if hasattr(module, "unmerge")]
    for module in adapted:
        module.merge()
    state = {
        name.replace(".base_layer.", "."): tensor.clone() if adapted else tensor
        for name, tensor in transformer.state_dict().items()
        if ".lora_" not in name
    }
    for module in adapted:
        module.unmerge()
    return state

"""A transformer and what stands behind it as one torch module: for the engine, and for training.

The formulas of pooling, Dense and Normalize are those of the OpenVINO engine's graph; here
gradients flow through them.
"""

from inspect import signature
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from sememe.checkpoint import Checkpoint, Weights
from sememe.checkpoint.modules import Dense, Normalize, Pooling
from sememe.engines.engine import Output
from sememe.errors import CheckpointError

Tensor = Any  # torch's types are not read


class TransformerWithHead(nn.Module):  # type: ignore[misc]
    """Token ids in; pooled vectors, token vectors or logits out, with gradients where needed.

    Args:
        checkpoint: the model.
        output: what comes out.
        transformer: what `load_transformer` gave.
        size: of a token vector, or the number of logits.
    """

    def __init__(self, checkpoint: Checkpoint, output: Output, transformer: Any, size: int) -> None:
        super().__init__()
        self.transformer = transformer
        self.head = SentenceHead(checkpoint, output, size) if isinstance(output, Pooling) else None
        self.dim = self.head.dim if self.head else size

    def forward(self, ids: Tensor, lengths: Tensor, second: Tensor = None, skip: int = 0) -> Tensor:
        """Ids [b, t], lengths [b] and the rest as in `Batch`: float32 [b, dim] or [b, t, size]."""
        result = self.transformer(**inputs(self.transformer, ids, lengths, second))
        if self.head is None:
            return result[0].float()
        return self.head(result[0], lengths, skip, getattr(result, "pooler_output", None))


def inputs(transformer: Any, ids: Tensor, lengths: Tensor, second: Tensor = None) -> dict[str, Any]:
    """What transformers' models take, for ids that are padded with anything."""
    config, places = transformer.config, torch.arange(ids.shape[1], device=ids.device)
    padding = getattr(config, "pad_token_id", None) or 0
    arguments = {
        # RoBERTa and its kin count positions by what is not the padding's id.
        "input_ids": ids.long().masked_fill(places >= lengths[:, None], padding),
        # A text without any token attends to padding: to nothing at all it would become NaN.
        "attention_mask": (places < lengths.clamp(min=1)[:, None]).long(),
    }
    has_types = "token_type_ids" in signature(transformer.forward).parameters
    if second is not None and has_types and getattr(config, "type_vocab_size", 2) != 1:
        arguments["token_type_ids"] = (places >= second[:, None]).long()
    return arguments


def probe(transformer: Any, longest: int) -> dict[str, Any]:
    """Inputs of three texts of different lengths that say nothing."""
    config, random = transformer.config, torch.Generator().manual_seed(0)
    # Half of all positions: it is not known yet from where they count.
    longest = min(longest, getattr(config, "max_position_embeddings", 2 * longest) // 2)
    ids = torch.randint(5, config.vocab_size, (3, longest), generator=random)
    lengths = torch.tensor([longest, longest // 2, longest // 3])
    return inputs(transformer, ids.to(transformer.device), lengths.to(transformer.device))


class SentenceHead(nn.Module):  # type: ignore[misc]
    """Pool token vectors and apply the checkpoint's Dense and Normalize modules, in float32.

    A Normalize at the very end is left to the caller, who may need the vector as it is.

    Raises:
        CheckpointError: a Dense of another size.
    """

    def __init__(self, checkpoint: Checkpoint, pooling: Pooling, size: int) -> None:
        super().__init__()
        self.pooling = pooling
        self.dim = size * len(pooling.modes)
        self.layers = nn.Sequential()
        for module in checkpoint.head[:-1] if checkpoint.normalized else checkpoint.head:
            if isinstance(module, Normalize):
                self.layers.append(_Normalize())
            else:
                self.layers.append(_dense(module, self.dim))
                self.dim = module.out_features

    def forward(
        self, states: Tensor, lengths: Tensor, skip: int = 0, pooler: Tensor = None
    ) -> Tensor:
        """Token vectors [b, t, h] of texts with lengths [b], the pooler's [b, h]: [b, dim]."""
        skip = 0 if self.pooling.include_prompt else skip
        states = states.float()
        pooled = [_pool(mode, states, lengths, skip, pooler) for mode in self.pooling.modes]
        return self.layers(torch.cat(pooled, dim=1))


class _Normalize(nn.Module):  # type: ignore[misc]
    def forward(self, x: Tensor) -> Tensor:
        return functional.normalize(x)


def _dense(dense: Dense, size: int) -> nn.Module:
    dense.check_input(size)
    linear = nn.Linear(size, dense.out_features, dense.bias)
    weights = Weights(dense.folder)
    for name, parameter in linear.named_parameters():
        parameter.data = torch.tensor(weights.get(f"linear.{name}", parameter.shape))
    return nn.Sequential(linear, getattr(nn, dense.activation)())


def _pool(mode: str, states: Tensor, lengths: Tensor, skip: int, pooler: Tensor) -> Tensor:
    """Token vectors [b, t, h] of texts with lengths [b]: [b, h]."""
    if mode == "pooler":
        if pooler is None:
            raise CheckpointError("This checkpoint has no pooler; take another pooling=.")
        return pooler.float()
    texts, places = (torch.arange(size, device=states.device) for size in states.shape[:2])
    if mode == "lasttoken":
        return states[texts, (lengths - 1).clamp(min=0)]
    if mode == "cls":
        # A prompt's end can melt into the text's first token, and leave nothing behind the skip.
        return states[texts, (skip < lengths).long() * skip]
    counted = ((places >= skip) & (places < lengths[:, None]))[:, :, None]
    if mode == "max":
        return states.masked_fill(~counted, torch.finfo(torch.float32).min).amax(1)
    weights = counted * (places[:, None] + 1.0 if mode == "weightedmean" else 1.0)
    count = weights.sum(1).clamp(min=1e-9)
    return (states * weights).sum(1) / (count.sqrt() if mode == "mean_sqrt_len" else count)

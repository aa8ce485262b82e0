"""A transformer and what stands behind it as one torch module: for the engine, and for training."""

from inspect import signature
from typing import Any

import torch
from torch import nn

from sememe.checkpoint import Checkpoint
from sememe.checkpoint.modules import Pooling
from sememe.engines.engine import Output
from sememe.engines.torch.head import SentenceHead, Tensor


class Encoder(nn.Module):  # type: ignore[misc]
    """Token ids in; pooled vectors, token vectors or logits out, with gradients where wanted.

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
        given = self.transformer(**inputs(self.transformer, ids, lengths, second))
        if self.head is None:
            return given[0].float()
        return self.head(given[0], lengths, skip, getattr(given, "pooler_output", None))


def inputs(transformer: Any, ids: Tensor, lengths: Tensor, second: Tensor = None) -> dict[str, Any]:
    """What transformers' models take, for ids that are padded with anything."""
    config, places = transformer.config, torch.arange(ids.shape[1], device=ids.device)
    padding = getattr(config, "pad_token_id", None) or 0
    fed = {
        # RoBERTa and its kin count positions by what is not the padding's id.
        "input_ids": ids.long().masked_fill(places >= lengths[:, None], padding),
        # A text without any token attends to padding: to nothing at all it would become NaN.
        "attention_mask": (places < lengths.clamp(min=1)[:, None]).long(),
    }
    typed = "token_type_ids" in signature(transformer.forward).parameters
    if second is not None and typed and getattr(config, "type_vocab_size", 2) != 1:
        fed["token_type_ids"] = (places >= second[:, None]).long()
    return fed


def probe(transformer: Any, longest: int) -> dict[str, Any]:
    """Inputs of three texts of different lengths that say nothing."""
    config, chance = transformer.config, torch.Generator().manual_seed(0)
    # Half of all positions: it is not known yet from where they count.
    longest = min(longest, getattr(config, "max_position_embeddings", 2 * longest) // 2)
    ids = torch.randint(5, config.vocab_size, (3, longest), generator=chance)
    lengths = torch.tensor([longest, longest // 2, longest // 3])
    return inputs(transformer, ids.to(transformer.device), lengths.to(transformer.device))

"""A batch as one row without padding: attention stays within a text, and nothing else mixes tokens.

That is not so of every architecture (relative positions, convolutions, attention that does not go
through transformers' interface): a flattened transformer is taken only if it gives the same.
"""

from contextlib import suppress
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from transformers.modeling_outputs import BaseModelOutputWithPooling
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from sememe.engines.torch.dropout import dropped
from sememe.engines.torch.encoder import probe
from sememe.engines.torch.head import Tensor

_NAME = "sememe_flat"
_PROBED = 160
"""Tokens of the longest text that is tried: more than the windows of local attention."""
_TOLERANCE = 0.05
"""Of the longest vector's length: bf16 alone loses 0.01, attention across texts 0.5."""
_FIRST_POSITIONS = (0, 2)
"""RoBERTa and its kin count positions from behind the padding's id, which is 1."""


class Flat(nn.Module):  # type: ignore[misc]
    """A transformer that takes padded batches and computes them without the padding."""

    def __init__(self, base: Any, first: int) -> None:
        super().__init__()
        self.base, self.config, self._first = base, base.config, first

    def forward(self, input_ids: Tensor, attention_mask: Tensor, **other: Any) -> Any:
        """Token vectors [b, t, h], zero where there is padding, and the pooler's output."""
        real, longest = attention_mask.bool(), input_ids.shape[1]
        ends = functional.pad(real.sum(1).cumsum(0), (1, 0)).int()
        fed = {"input_ids": input_ids, "token_type_ids": other.get("token_type_ids")}
        places = torch.arange(longest, device=real.device) + self._first
        fed["position_ids"] = places.expand_as(real)
        row = {name: x[real][None] for name, x in fed.items() if x is not None}
        # transformers' own names, which its models hand down to the attention.
        states = self.base(**row, cu_seq_lens_q=ends, max_length_q=longest)[0]
        padded = states.new_zeros(*real.shape, states.shape[-1])
        padded[real] = states[0]
        pooler = getattr(self.base, "pooler", None)
        return BaseModelOutputWithPooling(padded, pooler(padded) if pooler else None)


def flattened(model: Any) -> Any:
    """The model around a flattened transformer, if that gives the same on a probe; else itself."""
    ALL_ATTENTION_FUNCTIONS[_NAME] = _attention
    base = model.base_model
    fed, usual = probe(base, _PROBED), base.config._attn_implementation
    with torch.inference_mode():
        padded = base(**fed)
        base.config._attn_implementation = _NAME
        for flat in (Flat(base, first) for first in _FIRST_POSITIONS):
            with suppress(Exception):  # of code that was not made for this, any may come
                if _same(padded, flat(**fed), fed["attention_mask"].bool()):
                    if base is model:
                        return flat
                    setattr(model, model.base_model_prefix, flat)
                    return model
    base.config._attn_implementation = usual
    return model


def _same(padded: Any, flat: Any, real: Tensor) -> bool:
    pairs = [(padded[0][real], flat[0][real])]
    if getattr(padded, "pooler_output", None) is not None:
        pairs.append((padded.pooler_output, flat.pooler_output))
    return all(
        a.shape == b.shape and (a - b).norm(dim=-1).max() <= _TOLERANCE * a.norm(dim=-1).max()
        for a, b in pairs
    )


def _attention(
    module: Any, query: Tensor, key: Tensor, value: Tensor, _: Any = None, **said: Any
) -> tuple[Tensor, None]:
    """Three [1, heads, tokens, size] to [1, tokens, heads, size], each text by itself."""
    dropped = said.get("dropout", 0.0)
    if query.is_cuda and not dropped:
        from torch.nn.attention.varlen import varlen_attn as attend  # from torch 2.10 on
    else:
        attend = _padded
    window, causal = said.get("sliding_window"), said.get("is_causal")
    back = -1 if window is None else window - 1
    causal = getattr(module, "is_causal", True) if causal is None else causal
    ends, longest = said["cu_seq_lens_q"], said["max_length_q"]
    mixed = attend(
        *(x[0].transpose(0, 1) for x in (query, key, value)),
        *(ends, ends, longest, longest),
        scale=said.get("scaling"),
        window_size=(back, 0 if causal else back),
        enable_gqa=key.shape[1] != query.shape[1],
        **({"dropout_p": dropped} if dropped else {}),
    )
    return mixed[None], None


def _padded(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    ends: Tensor,
    _: Tensor,
    longest: int,
    *__: int,
    window_size: tuple[int, int],
    **how: Any,
) -> Tensor:
    """`varlen_attn` where there is no such kernel, or none that drops out: padded for it alone."""
    (back, ahead), places = window_size, torch.arange(longest, device=query.device)
    real = places < ends.diff()[:, None]
    distance = places - places[:, None]
    seen = ((distance <= ahead) | (ahead < 0)) & ((distance >= -back) | (back < 0))
    # Padding sees itself, whatever the window: a row that sees nothing would become NaN.
    seen = (seen & real[:, None]) | torch.eye(longest, dtype=torch.bool, device=query.device)
    q, k, v = (_spread(x, real) for x in (query, key, value))
    if rate := how.pop("dropout_p", 0.0):
        mixed = _dropping_out(q, k, v, seen[:, None], rate, **how)
    else:
        mixed = functional.scaled_dot_product_attention(q, k, v, attn_mask=seen[:, None], **how)
    return mixed.transpose(1, 2)[real]


def _dropping_out(
    q: Tensor, k: Tensor, v: Tensor, seen: Tensor, rate: float, *, scale: float, enable_gqa: bool
) -> Tensor:
    if enable_gqa:
        k, v = (x.repeat_interleave(q.shape[1] // k.shape[1], 1) for x in (k, v))
    scores = (q @ k.transpose(2, 3) * scale).masked_fill(~seen, torch.finfo(q.dtype).min)
    return dropped(scores.softmax(-1), rate).to(v.dtype) @ v


def _spread(x: Tensor, real: Tensor) -> Tensor:
    """[tokens, heads, size] to [b, heads, t, size], zero where there is padding."""
    padded = x.new_zeros(*real.shape, *x.shape[1:])
    padded[real] = x
    return padded.transpose(1, 2)

"""What makes training faster on a CPU, and on GPUs too (docs/decisions/training.md)."""

from contextlib import suppress
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from transformers.modeling_outputs import BaseModelOutputWithPooling
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from sememe.engines.torch.transformer import Tensor, probe

_STEPS = 256
"""Dropout's rate is rounded to such a share (0.1 becomes 0.1016)."""
_NAME = "sememe_unpadded"
_PROBED = 160
"""Tokens of the longest text that is tried: more than the windows of local attention."""
_TOLERANCE = 0.05
"""Of the longest vector's length: bf16 alone loses 0.01, attention across texts 0.5."""
_FIRST_POSITIONS = (0, 2)
"""RoBERTa and its kin count positions from behind the padding's id, which is 1."""


class Unpadded(nn.Module):  # type: ignore[misc]
    """A transformer that takes padded batches and computes them as one row without the padding.

    Attention stays within a text, and nothing else mixes tokens.
    """

    def __init__(self, base: Any, first_position: int) -> None:
        super().__init__()
        self.base = base
        self.config = base.config
        self._first_position = first_position

    def forward(self, input_ids: Tensor, attention_mask: Tensor, **other: Any) -> Any:
        """Token vectors [b, t, h], zero where there is padding, and the pooler's output."""
        is_token, longest = attention_mask.bool(), input_ids.shape[1]
        ends = functional.pad(is_token.sum(1).cumsum(0), (1, 0)).int()
        places = torch.arange(longest, device=is_token.device) + self._first_position
        padded = {
            "input_ids": input_ids,
            "token_type_ids": other.get("token_type_ids"),
            "position_ids": places.expand_as(is_token),
        }
        row = {name: x[is_token][None] for name, x in padded.items() if x is not None}
        # transformers' own names, which its models hand down to the attention.
        states = self.base(**row, cu_seq_lens_q=ends, max_length_q=longest)[0]
        vectors = _padded(states[0], is_token)
        pooler = getattr(self.base, "pooler", None)
        return BaseModelOutputWithPooling(vectors, pooler(vectors) if pooler else None)


def unpadded(model: Any) -> Any:
    """The model around an unpadded transformer, if that gives the same on a probe; else itself.

    It does not in every architecture: there are relative positions, convolutions, and attention
    that does not go through transformers' interface.
    """
    ALL_ATTENTION_FUNCTIONS[_NAME] = _attention
    base = model.base_model
    inputs, original = probe(base, _PROBED), base.config._attn_implementation
    with torch.inference_mode():
        expected = base(**inputs)
        base.config._attn_implementation = _NAME
        for position in _FIRST_POSITIONS:
            candidate = Unpadded(base, position)
            with suppress(Exception):  # of code that was not made for this, any may come
                if _same(expected, candidate(**inputs), inputs["attention_mask"].bool()):
                    if base is model:
                        return candidate
                    setattr(model, model.base_model_prefix, candidate)
                    return model
    base.config._attn_implementation = original
    return model


def _same(expected: Any, result: Any, is_token: Tensor) -> bool:
    pairs = [(expected[0][is_token], result[0][is_token])]
    if getattr(expected, "pooler_output", None) is not None:
        pairs.append((expected.pooler_output, result.pooler_output))
    return all(
        a.shape == b.shape and (a - b).norm(dim=-1).max() <= _TOLERANCE * a.norm(dim=-1).max()
        for a, b in pairs
    )


def _attention(
    module: Any, query: Tensor, key: Tensor, value: Tensor, _: Any = None, **options: Any
) -> tuple[Tensor, None]:
    """Three [1, heads, tokens, size] to [1, tokens, heads, size], each text by itself."""
    rate = options.get("dropout", 0.0)
    window, causal = options.get("sliding_window"), options.get("is_causal")
    causal = getattr(module, "is_causal", True) if causal is None else causal
    back = -1 if window is None else window - 1
    ahead = 0 if causal else back
    ends, longest = options["cu_seq_lens_q"], options["max_length_q"]
    q, k, v = (x[0].transpose(0, 1) for x in (query, key, value))
    scale, grouped = options.get("scaling"), key.shape[1] != query.shape[1]
    if query.is_cuda and not rate:
        from torch.nn.attention.varlen import varlen_attn  # from torch 2.10 on

        mixed = varlen_attn(
            *(q, k, v, ends, ends, longest, longest),
            scale=scale,
            window_size=(back, ahead),
            enable_gqa=grouped,
        )
        return mixed[None], None
    # There is no such kernel, or none that drops out: padded for the attention alone.
    places = torch.arange(longest, device=query.device)
    is_token = places < ends.diff()[:, None]
    distance = places - places[:, None]
    seen = ((distance <= ahead) | (ahead < 0)) & ((distance >= -back) | (back < 0))
    # Padding sees itself, whatever the window: a row that sees nothing would become NaN.
    seen = (seen & is_token[:, None]) | torch.eye(longest, dtype=torch.bool, device=query.device)
    q, k, v = (_padded(x, is_token).transpose(1, 2) for x in (q, k, v))
    # torch's fused attention takes three to nine times as long for a gradient in bf16 on a CPU.
    is_slow = q.device.type == "cpu" and q.dtype != torch.float32 and torch.is_grad_enabled()
    if not (rate or is_slow):
        mixed = functional.scaled_dot_product_attention(
            q, k, v, attn_mask=seen[:, None], scale=scale, enable_gqa=grouped
        )
    else:
        if grouped:
            k, v = (x.repeat_interleave(q.shape[1] // k.shape[1], 1) for x in (k, v))
        scores = (q @ k.transpose(2, 3) * scale).masked_fill(
            ~seen[:, None], torch.finfo(q.dtype).min
        )
        mixed = dropout(scores.softmax(-1), rate).to(v.dtype) @ v
    return mixed.transpose(1, 2)[is_token][None], None


def _padded(x: Tensor, is_token: Tensor) -> Tensor:
    """[tokens, ...] to [b, t, ...], zero where there is padding."""
    padded = x.new_zeros(*is_token.shape, *x.shape[1:])
    padded[is_token] = x
    return padded


class QuickDropout(nn.Dropout):  # type: ignore[misc]
    """nn.Dropout (Srivastava et al., 2014), quick on a CPU and torch's own elsewhere."""

    def forward(self, x: Tensor) -> Tensor:
        """Any shape: the same."""
        return dropout(x, self.p) if self.training else x


def dropout(x: Tensor, rate: float) -> Tensor:
    """Zero a share of the values and scale the others, so that the mean stays.

    torch draws a float a value, a sixth of a training step on a CPU; here it is a byte. Each mask's
    seed is drawn from torch's generator, whose state is all that is needed to repeat a step.
    """
    cut = round(rate * _STEPS)
    if x.device.type != "cpu" or not 0 < cut < _STEPS:
        return functional.dropout(x, rate)
    seed = int(torch.randint(2**62, (1,)))
    words = np.random.Generator(np.random.SFC64(seed)).integers(
        0, 2**64, -(-x.numel() // 8), np.uint64
    )
    draws = torch.from_numpy(words.view(np.uint8)[: x.numel()]).view(x.shape)
    return x * (draws >= cut).to(x.dtype).mul_(_STEPS / (_STEPS - cut))


def quicken_dropout(module: nn.Module) -> None:
    """Replace every nn.Dropout within a module."""
    for inner in list(module.modules()):
        for name, child in inner.named_children():
            if type(child) is nn.Dropout:
                setattr(inner, name, QuickDropout(child.p))


class WordTable(nn.Embedding):  # type: ignore[misc]
    """nn.Embedding with a gradient that is kept; made of one by `keep_gradients`.

    torch makes a gradient of the whole table for each batch: of all-MiniLM-L6-v2 47 MB, nearly all
    of it zeros, an eighth of a small step's time on a CPU. Here one such buffer is kept, and only
    the rows that were written are set back to zero; the optimiser sees the same gradient.
    """

    buffer: Tensor
    dirty_rows: Tensor

    def forward(self, ids: Tensor) -> Tensor:
        """Ids of any shape (…): vectors (…, dim)."""
        if not (torch.is_grad_enabled() and self.weight.requires_grad):
            return super().forward(ids)
        # The weight itself is no input: what flows back is added to its gradient by hand.
        rows = self.weight.detach()[ids].requires_grad_()
        rows.register_hook(lambda gradient: self._add(ids, gradient))
        return rows

    def _add(self, ids: Tensor, gradient: Tensor) -> None:
        ids, gradient = ids.flatten(), gradient.flatten(0, -2)
        if self.weight.grad is None:  # the first part since the optimiser's last step
            if self.buffer is None:
                self.buffer = torch.zeros_like(self.weight)
            self.buffer[self.dirty_rows] = 0
            self.weight.grad, self.dirty_rows = self.buffer, ids[:0]
        if self.padding_idx is not None:
            gradient = gradient * (ids != self.padding_idx)[:, None]
        self.weight.grad.index_add_(0, ids, gradient.to(self.weight.dtype))
        self.dirty_rows = torch.cat([self.dirty_rows, ids])


def keep_gradients(transformer: Any) -> None:
    """Turn a transformer's table of words into one that keeps its gradient."""
    table = transformer.get_input_embeddings()
    if type(table) is nn.Embedding and not table.sparse and table.max_norm is None:
        table.__class__ = WordTable
        table.buffer, table.dirty_rows = None, torch.zeros(0, dtype=torch.long)

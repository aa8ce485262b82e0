"""The last layer for the one token that the output reads, where that gives the same on a probe.

The layers are transformers' own: hooks take that token's row out of what goes into a module, and
put the result back in its place, among zeros that nobody reads.
"""

from contextlib import suppress
from typing import Any

import torch
from torch import nn

from sememe.checkpoint.modules import Pooling
from sememe.engines.engine import Output
from sememe.engines.torch.transformer import Tensor, TransformerWithHead, place_of

_POST_NORM = (
    ("attention.output.dense", "attention.output.dense"),
    ("intermediate.dense", "output.dense"),
)
_PARTS = {
    **dict.fromkeys(("bert", "roberta", "xlm-roberta", "camembert", "electra"), _POST_NORM),
    "mpnet": (("attention.attn.o", "attention.attn.o"), _POST_NORM[1]),
    "distilbert": (("attention.out_lin", "attention.out_lin"), ("ffn.lin1", "ffn.lin2")),
    "modernbert": (("attn.Wo", "attn.Wo"), ("mlp", "mlp")),
}
"""By `model_type`: what stands behind attention in a layer, from one module to another."""

_TOLERANCE = {torch.float32: 1e-4, torch.bfloat16: 0.03, torch.float16: 0.01}
"""Of the longest result; kernels for few rows may round otherwise than those for many."""


class OneToken:
    """Hooks on a transformer with its head, which computes one batch at a time, without gradients.

    `mode` is the pooling that reads one token: cls, lasttoken, or pooler, as classifiers do.
    AttributeError or KeyError for an architecture that is not known, or has other names for its
    modules.
    """

    def __init__(self, module: TransformerWithHead, mode: str) -> None:
        lists = [each for each in module.modules() if isinstance(each, nn.ModuleList)]
        layer = lists[-1][-1]
        parts = [
            (layer.get_submodule(first), layer.get_submodule(last))
            for first, last in _PARTS[module.transformer.config.model_type]
        ]
        self._mode = mode
        self._lengths: Tensor = None  # but for a batch; the transformer alone computes all tokens
        self._hooks = [
            module.register_forward_pre_hook(self._begin, with_kwargs=True),
            module.register_forward_hook(self._end),
        ]
        for first, last in parts:
            self._hooks.append(first.register_forward_pre_hook(self._take))
            self._hooks.append(last.register_forward_hook(self._put))

    def remove(self) -> None:
        """Compute all tokens again."""
        for hook in self._hooks:
            hook.remove()

    def _begin(self, _: Any, arguments: tuple[Any, ...], options: dict[str, Any]) -> None:
        self._lengths = arguments[1]
        self._place = place_of(self._mode, self._lengths, options.get("skip", 0))

    def _end(self, *_: Any) -> None:
        self._lengths = None

    def _take(self, _: Any, arguments: tuple[Tensor, ...]) -> Tensor:
        (states,) = arguments
        if self._lengths is None:
            return states
        self._shape = states.shape[:-1]
        # Texts below each other, each as long as the longest; or in one row, without padding.
        sizes = self._lengths.clamp(min=1).long()
        if states.dim() == 3 and len(states) == len(sizes):
            sizes = torch.full_like(sizes, states.shape[1])
        self._rows = sizes.cumsum(0) - sizes + self._place
        return states.flatten(0, -2)[self._rows]

    def _put(self, _: Any, __: Any, result: Tensor) -> Tensor:
        if self._lengths is None:
            return result
        states = result.new_zeros(self._shape.numel(), result.shape[-1])
        states[self._rows] = result
        return states.view(*self._shape, -1)


def read_one_token(module: TransformerWithHead, output: Output) -> OneToken | None:
    """Let the last layer compute one token, if one is read and a probe gives the same.

    It does not where the architecture is not known, or a version of transformers computes it
    otherwise than those that this was written for.
    """
    mode = "pooler" if output == "scores" else None
    if isinstance(output, Pooling) and len(output.modes) == 1:
        mode = output.modes[0]
    config = module.transformer.config
    if mode not in ("cls", "lasttoken", "pooler") or (
        output == "scores" and getattr(config, "classifier_pooling", "cls") != "cls"
    ):
        return None
    weight = next(module.parameters())
    ids = torch.arange(48, device=weight.device).view(3, 16) % config.vocab_size
    lengths = torch.tensor([16, 8, 5], device=weight.device)
    hooks = None
    with torch.inference_mode(), suppress(Exception):  # of other code than ours, any may come
        expected = module(ids, lengths)
        hooks = OneToken(module, mode)
        difference = (module(ids, lengths) - expected).norm(dim=-1).max()
        if difference <= _TOLERANCE[weight.dtype] * expected.norm(dim=-1).max():
            return hooks
    if hooks:
        hooks.remove()
    return None

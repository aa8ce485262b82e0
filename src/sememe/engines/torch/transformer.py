"""A transformer, loaded by transformers, and what stands behind it, as one torch module.

The formulas of the head are those of the OpenVINO engine's graph; here gradients flow through.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from inspect import signature
from typing import Any

import torch
import transformers
from torch import nn
from torch.nn import functional
from transformers.utils import logging

from sememe.checkpoint import Checkpoint, Weights
from sememe.checkpoint.modules import Dense, Normalize, Pooling
from sememe.checkpoint.read import LAYERS
from sememe.engines.engine import Output
from sememe.errors import CheckpointError

Transformer = Any  # transformers' types are not read


def load_transformer(
    checkpoint: Checkpoint,
    output: Output,
    dtype: torch.dtype,
    *,
    trust_remote_code: bool,
    new_labels: int | None = None,
) -> Transformer:
    """The transformer in eval mode, with its classification head where scores are the output.

    With `new_labels` the head is a new one, of so many labels, drawn from torch's generator.
    CheckpointError for an architecture that is not known, code that was not allowed to run, or
    weights that transformers cannot load completely.
    """
    runs_code = _runs_own_code(checkpoint, trust_remote_code)
    _check_layers(checkpoint)
    folder = str(checkpoint.transformer)
    dtype_name = "torch_dtype" if transformers.__version__.startswith("4.") else "dtype"
    try:
        with _quietly():
            config = transformers.AutoConfig.from_pretrained(folder, trust_remote_code=runs_code)
            # A checkpoint could name a repository here whose code would be fetched and run.
            config._attn_implementation = None
            if new_labels:
                config.num_labels = new_labels
            if output == "scores":
                auto = transformers.AutoModelForSequenceClassification
            elif type(config) in transformers.MODEL_FOR_TEXT_ENCODING_MAPPING:
                auto = transformers.AutoModelForTextEncoding  # of T5 the encoder alone
            else:
                auto = transformers.AutoModel
            model, report = auto.from_pretrained(
                folder,
                config=config,
                use_safetensors=True,  # never a pickle, which could run code
                output_loading_info=True,
                ignore_mismatched_sizes=bool(new_labels),
                trust_remote_code=runs_code,
                **{dtype_name: dtype},
            )
    except Exception as error:  # of any library that a checkpoint's own code may use, too
        reason = " ".join(str(error).split())
        raise CheckpointError(
            f"{folder}: transformers {transformers.__version__} cannot load it "
            f"({type(error).__name__}: {reason})."
        ) from error
    missing = report["missing_keys"]
    if new_labels:
        _renew_head(model)
        base = f"{model.base_model_prefix}."
        missing = [name.removeprefix(base) for name in missing if name.startswith(base)]
    _check_complete(checkpoint, "tokens" if new_labels else output, missing)
    model.config.use_cache = False
    return model.eval()


def _runs_own_code(checkpoint: Checkpoint, trust_remote_code: bool) -> bool:
    """Whether the checkpoint's code is to run; CheckpointError where it may not, or is not there.

    What transformers knows by itself is computed by its own code, whatever is allowed.
    """
    kind = checkpoint.config.get("model_type")
    if kind in transformers.CONFIG_MAPPING:
        return False
    where = f"{checkpoint.transformer / 'config.json'}: the architecture {kind!r} is not read"
    if not checkpoint.config.get("auto_map"):
        raise CheckpointError(f"{where}: transformers {transformers.__version__} has none such.")
    if not trust_remote_code:
        raise CheckpointError(
            f"{where}: it is Python code that comes with the checkpoint. Look at it, and if you "
            "trust it, trust_remote_code=True runs it, with all that you may do on this machine."
        )
    return True


def _check_layers(checkpoint: Checkpoint) -> None:
    """Refuse a config with more layers than tensors: transformers would build them all first."""
    tensors = len(checkpoint.weights.names)
    for key in (*LAYERS, "num_decoder_layers"):
        count = checkpoint.config.get(key, 0)
        if isinstance(count, int) and count > tensors:
            raise CheckpointError(
                f"{checkpoint.transformer / 'config.json'}: {key} is {count:,}, and there are "
                f"{tensors:,} tensors; the weights and the config are not of the same model."
            )


def _renew_head(model: Any) -> None:
    """Draw the head anew: transformers keeps one of as many labels, whatever they were called."""
    base = set(model.base_model.modules())
    head = [module for module in model.modules() if module not in base]
    for parameter in (p for module in head for p in module.parameters(recurse=False)):
        parameter._is_hf_initialized = False
    for module in head:
        model._init_weights(module)


def _check_complete(checkpoint: Checkpoint, output: Output, missing: list[str]) -> None:
    """Refuse what transformers would fill with random numbers, unless nothing is computed of it."""
    pooler = output == "scores" or (isinstance(output, Pooling) and "pooler" in output.modes)
    needed = sorted(name for name in missing if pooler or not name.startswith("pooler."))
    if needed:
        raise CheckpointError(
            f"{checkpoint.weights.files[0]}: the tensor {needed[0]!r} is missing, as are "
            f"{len(needed) - 1} more; the weights and the config are not of the same model."
        )


@contextmanager
def _quietly() -> Iterator[None]:
    """Without transformers' progress bars and reports: what matters in them is raised here."""
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


Tensor = Any  # torch's types are not read


class TransformerWithHead(nn.Module):  # type: ignore[misc]
    """Token ids in; pooled vectors, token vectors or logits out, with gradients where needed.

    `size` is that of a token vector, or the number of logits.
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
    if mode in ("cls", "lasttoken"):
        return states[texts, place_of(mode, lengths, skip)]
    counted = ((places >= skip) & (places < lengths[:, None]))[:, :, None]
    if mode == "max":
        return states.masked_fill(~counted, torch.finfo(torch.float32).min).amax(1)
    weights = counted * (places[:, None] + 1.0 if mode == "weightedmean" else 1.0)
    count = weights.sum(1).clamp(min=1e-9)
    return (states * weights).sum(1) / (count.sqrt() if mode == "mean_sqrt_len" else count)


def place_of(mode: str, lengths: Tensor, skip: int) -> Tensor:
    """Which token of texts with lengths [b] cls, pooler or lasttoken reads: [b]."""
    if mode == "lasttoken":
        return (lengths.long() - 1).clamp(min=0)
    # A prompt's end can melt into the text's first token, and leave nothing behind the skip.
    return (skip < lengths).long() * (skip if mode == "cls" else 0)

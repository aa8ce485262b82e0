"""Load a transformer by transformers' own code, and by the checkpoint's only where allowed."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import transformers
from transformers.utils import logging

from sememe.checkpoint import Checkpoint
from sememe.checkpoint.modules import Pooling
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

    Raises:
        CheckpointError: an architecture that is not known, code that was not allowed to run, or
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

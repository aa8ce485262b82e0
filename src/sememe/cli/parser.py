"""What the commands' parsers share: errors of one line, options of one wording."""

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from math import isfinite
from pathlib import Path
from shutil import get_terminal_size
from textwrap import fill
from typing import Any, NoReturn, TypeAlias

from sememe.errors import InputError, TableError

Commands: TypeAlias = "argparse._SubParsersAction[Parser]"
DEFAULT_MODEL = "all-MiniLM-L6-v2"


class Parser(argparse.ArgumentParser):
    """argparse, but an error is one line, like every other error of sememe's."""

    def error(self, message: str) -> NoReturn:
        """Say what was wrong and how to see the help, and leave with code 2."""
        self.exit(2, f"{self.prog}: {message} ({self.prog} --help shows how)\n")


def add_command(
    commands: Commands, name: str, *, summary: str, description: str, examples: str
) -> Parser:
    """Add a command whose help ends with examples, one a line."""
    return commands.add_parser(
        name,
        help=summary,
        description=fill(description, get_terminal_size().columns - 2),
        epilog="examples:\n" + "\n".join(f"  {line}" for line in examples.split("\n")),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def show_help(parser: Parser) -> None:
    """What a command line does that names no command."""

    def run(_: argparse.Namespace) -> int:
        parser.print_help()
        return 0

    parser.set_defaults(run=run)


def add_input(parser: Parser, *, optional: bool = False) -> None:
    """The file of texts and the column in it."""
    parser.add_argument("file", metavar="FILE", nargs="?" if optional else None,
                        help="txt, csv, tsv, xlsx (x.xlsx#Name for one sheet), jsonl, parquet; - "
                        "for lines on stdin"
                        )  # fmt: skip
    add_column(parser)


def add_column(parser: Parser) -> None:
    """The column with the text, or several of them."""
    parser.add_argument("--column", metavar="NAME", action="append", help="the column with the "
                        "text; several, as --column title --column abstract, are joined by a blank "
                        "line")  # fmt: skip


def check_input(options: argparse.Namespace) -> None:
    """Raise InputError for an empty name, and for a column of standard input, which has none."""
    for name, shown in (("file", "FILE"), ("output", "--output"), ("index", "INDEX")):
        if getattr(options, name, None) == "":
            raise InputError(f"{shown} is an empty name; is a variable of your shell not set?")
    for name in ("column", "id"):
        if getattr(options, "file", None) == "-" and getattr(options, name, None):
            raise InputError(
                f"standard input is read as lines of text, without columns: leave --{name} out, or "
                "write the table to a file, such as rows.csv, and give its name."
            )


def add_model(parser: Parser) -> None:
    """The bi-encoder and its precision."""
    parser.add_argument("--model", metavar="M", default=DEFAULT_MODEL, help="a bi-encoder: "
                        f"a directory, a name or a Hub id (default: {DEFAULT_MODEL})")  # fmt: skip
    add_engine(parser)


def add_cross(parser: Parser) -> None:
    """A cross-encoder that teaches the bi-encoder, and its budget."""
    parser.add_argument("--cross", metavar="M", help="a cross-encoder that reads some pairs and "
                        "teaches the bi-encoder, where it can be trusted")  # fmt: skip
    parser.add_argument("--budget", metavar="B", help="how many pairs it reads: 3n (three for "
                        "each text, the default), a number, a time such as 2min, all")  # fmt: skip


def cross_options(options: argparse.Namespace) -> dict[str, Any]:
    """What `add_cross`'s options say, as `cluster` and `find_pairs` take it."""
    if not options.cross:
        if options.budget:
            raise InputError("--budget is for a cross-encoder: give --cross too.")
        return {}
    from sememe.encoders import CrossEncoder  # on use: an engine comes with it

    cross = CrossEncoder(options.cross, **engine_options(options))
    return {"cross": cross, "budget": options.budget}


def add_vectors(parser: Parser) -> None:
    """Vectors that are there already."""
    parser.add_argument("--vectors", metavar="FILE", help="the texts' vectors as sememe encode "
                        "wrote them with this model and precision: .parquet, .npy, .jsonl or a "
                        "folder; nothing is encoded again but a few, to check them")  # fmt: skip


def add_engine(parser: Parser, of: str = "") -> None:
    """What an encoder computes in, and where; `of` says which encoder, where there are several."""
    parser.add_argument("--precision", choices=("auto", "f32", "bf16", "int8", "f16"),
                        default="auto", help=f"the precision of computing{of}; f16 is for GPUs "
                        "(default: auto)")  # fmt: skip
    parser.add_argument("--device", metavar="D", help=f"where to compute{of}: cpu, cuda, cuda:1 or "
                        "mps; all but cpu need torch and transformers (default: the engine "
                        "chooses)")  # fmt: skip


def engine_options(options: argparse.Namespace) -> dict[str, Any]:
    """What `add_engine`'s switches say, as an encoder takes it."""
    return {"precision": options.precision or "auto", "device": options.device}


def add_training(parser: Parser, noun: str, *, several: bool = False) -> None:
    """Options that all kinds of training share."""
    parser.add_argument("data", metavar="DATA", nargs="+" if several else None, help="csv, tsv, "
                        "jsonl, parquet or xlsx, or a data set of the Hub (org/name:config@split)"
                        )  # fmt: skip
    add_roles(parser)
    parser.add_argument("--text", metavar="NAME", action="append", help="the same as --columns "
                        "text=NAME; several are joined by a blank line")  # fmt: skip
    parser.add_argument("--label", metavar="NAME", help="the same as --columns label=NAME")
    parser.add_argument("-o", "--output", metavar="DIR", required=True,
                        help=f"a new or empty folder for the {noun}")  # fmt: skip
    parser.add_argument("--model", metavar="M", default=DEFAULT_MODEL, help="the model to start "
                        f"from: a directory, a name or a Hub id (default: {DEFAULT_MODEL})"
                        )  # fmt: skip
    parser.add_argument("--dev", metavar="FILE", help="examples to evaluate on, or none for no "
                        "evaluation (default: a fifth of the data is held out)")  # fmt: skip
    parser.add_argument("--epochs", metavar="N", type=float, help="passes over the data "
                        "(default: chosen by the data)")  # fmt: skip
    parser.add_argument("--batch-size", metavar="N", type=int,
                        help="examples per step; memory does not limit it")  # fmt: skip
    parser.add_argument("--learning-rate", metavar="R", type=float,
                        help="the highest learning rate (default: chosen by the data)")  # fmt: skip
    parser.add_argument("--device", metavar="D", help="where to train: cpu, cuda, cuda:1 or mps "
                        "(default: the fastest there is)")  # fmt: skip
    parser.add_argument("--seed", metavar="N", type=int, default=0, help="seed of all randomness "
                        "(default: %(default)s)")  # fmt: skip
    add_json(parser, "the outcome")


def add_roles(parser: Parser) -> None:
    """Which column is what, for data whose columns have other names."""
    parser.add_argument("--columns", metavar="ROLE=NAME,...", type=_roles, default={},
                        help="which column is what, where their names do not say it, such as "
                        "anchor=question,positive=answer")  # fmt: skip


def _roles(value: str) -> dict[str, str]:
    items = [item.partition("=") for item in value.split(",")]
    if not all(role and name for role, _, name in items):
        raise argparse.ArgumentTypeError(f"{value} is not ROLE=NAME,..., such as text=question")
    return {role: name for role, _, name in items}


def training_columns(options: argparse.Namespace) -> dict[str, Any] | None:
    """What `add_training`'s switches say of columns, as training takes it."""
    roles = {"text": options.text, "label": options.label}
    return {**options.columns, **{role: name for role, name in roles.items() if name}} or None


def whole_number(value: str) -> int:
    """A type of options: a whole number from 1 on."""
    if not (value.isdecimal() and int(value) >= 1):
        raise argparse.ArgumentTypeError(f"{value} is not a whole number of at least 1")
    return int(value)


def cosine(value: str) -> float:
    """A type of options: a cosine that pairs of texts must reach."""
    try:
        if -1 < float(value) <= 1:
            return float(value)
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"{value} is not a cosine above -1 and up to 1, such as 0.8")


def add_json(parser: Parser, what: str) -> None:
    """The switch for machines."""
    parser.add_argument("--json", action="store_true", help=f"print {what} as JSON")


def print_json(value: Any) -> None:
    """Print a line of JSON in pure ASCII, whatever standard output can encode; NaN becomes null."""
    try:
        print(json.dumps(value, allow_nan=False))
    except ValueError:
        print(json.dumps(_finite(value), allow_nan=False))


def _finite(value: Any) -> Any:
    """The value with null for numbers that JSON does not have."""
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not isfinite(value) else value


def stdin_lines() -> Iterator[str]:
    """The lines of standard input as they come; InputError if it is closed or not UTF-8."""
    if sys.stdin is None:
        raise InputError("standard input is closed, so no lines can be read from it.")
    for number, line in enumerate(sys.stdin.buffer, start=1):
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise InputError(
                f"standard input, line {number}: byte 0x{line[error.start]:02x} is not UTF-8; "
                "convert the input to UTF-8."
            ) from None
        yield text.rstrip("\r\n")


def output_directory(name: str, files: tuple[str, ...], option: str = "-o") -> Path:
    """Refuse an output folder that cannot be written, before the work and not after it."""
    from sememe.tables import check_destination

    directory = Path(name).absolute()
    try:
        existing = next(path for path in (directory, *directory.parents) if path.exists())
        for file in files if existing == directory and files else ["new"]:
            check_destination(existing / file)
    except (OSError, TableError) as error:
        raise InputError(f"{option} {name}: {error}.") from None
    return Path(name)


def check_outputs(inputs: Iterable[str], outputs: Mapping[str, str | Path]) -> None:
    """InputError where a command would write over a file that it reads, or over its own output.

    Called before anything is opened; `outputs` are files or folders by the option that names them.
    Links and `..` are followed; `-`, standard input, is no file.
    """
    from sememe.tables.files import split_sheet

    files = [split_sheet(name)[0] for name in inputs if name != "-"]
    names = {Path(name).resolve(): f"{name}, which is read" for name in files}
    for option, output in outputs.items():
        place = Path(output).resolve()
        if place in names:
            raise InputError(
                f"{option}: {output} would overwrite {names[place]}; give another name."
            )
        names[place] = f"what {option} writes"

"""What commands share: options of one wording, rows and vectors of files, and what is printed."""

import argparse
import json
import re
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from inspect import signature
from math import isfinite
from pathlib import Path
from shutil import get_terminal_size
from textwrap import fill
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

from sememe.arguments import did_you_mean
from sememe.errors import BlankWarning, InputError, TableError

if TYPE_CHECKING:
    import sememe
    from sememe.tables import Table

Commands: TypeAlias = "argparse._SubParsersAction[Parser]"
Run: TypeAlias = Callable[[argparse.Namespace], int]
DEFAULT_MODEL = "all-MiniLM-L6-v2"
_NARGS = {".": "+", "]": "?"}
_FOR_PYTHON = re.compile(r" \((?:in Python, (?:[^()]|\([^()]*\))*|\w+=)\)")
# name='value', but not in what --columns takes, nor in a path or a quotation.
_ARGUMENT = re.compile(
    r"""(?<![\w./,"'(-])(?<!in Python )(?<!--columns )(\w+)="""
    r"""('[^']*'|"[^"]*"|\([^)]*\)|\[[^\]]*\]|\{[^}]*\}|[^\s:;,]*)"""
)


class Parser(argparse.ArgumentParser):
    """argparse, but an error is one line, like every other error of sememe's."""

    resumes = False  # whether the command, interrupted, goes on where it stopped

    def error(self, message: str) -> NoReturn:
        """Say what was wrong and how to see the help, and leave with code 2."""
        wrong, _, names = message.partition(" (choose from ")
        if word := re.search(r"invalid choice: '(.+)'$|unrecognized arguments: (-[^\s=]+)", wrong):
            choices = re.findall(r"[\w-]+", names) or self._option_string_actions
            message += did_you_mean(word[1] or word[2], choices)
        self.exit(2, f"{self.prog}: {message} ({self.prog} --help shows how)\n")


def add_command(
    commands: Commands,
    name: str,
    run: Run,
    *,
    summary: str,
    description: str,
    examples: str,
    resumes: bool = False,
) -> Parser:
    """Add a command whose help ends with examples, one a line, and says if it `resumes`."""
    if resumes:
        description += " Interrupted, the same command resumes where it stopped."
    parser = commands.add_parser(
        name,
        help=summary,
        description=fill(description, get_terminal_size().columns - 2),
        epilog="examples:\n" + "\n".join(f"  {line}" for line in examples.split("\n")),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run, parser=parser)
    parser.resumes = resumes
    return parser


def option(parser: argparse._ActionsContainer, usage: str, text: str, **settings: Any) -> None:
    """Add an option as the help shows it, with argparse's other settings.

    `usage` is "-o --output DIR", "--subset N..." for several values, "--ranks FIRST LAST" for two,
    "--tree" for a switch; "FILE" for an argument, "[FILE]" for one that may be left out. The help
    ends with the default, if there is one to tell.
    """
    flags = [word for word in usage.split() if word.startswith("-")]
    values = usage.split()[len(flags) :]
    names = tuple(value.strip("[].") for value in values)
    if not values and "choices" not in settings:
        settings.setdefault("action", "store_true")
    elif isinstance(default := settings.get("default"), str | int | float) and default != "":
        text += f" (default: {default})"
    if values:
        nargs = _NARGS.get(values[0][-1]) if len(values) == 1 else len(values)
        metavar = names if len(names) > 1 else names[0]
        settings = {"metavar": metavar, "nargs": nargs, **settings}
    if not flags:
        flags = [settings.pop("dest", names[0].lower())]
    parser.add_argument(*flags, help=text, **settings)


def arguments(options: argparse.Namespace, function: Callable[..., Any]) -> dict[str, Any]:
    """The options that are called as the function's parameters are."""
    names = signature(function).parameters
    return {name: value for name, value in vars(options).items() if name in names}


def in_options(message: object, options: argparse.Namespace) -> str:
    """A message about Python's arguments in the words of the command.

    threshold=2 is --threshold 2, and centre=True is --centre; what the user wrote stays.
    """
    actions = [action for action in options.parser._actions if action.option_strings]
    flags: dict[Any, str] = {(a.dest, str(a.const)): a.option_strings[-1] for a in actions}
    names = {action.dest for action in actions}
    written = [str(value) for value in vars(options).values()]

    def worded(argument: re.Match[str]) -> str:
        name, literal = argument.groups()
        if name not in names or any(argument[0] in text for text in written):
            return argument[0]
        value = "" if literal.startswith("{") else re.sub("[][()'\",]", "", literal)
        if flag := flags.get((name, "None")):
            return f"{flag} {value}".rstrip()
        return flags.get((name, value)) or flags.get((value, "None"), value)

    text = _ARGUMENT.sub(worded, _FOR_PYTHON.sub("", str(message)))
    return text.replace("the same call", "the same command")


def show_help(parser: Parser) -> int:
    """What a command line does that names no command."""
    parser.print_help()
    return 0


# fmt: off
def add_input(parser: Parser, *, optional: bool = False) -> None:
    """The file of texts and the column in it."""
    option(parser, "[FILE]" if optional else "FILE", "txt, csv, tsv, xlsx (x.xlsx#Name for one "
           "sheet), jsonl, parquet; - for lines on stdin")
    add_column(parser)


def add_column(parser: Parser) -> None:
    """The column with the text, or several of them."""
    option(parser, "--column NAME", "the column with the text; several, as --column title --column "
           "abstract, are joined by a blank line", action="append")


def add_queries(parser: Parser, text: str) -> None:
    """The file of queries and the column in it."""
    option(parser, "--queries FILE", text)
    option(parser, "--query-column NAME", "the column of --queries (default: query or question, "
           "else the one that is called like a text)")


def add_model(parser: Parser) -> None:
    """The bi-encoder and its precision."""
    option(parser, "--model M", "a bi-encoder: a directory, a name or a Hub id",
           default=DEFAULT_MODEL)
    add_engine(parser)


def add_cross(parser: Parser) -> None:
    """A cross-encoder that teaches the bi-encoder, and its budget."""
    option(parser, "--cross M", "a cross-encoder that reads some pairs and teaches the bi-encoder, "
           "where it can be trusted")
    option(parser, "--budget B", "how many pairs it reads: 3n (three for each text, the default), "
           "a number, a time such as 2min, all")


def add_vectors(parser: Parser) -> None:
    """Vectors that are there already."""
    option(parser, "--vectors FILE", "the texts' vectors as sememe encode wrote them with this "
           "model and precision: .parquet, .npy, .jsonl or a folder; nothing is encoded again but "
           "a few, to check them")


def add_engine(parser: Parser, of: str = "") -> None:
    """What an encoder computes in, and where; `of` says which encoder, where there are several."""
    option(parser, "--precision", f"the precision of computing{of}; f16 is for GPUs",
           choices=("auto", "f32", "bf16", "int8", "f16"), default="auto")
    option(parser, "--device D", f"where to compute{of}: cpu, cuda, cuda:1 or mps; all but cpu "
           "need torch and transformers (default: the engine chooses)")


def add_roles(parser: Parser) -> None:
    """Which column is what, for data whose columns have other names."""
    option(parser, "--columns ROLE=NAME", "which column is what, where their names do not say it, "
           "such as anchor=question,positive=answer", metavar="ROLE=NAME,...", type=_roles)


def add_json(parser: Parser, what: str) -> None:
    """The switch for machines."""
    option(parser, "--json", f"print {what} as JSON")
# fmt: on


def _roles(value: str) -> dict[str, str]:
    items = [item.partition("=") for item in value.split(",")]
    if not all(role and name for role, _, name in items):
        raise argparse.ArgumentTypeError(f"{value} is not ROLE=NAME,..., such as text=question")
    return {role: name for role, _, name in items}


def whole_number(value: str) -> int:
    """A type of options: a whole number from 1 on."""
    if not (value.isdecimal() and int(value) >= 1):
        raise argparse.ArgumentTypeError(f"{value} is not a whole number of at least 1")
    return int(value)


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


def refuse(options: argparse.Namespace, why: str, *names: str) -> None:
    """InputError for the first of these options that was passed, and why it is wrong."""
    for name in names:
        value = getattr(options, name)
        if not (value is None or value is False or value in ("", "auto", [])):
            option = "FILE" if name == "file" else f"--{name.replace('_', '-')}"
            raise InputError(f"{option} {why}.")


def engine_options(options: argparse.Namespace) -> dict[str, Any]:
    """What `add_engine`'s switches say, as an encoder takes it."""
    return {"precision": options.precision or "auto", "device": options.device}


def open_cross(options: argparse.Namespace) -> "sememe.CrossEncoder | None":
    """The cross-encoder of `add_cross`'s options, if they name one."""
    if not options.cross:
        if options.budget:
            raise InputError("--budget is for a cross-encoder: give --cross too.")
        return None
    import sememe  # on use: an engine comes with it

    return sememe.CrossEncoder(options.cross, **engine_options(options))


def read_rows(
    file: str, column: list[str] | None, consequence: str, default: str | None = None
) -> tuple["Table", list[str], list[int]]:
    """A file's rows, their texts, and which rows are blank, of which a note says what follows.

    Without a `column`, the `default` one is read, if the file has it.
    """
    from sememe.tables import BlankCells, read_table

    table = read_table(file)
    if column is None and default is not None and default in table.columns:
        column = [default]
    name, texts = table.text_name(column), table.text_column(column)
    blanks = BlankCells(name)
    blank = blanks.add(texts, table.source)
    if len(blank) == len(texts):
        raise TableError(f'{table.source.file} has no text: every "{name}" is blank')
    blanks.warn(consequence)
    warnings.simplefilter("ignore", BlankWarning)  # which would call the same cells by their rows
    return table, texts, blank


def read_queries(options: argparse.Namespace) -> list[str] | None:
    """The texts of `add_queries`'s file, but blank ones, of which a note says so."""
    from sememe.tables import BlankCells, choose_column, read_table

    if options.queries is None:
        refuse(options, "is for --queries FILE: give that too", "query_column")
        return None
    table = read_table(options.queries)
    default = next((name for name in ("query", "question") if name in table.columns), None)
    column, file = options.query_column or default, table.source.file
    name = choose_column(list(table.columns), column, file, "--query-column NAME")
    texts, blanks = table.text_column(name), BlankCells(name)
    blanks.add(texts, table.source)
    blanks.warn("and left out")
    return [text for text in texts if text.strip()]


def read_vectors(
    options: argparse.Namespace,
    table: "Table",
    texts: list[str],
    encoder: Any,
    method: str = "encode",
) -> Any:
    """The vectors in `--vectors`, of a table's texts; None without it.

    `method` is the encoder's that gives such vectors.
    """
    if not options.vectors:
        return None
    from sememe.encoders import stored

    names, encode = table.text_names(options.column), getattr(encoder, method)
    return stored.read_vectors(options.vectors, texts, encoder, columns=names, encode=encode)


def show(options: argparse.Namespace, values: Any, text: object) -> None:
    """Print a result: its values with `--json`, else its text."""
    print_json(values) if options.json else print(text)


def report(options: argparse.Namespace, values: Any, message: str) -> int:
    """Say on standard error what was done, with `--json` its values on standard output too."""
    if options.json:
        print_json(values)
    print(message, file=sys.stderr)
    return 0


def print_json(value: Any) -> None:
    """Print a line of JSON in pure ASCII, whatever standard output can encode; NaN becomes null."""
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
    from sememe.tables.files import FORMATS

    directory = Path(name).absolute()
    if directory.suffix.lower() in FORMATS and not directory.is_dir():
        raise InputError(f"{option} {name}: a folder is written: leave {directory.suffix} out.")
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

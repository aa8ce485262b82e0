"""All commands: parse, run, and one line for a note or an error."""

import argparse
import sys
import warnings
from collections.abc import Sequence
from functools import partial
from importlib import import_module

import sememe
from sememe.cli.parser import Parser, check_input, in_options, show_help
from sememe.errors import SememeError, SememeWarning

# In the order of the help.
_MODULES = (
    "clustering", "pairing", "indexing", "searching", "encoding", "comparing", "training",
    "distilling", "mining", "evaluating", "selecting", "models", "doctor",
)  # fmt: skip


def run(arguments: Sequence[str] | None) -> int:
    """Run a command and return its exit code; what was wrong is one line on standard error."""
    try:
        options = parse(arguments)
    except SystemExit as exit_:  # argparse has printed the help, or the error
        return int(exit_.code or 0)
    with warnings.catch_warnings():
        warnings.simplefilter("always", SememeWarning)
        warnings.showwarning = partial(_show_note, options, set())
        try:
            check_input(options)
            code: int = options.run(options)
            return code
        except KeyboardInterrupt as stop:
            reasons = stop.args or ["the same command resumes"] * options.parser.resumes
            raise KeyboardInterrupt(*(in_options(each, options) for each in reasons)) from None
        except SememeError as error:
            print(f"sememe: {in_options(error, options)}", file=sys.stderr)
            return 1 if error.unavailable else 2
        except BrokenPipeError:  # the reader of a pipe has seen enough; files are written
            return 0
        except OSError as error:
            print(f"sememe: stopped: {error}", file=sys.stderr)
            return 1
        except MemoryError:
            print("sememe: stopped: there is not enough memory", file=sys.stderr)
            return 1


def _show_note(
    options: argparse.Namespace, shown: set[str], message: Warning | str, *_: object, **__: object
) -> None:
    text = in_options(message, options)
    if text not in shown:
        shown.add(text)
        print(f"note: {text}", file=sys.stderr)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The options of a command, with what runs it as `run`; SystemExit where they are wrong."""
    parser = Parser(prog="sememe", description="Sentence encoders on the machine you have.")
    parser.add_argument("--version", action="version", version=f"sememe {sememe.__version__}")
    parser.set_defaults(run=lambda _: show_help(parser), parser=parser)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    for name in _MODULES:
        import_module(f"sememe.cli.{name}").add_commands(commands)
    options, rest = parser.parse_known_args(arguments)
    # A QUERY of several words; Python 3.11's argparse leaves one behind options over, too.
    if hasattr(options, "query") and not any(word.startswith("-") for word in rest):
        words = [*([] if options.query is None else [options.query]), *rest]
        options.query, rest = " ".join(words) if words else None, []
    if rest:
        options.parser.error(f"unrecognized arguments: {' '.join(rest)}")
    return options

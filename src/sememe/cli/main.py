"""Run a command: exit codes, notes, errors of one line.

Exit codes: 0 done, 2 the user's input is wrong (one line says what), 130 stopped by Ctrl-C,
1 anything else.
"""

import argparse
import os
import sys
import warnings
from collections.abc import Sequence
from io import TextIOWrapper

import sememe
from sememe.cli import (
    classifying,
    clustering,
    comparing,
    doctor,
    encoding,
    indexing,
    models,
    pairing,
    quantizing,
    scoring,
    searching,
    training,
)  # fmt: skip
from sememe.cli.parser import Parser, check_input
from sememe.errors import SememeError, SememeWarning


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal may not know every character
    options = _options(arguments)
    with warnings.catch_warnings():
        warnings.simplefilter("always", SememeWarning)
        warnings.showwarning = _note
        try:
            check_input(options)
            code: int = options.run(options)
            sys.stdout.flush()
        except SememeError as error:
            print(f"sememe: {error}", file=sys.stderr)
            return 2
        except OSError as error:
            if not isinstance(error, BrokenPipeError):
                print(f"sememe: stopped: {error}", file=sys.stderr)
            if isinstance(sys.stdout, TextIOWrapper):  # what is left in it would be said on leaving
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            # The reader of a pipe, such as head, may have seen enough; files are written.
            return int(not isinstance(error, BrokenPipeError))
        except KeyboardInterrupt as stop:
            print("; ".join(["sememe: stopped", *map(str, stop.args)]), file=sys.stderr)
            return 130
    return code


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = _parser()
    options, rest = parser.parse_known_args(arguments)
    # A QUERY of several words; Python 3.11's argparse leaves one behind options over, too.
    if hasattr(options, "query") and not any(word.startswith("-") for word in rest):
        options.query, rest = " ".join([*filter(None, [options.query]), *rest]) or None, []
    if rest:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    return options


def _parser() -> Parser:
    parser = Parser(prog="sememe", description="Sentence encoders on the machine you have.")
    parser.add_argument("--version", action="version", version=f"sememe {sememe.__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for room in (
        clustering, pairing, indexing, searching, classifying, encoding, scoring, comparing,
        training, models, quantizing, doctor,
    ):  # fmt: skip
        room.add_commands(commands)
    return parser


def _note(message: Warning | str, *_: object, **__: object) -> None:
    print(f"note: {message}", file=sys.stderr)

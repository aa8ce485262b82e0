"""`sememe distill`: a teacher's judgement in a student's vectors, from a file of texts."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sememe
from sememe.cli.parser import (
    DEFAULT_MODEL,
    add_command,
    add_input,
    add_json,
    check_outputs,
    print_json,
    whole_number,
)
from sememe.errors import InputError

if TYPE_CHECKING:
    from sememe.cli.parser import Commands

_EXAMPLES = """\
sememe distill tickets.csv --column body --teacher path/to/a/cross-encoder -o my-student
sememe distill tickets.csv --column body --static --dim 256 -o my-static-student
sememe distill texts.txt --teacher vectors.npy --static -o my-static-student"""


def add_commands(commands: "Commands") -> None:
    """Add the command to the parser."""
    parser = add_command(
        commands,
        "distill",
        summary="give a student a teacher's judgement, from texts without labels",
        description="From a cross-encoder, a bi-encoder learns a map of its vectors, and costs "
        "what it always did. From a bi-encoder, or from vectors made elsewhere, a static student "
        "learns a vector for each token, and is hundreds of times as fast. A tenth of the texts is "
        "held out, to say how well the student agrees with its teacher.",
        examples=_EXAMPLES,
    )
    add_input(parser)
    parser.add_argument("-o", "--output", metavar="DIR", required=True,
                        help="a new or empty folder for the student")  # fmt: skip
    parser.add_argument("--teacher", metavar="T", default=DEFAULT_MODEL, help="a cross-encoder, a "
                        "bi-encoder, or x.npy with a vector for each row of FILE (default: "
                        f"{DEFAULT_MODEL})")  # fmt: skip
    parser.add_argument("--student", metavar="S", default=DEFAULT_MODEL, help="the bi-encoder that "
                        "learns, or whose tokens a static student has (default: "
                        f"{DEFAULT_MODEL})")  # fmt: skip
    parser.add_argument("--static", action="store_true", help="a static student, which is what a "
                        "teacher without scores gives in any case")  # fmt: skip
    parser.add_argument("--dim", metavar="N", type=whole_number,
                        help="the size of a static student's vectors")  # fmt: skip
    parser.add_argument("--budget", metavar="B", default="3n", help="how many pairs a "
                        "cross-encoder reads: 3n (three for each text), a number, a time such as "
                        "2min, or all (default: %(default)s)")  # fmt: skip
    parser.add_argument("--seed", metavar="N", type=int, default=0, help="seed of which texts are "
                        "held out (default: %(default)s)")  # fmt: skip
    add_json(parser, "the outcome")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from sememe.evaluation.outcome import summary
    from sememe.tables import read_texts

    check_outputs([options.file], {"-o": options.output})
    texts = read_texts(options.file, options.column).texts
    outcome = sememe.distill(
        texts,
        options.output,
        teacher=_teacher(options.teacher),
        student=options.student,
        how="static" if options.static else "auto",
        budget=options.budget,
        dim=options.dim,
        seed=options.seed,
    )
    if options.json:
        print_json(summary(outcome))
    print(f"{outcome.verdict}\n{options.output}: the student and training.json", file=sys.stderr)
    return 0


def _teacher(name: str) -> Any:
    """A model's name as it is, or the vectors of a file."""
    if Path(name).suffix.lower() != ".npy":
        return name
    import numpy as np

    try:
        return np.load(name)
    except (OSError, ValueError) as error:
        raise InputError(f"--teacher {name}: cannot be read as vectors ({error}).") from None

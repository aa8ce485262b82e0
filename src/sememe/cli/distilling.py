"""`sememe distill`: a teacher's judgement in a student's vectors, from a file of texts."""

import argparse
import sys

import sememe
from sememe.cli import parser as cli

_EXAMPLES = """\
sememe distill tickets.csv --column body --teacher path/to/a/cross-encoder -o my-student
sememe distill tickets.csv --column body --static --dim 256 -o my-static-student
sememe distill texts.txt --teacher a-large-encoder --layers 4 -o my-small-encoder
sememe distill texts.txt --teacher vectors.npy --student all-MiniLM-L6-v2 -o my-student"""
_PASSED = ("student", "layers", "dim", "budget", "dev", "seed")


def add_commands(commands: cli.Commands) -> None:
    """Add the command to the parser."""
    parser = cli.add_command(
        commands,
        "distill",
        summary="give a student a teacher's judgement, from texts without labels",
        description="From a cross-encoder, a bi-encoder learns a map of its vectors, or is tuned, "
        "and costs what it always did. From a bi-encoder, or from vectors made elsewhere, a static "
        "student learns a vector for each token, and is hundreds of times as fast; or a "
        "transformer learns all of it. A tenth of the texts is held out, to say how well the "
        "student agrees with its teacher.",
        examples=_EXAMPLES,
    )
    cli.add_input(parser)
    parser.add_argument("-o", "--output", metavar="DIR", required=True,
                        help="a new or empty folder for the student")  # fmt: skip
    parser.add_argument("--teacher", metavar="T", nargs="+", default=[cli.DEFAULT_MODEL], help="a "
                        "cross-encoder, a bi-encoder, or x.npy or x.parquet with a vector for each "
                        "row of FILE; several of a kind teach together (default: "
                        f"{cli.DEFAULT_MODEL})")  # fmt: skip
    parser.add_argument("--student", metavar="S", help="the bi-encoder that learns, or whose "
                        "tokens a static student has (default: the teacher where it can be, else "
                        f"{cli.DEFAULT_MODEL})")  # fmt: skip
    way = parser.add_mutually_exclusive_group()
    way.add_argument("--static", action="store_true", help="a static student, which is what a "
                     "teacher of vectors gives without --student or --layers")  # fmt: skip
    way.add_argument("--layers", metavar="N", type=cli.whole_number, help="keep so many of the "
                     "student's layers, and train them")  # fmt: skip
    way.add_argument("--tune", action="store_true", help="train the student by a cross-encoder's "
                     "scores, which is more than a map of its vectors, and takes longer"
                     )  # fmt: skip
    parser.add_argument("--dim", metavar="N", type=cli.whole_number, help="the size of the "
                        "student's vectors, where the teacher gives vectors")  # fmt: skip
    parser.add_argument("--budget", metavar="B", help="how many pairs a cross-encoder reads: 3n "
                        "(three for each text), a number, a time such as 2min, or all (default: "
                        "3n, with --tune 20n); else how long training takes (default: 10min)"
                        )  # fmt: skip
    parser.add_argument("--dev", metavar="GOLD", help="labelled data, by which student and teacher "
                        "are judged too")  # fmt: skip
    parser.add_argument("--seed", metavar="N", type=int, default=0, help="seed of which texts are "
                        "held out (default: %(default)s)")  # fmt: skip
    cli.add_json(parser, "the outcome")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from sememe.evaluation.outcome import summary
    from sememe.tables import read_texts

    cli.check_outputs([options.file], {"-o": options.output})
    teachers = options.teacher
    way = "static" if options.static else "tune" if options.tune else "auto"
    outcome = sememe.distill(
        read_texts(options.file, options.column).texts,
        options.output,
        teacher=teachers if len(teachers) > 1 else teachers[0],
        how=way,
        **{name: getattr(options, name) for name in _PASSED},
    )
    if options.json:
        cli.print_json(summary(outcome))
    page = f"{options.output}: the student and distillation.html"
    print(f"{outcome.verdict}\n{page}", file=sys.stderr)
    return 0

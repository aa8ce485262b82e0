"""`sememe score`: the scores of a file of pairs, on disk."""

import argparse
import time
from typing import TYPE_CHECKING

import sememe
from sememe.cli.encoding import print_summary
from sememe.cli.parser import add_command, add_engine, add_json, check_outputs, engine_options

if TYPE_CHECKING:
    from sememe.cli.parser import Commands

_EXAMPLES = """\
sememe score pairs.csv -o scores.csv --model cross-encoder/stsb-TinyBERT-L4
sememe score answers.jsonl --columns question reply -o scores.parquet --model path/to/model
sememe score duplicates.tsv --symmetric -o scores.npy --model path/to/model"""


def add_commands(commands: "Commands") -> None:
    """Add the command to the parser."""
    parser = add_command(
        commands,
        "score",
        summary="score a file of pairs of texts, however many there are",
        description="Score pairs of texts with a cross-encoder. The output keeps all columns and "
        "adds the scores (.npy holds the scores alone). If the command is interrupted, run it "
        "again: it resumes where it stopped, and the output is the same.",
        examples=_EXAMPLES,
    )
    parser.add_argument("file", metavar="PAIRS", help="csv, tsv, jsonl, parquet or xlsx")
    parser.add_argument("--columns", metavar=("FIRST", "SECOND"), nargs=2, help="the two columns "
                        "of a pair (default: two with the usual names)")  # fmt: skip
    parser.add_argument("-o", "--output", metavar="OUT", required=True, help="x.parquet, x.csv, "
                        "x.tsv, x.xlsx, x.jsonl, x.npy, or a folder of parquet shards"
                        )  # fmt: skip
    parser.add_argument("--model", metavar="M", required=True,
                        help="a cross-encoder: a directory, a name or a Hub id")  # fmt: skip
    add_engine(parser)
    parser.add_argument("--raw", action="store_true", help="write logits, not scores")
    parser.add_argument("--symmetric", action="store_true",
                        help="score both orders and take the mean")  # fmt: skip
    parser.add_argument("--truncate", choices=("longest", "document"), default="longest",
                        help="which text of a pair to cut if it is too long: the longer one, or "
                        "the second (default: %(default)s)")  # fmt: skip
    add_json(parser, "a summary")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from sememe.encoders.disk import SCORES, check_output
    from sememe.jobs import FileRows
    from sememe.tables import choose_pair, file_name

    started = time.perf_counter()
    check_outputs([options.file], {"-o": options.output})
    output_format = check_output(options.output, SCORES, options.file)
    name = file_name(options.file)
    choose = lambda names: [[column] for column in choose_pair(names, options.columns, name)]  # noqa: E731
    pairs = FileRows(options.file, choose, output_format)
    cross = sememe.CrossEncoder(options.model, **engine_options(options))
    result = cross.score_to(
        pairs,
        options.output,
        raw=options.raw,
        symmetric=options.symmetric,
        truncate=options.truncate,
    )
    noun = "scores" if result.dim == 1 else f"scores of {result.dim} labels"
    print_summary(result, ("pair", noun), started, cross.fingerprint if options.json else "")
    return 0

"""`sememe mine`: hard negatives for pairs."""

import argparse
import sys

import sememe
from sememe.cli import parser as cli

_EXAMPLES = """\
sememe mine pairs.csv --corpus passages.jsonl -o triplets.parquet
sememe mine faq.csv --columns anchor=question,positive=answer --corpus answers.txt -o triplets.csv
sememe mine pairs.csv --corpus texts.txt --cross my-cross-encoder --scores -o taught.parquet"""


def add_commands(commands: cli.Commands) -> None:
    """Add the command to the parser."""
    parser = cli.add_command(
        commands,
        "mine",
        summary="find hard negatives for pairs, to train on as triplets",
        description="For each pair of a query and its answer, find the texts of a corpus that are "
        "nearest to the query and do not answer it. All answers of a query are left out, and texts "
        "that may be answers too: those nearly as close as the answer, or the same as it.",
        examples=_EXAMPLES,
    )
    parser.add_argument("data", metavar="PAIRS", help="csv, tsv, xlsx, jsonl or parquet with the "
                        "columns anchor, positive or query, document")  # fmt: skip
    parser.add_argument("--corpus", metavar="FILE", required=True,
                        help="the texts that may be negatives")  # fmt: skip
    parser.add_argument("--column", metavar="NAME", help="the corpus' column with the text")
    cli.add_roles(parser)
    parser.add_argument("-o", "--output", metavar="OUT", required=True,
                        help="the triplets: x.csv, x.tsv, x.xlsx, x.jsonl or x.parquet"
                        )  # fmt: skip
    cli.add_model(parser)
    parser.add_argument("--negatives", metavar="N", type=cli.whole_number, default=1,
                        help="for each pair (default: %(default)s)")  # fmt: skip
    parser.add_argument("--ranks", metavar=("FIRST", "LAST"), type=cli.whole_number, nargs=2,
                        default=(1, 100), help="which of the nearest may be one (default: 1 100)"
                        )  # fmt: skip
    parser.add_argument("--margin", metavar="SHARE", type=float, default=0.05, help="a negative is "
                        "by this share less similar than the answer (default: %(default)s)"
                        )  # fmt: skip
    parser.add_argument("--same", metavar="COSINE", type=float, default=0.95, help="texts as close "
                        "as this to the answer are taken for it (default: %(default)s)"
                        )  # fmt: skip
    parser.add_argument("--cross", metavar="M", help="a cross-encoder that tells answers from "
                        "negatives; the margin is then of its scores")  # fmt: skip
    parser.add_argument("--scores", action="store_true", help="write the scores too, for the "
                        "losses margin-mse and kl")  # fmt: skip
    cli.add_json(parser, "a summary")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from sememe.tables import check_destination, write_table

    cli.check_outputs([options.data, options.corpus], {"-o": options.output})
    check_destination(options.output)
    names = ("negatives", "margin", "same", "cross", "scores", "column")
    triplets = sememe.mine_negatives(
        options.data,
        options.corpus,
        sememe.BiEncoder(options.model, **cli.engine_options(options)),
        ranks=tuple(options.ranks),
        columns=options.columns or None,
        work=f"{options.output}.mining",
        **{name: getattr(options, name) for name in names},
    )
    write_table(options.output, triplets)
    rows = len(triplets["anchor"])
    if options.json:
        cli.print_json({"output": options.output, "rows": rows, "negatives": options.negatives})
    print(f"{options.output}: {rows:,} rows, {options.negatives} negatives each", file=sys.stderr)
    return 0

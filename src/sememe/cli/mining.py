"""`sememe mine`: hard negatives for pairs."""

import argparse
import shutil
from functools import partial

import sememe
from sememe.cli import parser as cli
from sememe.progress import counted

_EXAMPLES = """\
sememe mine pairs.csv --corpus passages.jsonl -o triplets.parquet
sememe mine faq.csv --columns anchor=question,positive=answer --corpus answers.txt -o triplets.csv
sememe mine pairs.csv --corpus texts.txt --cross my-cross-encoder --scores -o taught.parquet"""


# fmt: off
def add_commands(commands: cli.Commands) -> None:
    """Add the command to the parser."""
    parser = cli.add_command(
        commands, "mine", _run,
        summary="find hard negatives for pairs, to train on as triplets",
        description="For each pair of a query and its answer, find the texts of a corpus that are "
        "nearest to the query and do not answer it. All answers of a query are left out, and texts "
        "that may be answers too: those nearly as close as the answer, or the same as it.",
        examples=_EXAMPLES,
        resumes=True,
    )
    add = partial(cli.option, parser)
    add("PAIRS", "csv, tsv, xlsx, jsonl or parquet with the columns anchor, positive or query, "
        "document")
    add("--corpus FILE", "the texts that may be negatives", required=True)
    add("--column NAME", "the corpus's column with the text")
    cli.add_roles(parser)
    add("-o --output OUT", "the triplets: x.csv, x.tsv, x.xlsx, x.jsonl or x.parquet",
        required=True)
    cli.add_model(parser)
    add("--negatives N", "how many for each pair", type=cli.whole_number, default=1)
    add("--ranks FIRST LAST", "which of the nearest texts may be negatives (default: 1 100)",
        type=cli.whole_number, default=(1, 100))
    add("--margin SHARE", "a negative is less similar to the query than the answer is, by at least "
        "this share", type=float, default=0.05)
    add("--same COSINE", "a text whose cosine with the answer is this or more is no negative",
        type=float, default=0.95)
    add("--cross M", "a cross-encoder that tells answers from negatives; the margin is then of its "
        "scores")
    add("--scores", "write the scores too, for the losses margin-mse and kl")
    cli.add_json(parser, "a summary")
# fmt: on


def _run(options: argparse.Namespace) -> int:
    from sememe.tables import check_destination, write_table

    cli.check_outputs([options.pairs, options.corpus], {"-o": options.output})
    check_destination(options.output)
    work = f"{options.output}.mining"
    triplets = sememe.mine_negatives(
        encoder=sememe.BiEncoder(options.model, **cli.engine_options(options)),
        work=work,
        **cli.arguments(options, sememe.mine_negatives),
    )
    write_table(options.output, triplets)
    shutil.rmtree(work, ignore_errors=True)  # not before: the disk may be full
    rows = len(triplets["anchor"])
    return cli.report(
        options,
        {"output": options.output, "rows": rows, "negatives": options.negatives},
        f"{options.output}: {counted(rows, 'row')}, {counted(options.negatives, 'negative')} each",
    )

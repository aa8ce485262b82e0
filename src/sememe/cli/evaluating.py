"""`sememe evaluate`: how good models are on your own labelled data."""

import argparse

import sememe
from sememe.cli import parser as cli

_KINDS = ("similarity", "pairs", "triplets", "retrieval", "reranking", "groups", "classes")
_FILES = ("evaluation.html", "evaluation.json")
_EXAMPLES = """\
sememe evaluate all-MiniLM-L6-v2 my-encoder --data scored.csv
sememe evaluate all-MiniLM-L6-v2:int8 all-MiniLM-L6-v2:f32 wordllama --data scifact/
sememe evaluate my-encoder my-cross-encoder --data questions.csv --task reranking --json
sememe evaluate all-MiniLM-L6-v2 --data tickets.csv --task classes --columns label=team"""


def add_commands(commands: cli.Commands) -> None:
    """Add the command to the parser."""
    parser = cli.add_command(
        commands,
        "evaluate",
        summary="measure models on your own labelled data",
        description="Measure any number of models on labelled data. What is measured follows from "
        "the columns: sentence1, sentence2, score (similarity) or label (pairs); anchor, positive, "
        "negative (triplets); query, document, label (reranking); text, label (groups or classes); "
        "a folder with corpus, queries and qrels (retrieval). Each figure has a 95 % interval, and "
        "each two models a paired test.",
        examples=_EXAMPLES,
    )
    parser.add_argument("models", metavar="MODEL", nargs="+", help="a directory, a name or a Hub "
                        "id of any kind of model; NAME:int8, NAME:f32 for other precisions"
                        )  # fmt: skip
    parser.add_argument("--data", metavar="DATA", required=True, help="csv, tsv, xlsx, jsonl or "
                        "parquet, or a folder with corpus, queries and qrels")  # fmt: skip
    parser.add_argument("--task", choices=_KINDS,
                        help="what to measure, where the columns leave a choice")  # fmt: skip
    cli.add_roles(parser)
    parser.add_argument("--split", metavar="NAME", help="measure on the rows with this value in "
                        "the column split; all for all rows (default: test, if there is one)"
                        )  # fmt: skip
    parser.add_argument("--positive", metavar="LABEL", help="the label of texts that are alike")
    parser.add_argument("--protocol", choices=("mteb",), help="measure classes as MTEB does")
    parser.add_argument("-o", "--output", metavar="DIR",
                        help=f"a folder for {' and '.join(_FILES)}")  # fmt: skip
    cli.add_json(parser, "all figures and tests")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    folder = cli.output_directory(options.output, _FILES) if options.output else None
    names = ("task", "split", "positive", "protocol")
    done = sememe.evaluate(
        options.models,
        options.data,
        columns=options.columns or None,
        **{name: getattr(options, name) for name in names},
    )
    if folder is not None:
        done.save(folder)
    if options.json:
        cli.print_json(done.summary())
    else:
        print(done)
    return 0

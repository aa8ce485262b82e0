"""`sememe evaluate`: how good models are on your own labelled data."""

import argparse
import sys
from functools import partial

import sememe
from sememe.cli import parser as cli

_KINDS = ("similarity", "pairs", "triplets", "retrieval", "reranking", "groups", "classes")
_FILES = ("evaluation.html", "evaluation.json")
_EXAMPLES = """\
sememe evaluate all-MiniLM-L6-v2 my-encoder --data scored.csv
sememe evaluate all-MiniLM-L6-v2:int8 all-MiniLM-L6-v2:f32 wordllama --data scifact/
sememe evaluate my-encoder my-cross-encoder --data questions.csv --task reranking --json
sememe evaluate all-MiniLM-L6-v2 --data tickets.csv --task classes --columns label=team"""


# fmt: off
def add_commands(commands: cli.Commands) -> None:
    """Add the command to the parser."""
    parser = cli.add_command(
        commands, "evaluate", _run,
        summary="measure models on your own labelled data",
        description="Measure any number of models on labelled data. What is measured follows from "
        "the columns: sentence1, sentence2, score (similarity) or label (pairs); anchor, positive, "
        "negative (triplets); query, document, label (reranking); text, label (groups or classes); "
        "query, document, or a folder with corpus, queries and qrels (retrieval). Each figure has "
        "a 95 % interval, and each two models are compared by a paired test.",
        examples=_EXAMPLES,
    )
    add = partial(cli.option, parser)
    add("MODEL...", "a directory, a name or a Hub id of any kind of model; NAME:int8 or NAME:f32 "
        "for another precision", dest="models")
    add("--data DATA", "csv, tsv, xlsx, jsonl or parquet, or a folder with corpus, queries and "
        "qrels", required=True)
    add("--task", "what to measure, where the columns leave a choice", choices=_KINDS)
    cli.add_roles(parser)
    add("--split NAME", "measure on the rows with this value in the column split; all for all rows "
        "(default: test, if there is one)")
    add("--positive LABEL", "the label that means that two texts are alike")
    add("--protocol", "mteb: measure classes as MTEB does", choices=("mteb",))
    add("-o --output DIR", f"a folder for {' and '.join(_FILES)}")
    cli.add_json(parser, "all figures and tests")
# fmt: on


def _run(options: argparse.Namespace) -> int:
    folder = cli.output_directory(options.output, _FILES) if options.output else None
    done = sememe.evaluate(**cli.arguments(options, sememe.evaluate))
    if folder is not None:
        done.save(folder)
        print(f"{folder / _FILES[0]}: the report", file=sys.stderr)
    cli.show(options, done.summary(), done)
    return 1 if done.failures else 0

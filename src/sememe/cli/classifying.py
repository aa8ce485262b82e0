"""`sememe classify` and `sememe train classifier`: labels for texts."""

import argparse
import sys
import time
from typing import TYPE_CHECKING

import sememe
from sememe.cli.encoding import print_summary, text_rows
from sememe.cli.parser import (
    add_command,
    add_engine,
    add_input,
    add_json,
    add_training,
    engine_options,
    print_json,
    training_columns,
)

if TYPE_CHECKING:
    from sememe.cli.parser import Commands

_EXAMPLES = """\
sememe classify my-classifier tickets.csv --column body -o labels.csv
sememe classify my-classifier archive.jsonl --proba -o labels.parquet"""
_TRAIN_EXAMPLES = """\
sememe train classifier tickets.csv --text question --label intent -o my-classifier
sememe train classifier tickets.csv --how few-shot --dev held-out.csv -o my-classifier"""


def add_commands(commands: "Commands") -> None:
    """Add the command that labels texts to the parser."""
    parser = add_command(
        commands,
        "classify",
        summary="label a file of texts by a classifier, however many there are",
        description="Label a file of texts: all its columns stay, with label and probability "
        "beside them. Interrupted, the same command resumes where it stopped; its output is the "
        "same as without the interruption.",
        examples=_EXAMPLES,
    )
    parser.add_argument("model", metavar="MODEL", help="what sememe train classifier made")
    add_input(parser)
    parser.add_argument("-o", "--output", metavar="OUT", required=True, help="x.csv, x.tsv, "
                        "x.xlsx, x.jsonl, x.parquet, or a folder for parquet shards")  # fmt: skip
    parser.add_argument("--proba", action="store_true", help="write every label's probability too")
    add_engine(parser)
    add_json(parser, "a summary")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from sememe.classification.classifier import FORMS

    started = time.perf_counter()
    texts = text_rows(options, FORMS)
    classifier = sememe.Classifier(options.model, **engine_options(options))
    done = classifier.predict_to(texts, options.output, proba=options.proba)
    fingerprint = classifier.fingerprint if options.json else ""
    print_summary(done, ("text", f"labels of {done.dim}"), started, fingerprint)
    return 0


def add_train_command(kinds: "Commands") -> None:
    """Add the command that trains a classifier to the parser of `sememe train`."""
    parser = add_command(
        kinds,
        "classifier",
        summary="a classifier: a label for each text",
        description="Train a classifier on the columns text and label. A part of the data is held "
        "out: a probe is measured on it against the most frequent label, what costs more against "
        "the probe. Interrupted, the same command resumes.",
        examples=_TRAIN_EXAMPLES,
    )
    add_training(parser, "classifier")
    parser.add_argument("--how", choices=("auto", "probe", "few-shot", "fine-tune"), default="auto",
                        help="on vectors as they are, after learning by contrast, end to end, or "
                        "what is shown to be best (default: %(default)s)")  # fmt: skip
    parser.set_defaults(run=_train)


def _train(options: argparse.Namespace) -> int:
    from sememe.evaluation.outcome import summary

    names = ("how", "model", "dev", "epochs", "batch_size", "learning_rate", "device", "seed")
    arguments = {name: getattr(options, name) for name in names}
    columns = training_columns(options)
    done = sememe.train_classifier(options.data, options.output, columns=columns, **arguments)
    if options.json:
        print_json(summary(done))
    print(f"{done.verdict}\n{options.output}: the classifier", file=sys.stderr)
    return 0

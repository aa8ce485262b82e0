"""`sememe train bi`, `cross` and `classifier`: the options of train_bi and its siblings."""

import argparse
from functools import partial
from typing import Any

import sememe
from sememe.cli import parser as cli

_EXAMPLES = """\
sememe train bi pairs.csv -o my-encoder
sememe train bi faq.csv --columns anchor=question,positive=answer -o my-encoder
sememe train bi triplets.parquet --dev held-out.parquet --epochs 2 --batch-size 512 -o my-encoder
sememe train bi a.csv b.csv --weights 2 1 --matryoshka 384 128 64 -o my-encoder"""
_CROSS_EXAMPLES = """\
sememe train cross scored.csv --score-range 0 5 -o my-cross-encoder
sememe train cross answers.jsonl --model path/to/a/cross-encoder --lora 16 -o my-cross-encoder"""
_COLUMNS = (
    "The columns' names say what the data are: anchor, positive and perhaps negative, negative_2 "
    "and so on; query and document; sentence1, sentence2 and score or label; text and label."
)
_CLASSIFIER_EXAMPLES = """\
sememe train classifier tickets.csv --text question --label intent -o my-classifier
sememe train classifier tickets.csv --how few-shot --dev held-out.csv -o my-classifier"""


# fmt: off
def add_commands(commands: cli.Commands) -> None:
    """Add the command to the parser."""
    train = cli.add_command(
        commands, "train", lambda _: cli.show_help(train),
        summary="train an encoder on pairs, triplets, scores or labels of your own",
        description="Train an encoder on examples of your own, and measure whether it is better.",
        examples="sememe train bi pairs.csv -o my-encoder\nsememe train bi --help",
    )
    kinds = train.add_subparsers(title="what to train", metavar="KIND")
    _add_encoder(kinds, "bi", "a bi-encoder: a vector for each text", _EXAMPLES)
    _add_encoder(kinds, "cross", "a cross-encoder: a score for each pair", _CROSS_EXAMPLES)
    classifier = cli.add_command(
        kinds, "classifier", partial(_run, "classifier", "the classifier"),
        summary="a classifier: a label for each text",
        description="Train a classifier on the columns text and label. A part of the data is held "
        "out: a probe is measured on it against the most frequent label, what costs more against "
        "the probe.",
        examples=_CLASSIFIER_EXAMPLES,
        resumes=True,
    )
    _add_shared(classifier, "DATA", "classifier")
    cli.option(classifier, "--how", "on vectors as they are, after learning by contrast, end to "
               "end, or what is shown to be best",
               choices=("auto", "probe", "few-shot", "fine-tune"), default="auto")


def _add_encoder(kinds: cli.Commands, kind: str, what: str, examples: str) -> None:
    parser = cli.add_command(
        kinds, kind, partial(_run, kind, "the model and training.html"),
        summary=what,
        description=f"Train {what}. {_COLUMNS} Loss, batch size, learning rate and epochs are "
        "chosen by the data, each with its reason. A part of the data is held out, and the "
        "model is measured on it before and after.",
        examples=examples,
        resumes=True,
    )
    _add_shared(parser, "DATA...", "model")
    add = partial(cli.option, parser)
    add("--loss L", "such as cosent, ranking, triplet, contrastive or bce; docs/losses.md says "
        "which when")
    add("--loss-option NAME=VALUE", "such as margin=0.3; may be given several times",
        action="append", default=[], dest="loss_options", type=_loss_option)
    add("--lora RANK", "train small matrices of this rank beside the weights", type=int)
    add("--weights W...", "how often each of several data sets is drawn", type=float)
    add("--score-range LOW HIGH", "the lowest and the highest score there can be", type=float)
    add("--positive LABEL", "the label of texts that are alike")
    add("--per-label N", "texts of each label in a batch; 0 for any number", type=int)
    add("--warmup SHARE", "share of steps in which the learning rate rises", type=float,
        default=0.1)
    add("--weight-decay W", "of AdamW", type=float, default=0.01)
    add("--max-norm N", "longest gradient", type=float, default=1.0)
    add("--patience N", "stop after N evaluations without a better one", type=int)
    add("--evaluations N", "how often an epoch to measure", type=int)
    add("--precision", "what to compute in", choices=("auto", "f32", "bf16"), default="auto")
    add("--log", "log the losses there too", choices=("tensorboard", "wandb"))
    add("--log-directory DIR", "where to log", default="logs")
    add("--save-minutes N", "how often to save the state, from which a run resumes", type=float,
        default=5)
    if kind == "bi":
        add("--matryoshka N...", "sizes to which vectors may be cut afterwards, such as 384 128 64",
            type=int)


def _add_shared(parser: cli.Parser, data: str, noun: str) -> None:
    add = partial(cli.option, parser)
    add(data, "csv, tsv, jsonl, parquet or xlsx, or a data set of the Hub (org/name:config@split)",
        dest="data")
    cli.add_roles(parser)
    add("--text NAME", "the same as --columns text=NAME; several are joined by a blank line",
        action="append")
    add("--label NAME", "the same as --columns label=NAME")
    add("-o --output DIR", f"a new or empty folder for the {noun}", required=True)
    add("--model M", "the model to start from: a directory, a name or a Hub id",
        default=cli.DEFAULT_MODEL)
    add("--dev FILE", "examples to evaluate on, or none for no evaluation (default: a fifth of the "
        "data is held out)")
    add("--epochs N", "passes over the data (default: chosen by the data)", type=float)
    add("--batch-size N", "examples per step; memory does not limit it", type=int)
    add("--learning-rate R", "the highest learning rate (default: chosen by the data)", type=float)
    add("--device D", "where to train: cpu, cuda, cuda:1 or mps (default: the fastest there is)")
    add("--seed N", "seed of all randomness", type=int, default=0)
    cli.add_json(parser, "the outcome")
# fmt: on


def _loss_option(text: str) -> tuple[str, Any]:
    """A name, and a number, True, False or a word."""
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise argparse.ArgumentTypeError(f"{text} is not NAME=VALUE, such as margin=0.3")
    try:
        return name, float(value)
    except ValueError:
        return name, {"true": True, "false": False}.get(value.casefold(), value)


def _run(kind: str, what: str, options: argparse.Namespace) -> int:
    from sememe.evaluation.outcome import summary

    train = getattr(sememe, f"train_{kind}")
    roles = {"text": options.text, "label": options.label}
    columns = {**(options.columns or {}), **{role: name for role, name in roles.items() if name}}
    choices = {**cli.arguments(options, train), "columns": columns or None}
    if kind != "classifier":
        choices["loss_options"] = dict(options.loss_options)
    outcome = train(**choices)
    message = f"{outcome.verdict}\n{options.output}: {what}"
    return cli.report(options, summary(outcome), message)

"""`sememe train bi`, `cross` and `classifier`: the options of train_bi and its siblings."""

import argparse
import sys
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


def add_commands(commands: cli.Commands) -> None:
    """Add the command to the parser."""
    train = cli.add_command(
        commands,
        "train",
        summary="train an encoder on pairs, triplets, scores or labels of your own",
        description="Train an encoder on examples of your own, and measure whether it is better.",
        examples="sememe train bi pairs.csv -o my-encoder\nsememe train bi --help",
    )
    cli.show_help(train)
    kinds = train.add_subparsers(title="what to train", metavar="KIND")
    _add(kinds, "bi", "a bi-encoder: a vector for each text", _EXAMPLES)
    _add(kinds, "cross", "a cross-encoder: a score for each pair", _CROSS_EXAMPLES)
    classifier = cli.add_command(
        kinds,
        "classifier",
        summary="a classifier: a label for each text",
        description="Train a classifier on the columns text and label. A part of the data is held "
        "out: a probe is measured on it against the most frequent label, what costs more against "
        "the probe. Interrupted, the same command resumes.",
        examples=_CLASSIFIER_EXAMPLES,
    )
    cli.add_training(classifier, "classifier")
    classifier.add_argument("--how", choices=("auto", "probe", "few-shot", "fine-tune"),
                            default="auto", help="on vectors as they are, after learning by "
                            "contrast, end to end, or what is shown to be best (default: "
                            "%(default)s)")  # fmt: skip
    classifier.set_defaults(run=lambda options: _run("classifier", "the classifier", options))


def _add(kinds: cli.Commands, kind: str, what: str, examples: str) -> None:
    parser = cli.add_command(
        kinds,
        kind,
        summary=what,
        description=f"Train {what}. {_COLUMNS} Loss, batch size, learning rate and epochs are "
        "chosen by the data, each with its reason. A part of the data is held out, and the "
        "model is measured on it before and after. Interrupted, the same command resumes "
        "where it stopped.",
        examples=examples,
    )
    cli.add_training(parser, "model", several=True)
    _add_choices(parser)
    if kind == "bi":
        parser.add_argument("--matryoshka", metavar="N", type=int, nargs="+", help="sizes to which "
                            "vectors may be cut afterwards, such as 384 128 64")  # fmt: skip
    parser.set_defaults(run=lambda options: _run(kind, "the model and training.html", options))


def _add_choices(parser: cli.Parser) -> None:
    parser.add_argument("--loss", metavar="L", help="such as cosent, ranking, triplet, contrastive "
                        "or bce; docs/losses.md says which when")  # fmt: skip
    parser.add_argument("--loss-option", metavar="NAME=VALUE", action="append", default=[],
                        dest="loss_options", type=_loss_option,
                        help="such as margin=0.3; may be given several times")  # fmt: skip
    parser.add_argument("--lora", metavar="RANK", type=int,
                        help="train small matrices of this rank beside the weights")  # fmt: skip
    parser.add_argument("--weights", metavar="W", type=float, nargs="+",
                        help="how often each of several data sets is drawn")  # fmt: skip
    parser.add_argument("--score-range", metavar=("LOW", "HIGH"), type=float, nargs=2,
                        help="the lowest and the highest score there can be")  # fmt: skip
    parser.add_argument("--positive", metavar="LABEL", help="the label of texts that are alike")
    parser.add_argument("--per-label", metavar="N", type=int,
                        help="texts of each label in a batch; 0 for any number")  # fmt: skip
    parser.add_argument("--warmup", metavar="SHARE", type=float, default=0.1, help="share of "
                        "steps in which the learning rate rises (default: %(default)s)"
                        )  # fmt: skip
    parser.add_argument("--weight-decay", metavar="W", type=float, default=0.01,
                        help="of AdamW (default: %(default)s)")  # fmt: skip
    parser.add_argument("--max-norm", metavar="N", type=float, default=1.0,
                        help="longest gradient (default: %(default)s)")  # fmt: skip
    parser.add_argument("--patience", metavar="N", type=int,
                        help="stop after N evaluations without a better one")  # fmt: skip
    parser.add_argument(
        "--evaluations", metavar="N", type=int, help="how often an epoch to measure"
    )
    parser.add_argument("--precision", choices=("auto", "f32", "bf16"), default="auto",
                        help="what to compute in (default: %(default)s)")  # fmt: skip
    parser.add_argument("--log", choices=("tensorboard", "wandb"), help="log the losses there too")
    parser.add_argument("--log-directory", metavar="DIR", default="logs",
                        help="where to log (default: %(default)s)")  # fmt: skip
    parser.add_argument("--save-minutes", metavar="N", type=float, default=5, help="how often to "
                        "save the state, from which a run resumes (default: %(default)s)"
                        )  # fmt: skip


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

    arguments = dict(vars(options), columns=cli.training_columns(options))
    for name in ("run", "text", "label", "json"):
        del arguments[name]
    if "loss_options" in arguments:
        arguments["loss_options"] = dict(options.loss_options)
    outcome = getattr(sememe, f"train_{kind}")(**arguments)
    if options.json:
        cli.print_json(summary(outcome))
    print(f"{outcome.verdict}\n{options.output}: {what}", file=sys.stderr)
    return 0

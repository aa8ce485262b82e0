"""`sememe encode`, `score` and `classify`: what a model makes of each row of a file, on disk."""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import sememe
from sememe.cli import parser as cli
from sememe.progress import counted

if TYPE_CHECKING:
    from sememe.encoders.disk import OnDisk
    from sememe.jobs import FileRows

_RESUMES = (
    "The output keeps all columns and adds the {} (.npy holds these alone). If the command is "
    "interrupted, run it again: it resumes where it stopped, and the output is the same."
)
_ENCODE_EXAMPLES = """\
sememe encode questions.txt -o vectors.npy
sememe encode tickets.csv --column body -o vectors.parquet
sememe encode archive.jsonl --dtype int8 -o vectors/
sememe encode papers.csv --column abstract --long split -o passages.parquet"""
_SCORE_EXAMPLES = """\
sememe score pairs.csv -o scores.csv --model cross-encoder/stsb-TinyBERT-L4
sememe score answers.jsonl --columns question reply -o scores.parquet --model path/to/model
sememe score duplicates.tsv --symmetric -o scores.npy --model path/to/model"""
_CLASSIFY_EXAMPLES = """\
sememe classify my-classifier tickets.csv --column body -o labels.csv
sememe classify my-classifier archive.jsonl --proba -o labels.parquet"""


def add_commands(commands: cli.Commands) -> None:
    """Add the three commands to the parser."""
    encode = cli.add_command(
        commands,
        "encode",
        summary="turn a file of sentences into vectors, however many there are",
        description=f"Encode a file of sentences to disk. {_RESUMES.format('vectors')}",
        examples=_ENCODE_EXAMPLES,
    )
    cli.add_input(encode)
    encode.add_argument("-o", "--output", metavar="OUT", required=True,
                        help="x.parquet, x.npy, x.jsonl, or a folder of shards")  # fmt: skip
    cli.add_model(encode)
    encode.add_argument("--dtype", choices=("float32", "float16", "int8", "binary"),
                        default="float32", help="what to write (default: %(default)s)")  # fmt: skip
    encode.add_argument("--truncate-dim", metavar="N", type=int,
                        help="keep the first N components")  # fmt: skip
    encode.add_argument("--long", choices=("truncate", "chunk", "split", "error"),
                        default="truncate", help="what to do with a text longer than the model "
                        "reads: cut it, average its passages, write a row for each passage, or "
                        "stop (default: %(default)s)")  # fmt: skip
    encode.add_argument(
        "--prompt-name", metavar="P", help="put this prompt of the model before each text"
    )
    cli.add_json(encode, "a summary")
    encode.set_defaults(run=_encode)
    score = cli.add_command(
        commands,
        "score",
        summary="score a file of pairs of texts, however many there are",
        description=f"Score pairs of texts with a cross-encoder. {_RESUMES.format('scores')}",
        examples=_SCORE_EXAMPLES,
    )
    score.add_argument("file", metavar="PAIRS", help="csv, tsv, jsonl, parquet or xlsx")
    score.add_argument("--columns", metavar=("FIRST", "SECOND"), nargs=2, help="the two columns "
                       "of a pair (default: two with the usual names)")  # fmt: skip
    score.add_argument("-o", "--output", metavar="OUT", required=True, help="x.parquet, x.csv, "
                       "x.tsv, x.xlsx, x.jsonl, x.npy, or a folder of parquet shards")  # fmt: skip
    score.add_argument("--model", metavar="M", required=True,
                       help="a cross-encoder: a directory, a name or a Hub id")  # fmt: skip
    cli.add_engine(score)
    score.add_argument("--raw", action="store_true", help="write logits, not scores")
    score.add_argument("--symmetric", action="store_true",
                       help="score both orders and take the mean")  # fmt: skip
    score.add_argument("--truncate", choices=("longest", "document"), default="longest",
                       help="which text of a pair to cut if it is too long: the longer one, or "
                       "the second (default: %(default)s)")  # fmt: skip
    cli.add_json(score, "a summary")
    score.set_defaults(run=_score)
    classify = cli.add_command(
        commands,
        "classify",
        summary="label a file of texts by a classifier, however many there are",
        description=f"Label a file of texts. {_RESUMES.format('labels and probabilities')}",
        examples=_CLASSIFY_EXAMPLES,
    )
    classify.add_argument("model", metavar="MODEL", help="what sememe train classifier made")
    cli.add_input(classify)
    classify.add_argument("-o", "--output", metavar="OUT", required=True, help="x.csv, x.tsv, "
                          "x.xlsx, x.jsonl, x.parquet, or a folder for parquet shards"
                          )  # fmt: skip
    classify.add_argument("--proba", action="store_true",
                          help="write every label's probability too")  # fmt: skip
    cli.add_vectors(classify)
    cli.add_engine(classify)
    cli.add_json(classify, "a summary")
    classify.set_defaults(run=_classify)


def _encode(options: argparse.Namespace) -> int:
    from sememe.encoders.disk import PASSAGES, VECTORS

    started = time.perf_counter()
    texts = _rows(options, PASSAGES if options.long == "split" else VECTORS)
    encoder = sememe.BiEncoder(options.model, **cli.engine_options(options))
    names = ("dtype", "truncate_dim", "prompt_name", "long")
    result = encoder.encode_to(
        texts, options.output, **{name: getattr(options, name) for name in names}
    )
    noun = "passage" if options.long == "split" else "text"
    return _report(options, result, (noun, f"vectors of {result.dim}"), encoder, started)


def _score(options: argparse.Namespace) -> int:
    from sememe.encoders.disk import SCORES
    from sememe.tables import choose_pair, file_name

    started = time.perf_counter()
    name = file_name(options.file)
    choose = lambda names: [[column] for column in choose_pair(names, options.columns, name)]  # noqa: E731
    pairs = _rows(options, SCORES, choose)
    cross = sememe.CrossEncoder(options.model, **cli.engine_options(options))
    names = ("raw", "symmetric", "truncate")
    result = cross.score_to(
        pairs, options.output, **{name: getattr(options, name) for name in names}
    )
    noun = "scores" if result.dim == 1 else f"scores of {result.dim} labels"
    return _report(options, result, ("pair", noun), cross, started)


def _classify(options: argparse.Namespace) -> int:
    from sememe.classification.classifier import FORMS

    started = time.perf_counter()
    texts = _rows(options, FORMS)
    classifier = sememe.Classifier(options.model, **cli.engine_options(options))
    vectors = None
    if options.vectors:
        from sememe.encoders.stored import read_vectors
        from sememe.tables import read_table

        table = read_table(options.file)
        names = table.text_names(options.column)
        known = table.text_column(names)
        values = read_vectors(options.vectors, known, classifier.encoder, columns=names)
        vectors = dict(zip(known, values, strict=True))
    result = classifier.predict_to(texts, options.output, proba=options.proba, vectors=vectors)
    return _report(options, result, ("text", f"labels of {result.dim}"), classifier, started)


def _rows(
    options: argparse.Namespace,
    forms: tuple[str, ...],
    choose: "Callable[[Sequence[str]], list[list[str]]] | None" = None,
) -> "FileRows":
    """The rows of the input, opened once the output is known to be writable."""
    from sememe.encoders.disk import check_output
    from sememe.jobs import FileRows
    from sememe.tables import choose_columns, file_name

    output_format = check_output(options.output, forms, options.file)
    name = file_name(options.file)
    texts = lambda names: [choose_columns(names, options.column, name)]  # noqa: E731
    return FileRows(options.file, choose or texts, output_format)


def _report(
    options: argparse.Namespace,
    result: "OnDisk",
    nouns: tuple[str, str],
    model: "sememe.BiEncoder | sememe.CrossEncoder | sememe.Classifier",
    started: float,
) -> int:
    """Print what is on disk now: how many of what was read, and what was written for each."""
    seconds = time.perf_counter() - started
    if options.json:
        summary = {**asdict(result), "path": str(result.path), "seconds": round(seconds, 3)}
        cli.print_json({**summary, "fingerprint": model.fingerprint})
    noun, values = nouns
    resumed = f" ({result.found:,} of them were finished before)" if result.found else ""
    print(
        f"{counted(result.rows, noun)}{resumed}, {values}, in {seconds:.1f} s: {result.path}",
        file=sys.stderr,
    )
    return 0

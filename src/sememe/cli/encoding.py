"""`sememe encode`, `score` and `classify`: what a model makes of each row of a file, on disk."""

import argparse
import time
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING

import sememe
from sememe.cli import parser as cli
from sememe.progress import counted

if TYPE_CHECKING:
    from sememe.encoders.disk import OnDisk
    from sememe.jobs import FileRows
    from sememe.jobs.rows import Choose

_OUTPUT = "The output keeps all columns and adds the {} (.npy holds these alone)."
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


# fmt: off
def add_commands(commands: cli.Commands) -> None:
    """Add the three commands to the parser."""
    encode = cli.add_command(
        commands, "encode", _encode,
        summary="turn a file of sentences into vectors, however many there are",
        description=f"Encode a file of sentences to disk. {_OUTPUT.format('vectors')}",
        examples=_ENCODE_EXAMPLES,
        resumes=True,
    )
    cli.add_input(encode)
    add = partial(cli.option, encode)
    add("-o --output OUT", "x.parquet, x.npy, x.jsonl, or a folder of shards", required=True)
    cli.add_model(encode)
    add("--dtype", "what to write", choices=("float32", "float16", "int8", "binary"),
        default="float32")
    add("--truncate-dim N", "keep the first N components", type=int)
    add("--long", "what to do with a text longer than the model reads: cut it, average its "
        "passages, write a row for each passage, or stop",
        choices=("truncate", "chunk", "split", "error"), default="truncate")
    add("--prompt-name P", "put this prompt of the model before each text")
    cli.add_json(encode, "a summary")
    score = cli.add_command(
        commands, "score", _score,
        summary="score a file of pairs of texts, however many there are",
        description=f"Score pairs of texts with a cross-encoder. {_OUTPUT.format('scores')}",
        examples=_SCORE_EXAMPLES,
        resumes=True,
    )
    add = partial(cli.option, score)
    add("PAIRS", "csv, tsv, jsonl, parquet or xlsx", dest="file")
    add("--columns FIRST SECOND", "the two columns of a pair (default: two with the usual names)")
    add("-o --output OUT", "x.parquet, x.csv, x.tsv, x.xlsx, x.jsonl, x.npy, or a folder of "
        "parquet shards", required=True)
    add("--model M", "a cross-encoder: a directory, a name or a Hub id", required=True)
    cli.add_engine(score)
    add("--raw", "write logits, not scores")
    add("--symmetric", "score both orders and take the mean")
    add("--truncate", "which text of a pair to cut if it is too long: the longer one, or the "
        "second", choices=("longest", "document"), default="longest")
    cli.add_json(score, "a summary")
    classify = cli.add_command(
        commands, "classify", _classify,
        summary="label a file of texts by a classifier, however many there are",
        description=f"Label a file of texts. {_OUTPUT.format('labels and probabilities')}",
        examples=_CLASSIFY_EXAMPLES,
        resumes=True,
    )
    add = partial(cli.option, classify)
    add("MODEL", "what sememe train classifier made")
    cli.add_input(classify)
    add("-o --output OUT", "x.csv, x.tsv, x.xlsx, x.jsonl, x.parquet, or a folder for parquet "
        "shards", required=True)
    add("--proba", "write every label's probability too")
    cli.add_vectors(classify)
    cli.add_engine(classify)
    cli.add_json(classify, "a summary")
# fmt: on


def _encode(options: argparse.Namespace) -> int:
    from sememe.encoders.disk import PASSAGES, VECTORS

    started = time.perf_counter()
    texts = _rows(options, PASSAGES if options.long == "split" else VECTORS)
    encoder = sememe.BiEncoder(options.model, **cli.engine_options(options))
    how = cli.arguments(options, encoder.encode_to)
    result = encoder.encode_to(texts, options.output, **how)
    noun = "passage" if options.long == "split" else "text"
    return _report(options, result, (noun, f"vectors of {result.dim}"), encoder, started)


def _score(options: argparse.Namespace) -> int:
    from sememe.encoders.disk import SCORES
    from sememe.tables import choose_pair

    started = time.perf_counter()
    choose = lambda names, file: [[name] for name in choose_pair(names, options.columns, file)]  # noqa: E731
    pairs = _rows(options, SCORES, choose)
    cross = sememe.CrossEncoder(options.model, **cli.engine_options(options))
    result = cross.score_to(pairs, options.output, **cli.arguments(options, cross.score_to))
    noun = "scores" if result.dim == 1 else f"scores of {result.dim} labels"
    return _report(options, result, ("pair", noun), cross, started)


def _classify(options: argparse.Namespace) -> int:
    from sememe.classification.classifier import FORMS
    from sememe.tables import read_table

    started = time.perf_counter()
    rows = _rows(options, FORMS)
    classifier = sememe.Classifier(options.model, **cli.engine_options(options))
    vectors = None
    if options.vectors:
        table = read_table(options.file)
        texts = table.text_column(options.column)
        values = cli.read_vectors(options, table, texts, classifier.encoder)
        vectors = dict(zip(texts, values, strict=True))
    result = classifier.predict_to(rows, options.output, proba=options.proba, vectors=vectors)
    return _report(options, result, ("text", f"labels of {result.dim}"), classifier, started)


def _rows(
    options: argparse.Namespace, forms: tuple[str, ...], choose: "Choose | None" = None
) -> "FileRows":
    """The rows of the input, opened once the output is known to be writable."""
    from sememe.encoders.disk import check_output
    from sememe.jobs import FileRows
    from sememe.tables import choose_columns

    output_format = check_output(options.output, forms, options.file)
    texts = lambda names, file: [choose_columns(names, options.column, file)]  # noqa: E731
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
    summary = {**asdict(result), "path": str(result.path), "seconds": round(seconds, 3)}
    noun, values = nouns
    resumed = f" ({result.found:,} of them were finished before)" if result.found else ""
    return cli.report(
        options,
        {**summary, "fingerprint": model.fingerprint},
        f"{counted(result.rows, noun)}{resumed}, {values}, in {seconds:.1f} s: {result.path}",
    )

"""`sememe encode`: the vectors of a file of sentences, on disk."""

import argparse
import sys
import time
from dataclasses import asdict
from typing import TYPE_CHECKING

import sememe
from sememe.cli.parser import (
    add_command,
    add_input,
    add_json,
    add_model,
    check_outputs,
    engine_options,
    print_json,
)
from sememe.progress import counted

if TYPE_CHECKING:
    from sememe.cli.parser import Commands
    from sememe.encoders.disk import OnDisk
    from sememe.jobs import FileRows

_EXAMPLES = """\
sememe encode questions.txt -o vectors.npy
sememe encode tickets.csv --column body -o vectors.parquet
sememe encode archive.jsonl --dtype int8 -o vectors/
sememe encode papers.csv --column abstract --long split -o passages.parquet"""


def add_commands(commands: "Commands") -> None:
    """Add the command to the parser."""
    parser = add_command(
        commands,
        "encode",
        summary="turn a file of sentences into vectors, however many there are",
        description="Encode a file of sentences to disk. The output keeps all columns and adds the "
        "vectors (.npy holds the vectors alone). If the command is interrupted, run it again: it "
        "resumes where it stopped, and the output is the same.",
        examples=_EXAMPLES,
    )
    add_input(parser)
    parser.add_argument("-o", "--output", metavar="OUT", required=True,
                        help="x.parquet, x.npy, x.jsonl, or a folder of shards")  # fmt: skip
    add_model(parser)
    parser.add_argument("--dtype", choices=("float32", "float16", "int8", "binary"),
                        default="float32", help="what to write (default: %(default)s)")  # fmt: skip
    parser.add_argument("--truncate-dim", metavar="N", type=int,
                        help="keep the first N components")  # fmt: skip
    parser.add_argument("--long", choices=("truncate", "chunk", "split", "error"),
                        default="truncate", help="what to do with a text longer than the model "
                        "reads: cut it, average it over windows, write a row for each passage, or "
                        "stop (default: %(default)s)")  # fmt: skip
    parser.add_argument(
        "--prompt-name", metavar="P", help="put this prompt of the model before each text"
    )
    add_json(parser, "a summary")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from sememe.encoders.disk import PASSAGES, VECTORS

    started = time.perf_counter()
    texts = text_rows(options, PASSAGES if options.long == "split" else VECTORS)
    encoder = sememe.BiEncoder(options.model, **engine_options(options))
    result = encoder.encode_to(
        texts,
        options.output,
        dtype=options.dtype,
        truncate_dim=options.truncate_dim,
        prompt_name=options.prompt_name,
        long=options.long,
    )
    fingerprint = encoder.fingerprint if options.json else ""
    noun = "passage" if options.long == "split" else "text"
    print_summary(result, (noun, f"vectors of {result.dim}"), started, fingerprint)
    return 0


def text_rows(options: argparse.Namespace, forms: tuple[str, ...]) -> "FileRows":
    """The rows of a file of texts, opened once the output is known to be writable."""
    from sememe.encoders.disk import check_output
    from sememe.jobs import FileRows
    from sememe.tables import choose_columns, file_name

    check_outputs([options.file], {"-o": options.output})
    output_format = check_output(options.output, forms, options.file)
    name = file_name(options.file)
    choose = lambda names: [choose_columns(names, options.column, name)]  # noqa: E731
    return FileRows(options.file, choose, output_format)


def print_summary(
    result: "OnDisk", nouns: tuple[str, str], started: float, fingerprint: str
) -> None:
    """Print what is on disk now; with a fingerprint, as JSON too.

    Args:
        result: what the job wrote.
        nouns: one of what was read, and what was written.
        started: when the command started, by `time.perf_counter`.
        fingerprint: the encoder's, or "" for no JSON.
    """
    seconds = time.perf_counter() - started
    if fingerprint:
        summary = {**asdict(result), "path": str(result.path), "seconds": round(seconds, 3)}
        print_json({**summary, "fingerprint": fingerprint})
    noun, values = nouns
    resumed = f" ({result.found:,} of them were finished before)" if result.found else ""
    print(
        f"{counted(result.rows, noun)}{resumed}, {values}, in {seconds:.1f} s: {result.path}",
        file=sys.stderr,
    )

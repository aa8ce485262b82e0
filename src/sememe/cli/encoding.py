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

if TYPE_CHECKING:
    from sememe.cli.parser import Commands
    from sememe.encoders.disk import OnDisk
    from sememe.jobs import FileRows

_EXAMPLES = """\
sememe encode questions.txt -o vectors.npy
sememe encode tickets.csv --column body -o vectors.parquet
sememe encode archive.jsonl --dtype int8 -o vectors/"""


def add_commands(commands: "Commands") -> None:
    """Add the command to the parser."""
    parser = add_command(
        commands,
        "encode",
        summary="turn a file of sentences into vectors, however many there are",
        description="Encode a file of sentences to disk: all its columns stay, with the vectors "
        "beside them (.npy holds vectors alone). Interrupted, the same command goes on where it "
        "was, and its output is the same as without the interruption.",
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
    parser.add_argument("--long", choices=("truncate", "chunk", "error"), default="truncate",
                        help="what to do with a text over the model's length: cut it, read it "
                        "whole in windows, or stop (default: %(default)s)")  # fmt: skip
    parser.add_argument("--prompt-name", metavar="P", help="put this prompt of the model's first")
    add_json(parser, "a summary")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from sememe.encoders.disk import VECTORS

    started = time.perf_counter()
    texts = text_rows(options, VECTORS)
    encoder = sememe.BiEncoder(options.model, **engine_options(options))
    done = encoder.encode_to(
        texts,
        options.output,
        dtype=options.dtype,
        truncate_dim=options.truncate_dim,
        prompt_name=options.prompt_name,
        long=options.long,
    )
    what = f"vectors of {done.dim}"
    say_done(done, ("texts", what), started, encoder.fingerprint if options.json else "")
    return 0


def text_rows(options: argparse.Namespace, forms: tuple[str, ...]) -> "FileRows":
    """The rows of a file of texts, opened when it is known that the output can be written."""
    from sememe.encoders.disk import check_output
    from sememe.jobs import FileRows
    from sememe.tables import choose_column, file_name

    check_outputs([options.file], {"-o": options.output})
    form = check_output(options.output, forms, options.file)
    name = file_name(options.file)
    choose = lambda names: [choose_column(names, options.column, name)]  # noqa: E731
    return FileRows(options.file, choose, form)


def say_done(done: "OnDisk", what: tuple[str, str], started: float, fingerprint: str) -> None:
    """Say what is on disk now and, where a fingerprint is given, print it all as JSON."""
    seconds = time.perf_counter() - started
    if fingerprint:
        said = {**asdict(done), "path": str(done.path), "seconds": round(seconds, 3)}
        print_json({**said, "fingerprint": fingerprint})
    items, results = what
    found = f" ({done.found:,} of them were finished before)" if done.found else ""
    print(
        f"{done.rows:,} {items}{found}, {results}, in {seconds:.1f} s: {done.path}",
        file=sys.stderr,
    )

"""`sememe encode`: the vectors of a file of sentences, on disk."""

import argparse
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from itertools import chain
from typing import TYPE_CHECKING, Any

import sememe
from sememe.cli.parser import (
    add_command,
    add_input,
    add_json,
    add_model,
    engine_options,
    print_json,
)

if TYPE_CHECKING:
    from sememe.cli.parser import Commands
    from sememe.encoders.disk import OnDisk

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
        description="Encode a file of sentences to disk. Interrupted, the same command goes on "
        "where it was, and its output is the same as without the interruption.",
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
    from sememe.encoders.disk import check_output
    from sememe.tables import stream_texts

    started = time.perf_counter()
    check_output(options.output)
    texts = begun(stream_texts(options.file, options.column))
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


def begun(blocks: Iterator[list[Any]]) -> Iterator[Any]:
    """All that is in the blocks; a file that cannot be read is told of before a model is loaded."""
    return chain(next(blocks), chain.from_iterable(blocks))


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

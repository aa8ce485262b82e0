"""Run the command `sememe` in this process: as a shell sees it, without the seconds of a start."""

import io
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from unittest.mock import patch

from sememe.cli import main


def sememe(
    *arguments: object, stdin: str | bytes = "", encoding: str = "utf-8"
) -> subprocess.CompletedProcess[str]:
    """Run a command with pipes of an encoding for its streams, as if nothing had run before it.

    Closed streams, signals and the environment that libraries read when they are imported need a
    process of their own.
    """
    content = stdin.encode(encoding) if isinstance(stdin, str) else stdin
    streams = {
        "stdin": io.TextIOWrapper(io.BytesIO(content), encoding),
        "stdout": io.TextIOWrapper(io.BytesIO(), encoding, write_through=True),
        "stderr": io.TextIOWrapper(io.BytesIO(), encoding, write_through=True),
    }
    line = [str(argument) for argument in arguments]
    with _replaced(streams), patch.dict("sememe.errors._warned", clear=True):
        try:
            code = main(line)
        except SystemExit as exit_:
            code = exit_.code if isinstance(exit_.code, int) else 1
    written = [_written(streams[name], encoding) for name in ("stdout", "stderr")]
    return subprocess.CompletedProcess(line, code, *written)


def _written(stream: io.TextIOWrapper, encoding: str) -> str:
    assert isinstance(stream.buffer, io.BytesIO)
    return stream.buffer.getvalue().decode(encoding)


@contextmanager
def _replaced(streams: Mapping[str, object]) -> Iterator[None]:
    before = {name: getattr(sys, name) for name in streams}
    try:
        for name, stream in streams.items():
            setattr(sys, name, stream)
        yield
    finally:
        for name, stream in before.items():
            setattr(sys, name, stream)

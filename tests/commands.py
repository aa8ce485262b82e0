"""Run the command `sememe` in this process: as a shell sees it, without the seconds of a start."""

import io
import subprocess
import sys
from contextlib import contextmanager
from collections.abc import Iterator

from sememe.cli import main


def sememe(*arguments: object, stdin: str | bytes = "") -> subprocess.CompletedProcess[str]:
    """Run a command with pipes for its streams; what matters of a real process is tested apart."""
    given = stdin.encode() if isinstance(stdin, str) else stdin
    streams = {
        "stdin": io.TextIOWrapper(io.BytesIO(given), "utf-8"),
        "stdout": io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True),
        "stderr": io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True),
    }
    line = [str(argument) for argument in arguments]
    with _replaced(streams):
        try:
            code = main(line)
        except SystemExit as exit_:
            code = exit_.code if isinstance(exit_.code, int) else 1
    written = [streams[name].buffer.getvalue().decode() for name in ("stdout", "stderr")]  # type: ignore[attr-defined]
    return subprocess.CompletedProcess(line, code, *written)


@contextmanager
def _replaced(streams: dict[str, io.TextIOWrapper]) -> Iterator[None]:
    before = {name: getattr(sys, name) for name in streams}
    try:
        for name, stream in streams.items():
            setattr(sys, name, stream)
        yield
    finally:
        for name, stream in before.items():
            setattr(sys, name, stream)

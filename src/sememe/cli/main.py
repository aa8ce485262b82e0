"""The command `sememe` from its first moment: streams, Ctrl-C and what is left to print at the end.

Exit codes: 0 done; 2 the input is wrong (one line says what); 1 the input is right, but it could
not be done now (a full disk, another process at work, no network), or only in part (one of several
models cannot be measured); 130 stopped by Ctrl-C.
"""

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import IO, Any


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    try:
        _open_streams()
        from sememe.cli.commands import run  # here, so that Ctrl-C may come while it is imported

        return _flushed(run(arguments))
    except KeyboardInterrupt as stop:
        print("; ".join(["sememe: stopped", *map(str, stop.args)]), file=sys.stderr)
        return 130


def _open_streams() -> None:
    """Stand-ins for what is closed; characters that a terminal does not know are replaced."""
    for descriptor in range(3):  # or the next file that is opened would get what libraries print
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDONLY if descriptor < 2 else os.O_WRONLY)
    if sys.stdout is None:  # what may only be read: results that nobody gets are an error
        nobody = os.open(os.devnull, os.O_RDONLY)
        sys.stdout = open(nobody, "w", encoding="utf-8")  # noqa: PTH123, SIM115
    if not isinstance(sys.stderr, _Messages):  # where there is none, print takes standard output
        stream = sys.stderr or open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115
        sys.stderr = _Messages(stream)
    for stream in (sys.stdin, sys.stdout, sys.stderr):  # pipes are read as bytes, not by the first
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")


def _flushed(code: int) -> int:
    """Write what is left of standard output; a reader such as `head` may have seen enough."""
    try:
        sys.stdout.flush()
        return code
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes once more
        if isinstance(error, BrokenPipeError):
            return code
        print(f"sememe: standard output cannot be written: {error.strerror}", file=sys.stderr)
        return 1


class _Messages:
    """Standard error, whose loss never stops the work: closed, full, or a pipe nobody reads."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with suppress(OSError, ValueError):  # the latter where the stream was closed meanwhile
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

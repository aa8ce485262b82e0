"""Files: which format one has, what it really holds, how it is encoded; and replacing one whole."""

import gzip
import io
import os
import re
import secrets
import shlex
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import IO, cast

from sememe.arguments import did_you_mean
from sememe.errors import TableError, is_unavailable

StrPath = str | os.PathLike[str]

FORMATS = {
    ".txt": "txt",
    ".text": "txt",
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".xlsx": "xlsx",
}
_HEAD = 8192
_DESCRIPTORS = re.compile(r"-|/dev/stdin|/(dev|proc/self)/fd/\d+")
_SHEET = re.compile(r"(.+\.xlsx)#(.+)", re.IGNORECASE)
_MARKS = {
    b"\xff\xfe\0\0": "utf-32",  # before UTF-16's, which it begins with
    b"\0\0\xfe\xff": "utf-32",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}
_LFS_POINTER = b"version https://git-lfs.github.com/spec/"
# Of Latin-1 it has all that a text can have.
_CONVERSION = ", or, if it is in Windows-1252, convert it: iconv -f cp1252 -t utf-8 {} > utf8{}"
_SIGNATURES = {
    b"PK\x03\x04": "a zip archive: unpack it first",
    b"\xd0\xcf\x11\xe0": "an old Excel or Word file, or one with a password: save it as .xlsx or "
    ".csv, without a password",
    b"%PDF-": "a PDF: save its text as .txt",
    b"\x1f\x8b": "gzip: add .gz to its name",
    b"PAR1": "parquet: name it .parquet",
}


def split_sheet(path: StrPath) -> tuple[str, str | None]:
    """A path, and the sheet that is named behind it.

    >>> split_sheet("orders.xlsx#May")
    ('orders.xlsx', 'May')
    """
    match = _SHEET.fullmatch(os.fspath(path))
    return (match[1], match[2]) if match else (os.fspath(path), None)


def file_name(path: StrPath) -> str:
    """How messages call a file."""
    return "standard input" if os.fspath(path) == "-" else os.fspath(path)


def input_format(path: StrPath) -> str:
    """The format to read, by the suffix (a text format may have .gz after it).

    Standard input and pipes without a suffix are lines of text. No pipe is opened: what is read
    from it once is gone.
    """
    suffix = Path(split_sheet(path)[0]).suffix.lower()
    is_compressed = suffix == ".gz"
    file_format = FORMATS.get(Path(Path(path).stem).suffix.lower() if is_compressed else suffix)
    if file_format and not (is_compressed and file_format in ("parquet", "xlsx")):
        return file_format
    with suppress(OSError):  # which opening it explains
        if _DESCRIPTORS.fullmatch(os.fspath(path)) or Path(path).is_fifo():
            return "txt"
    with open_bytes(path) as stream:
        kind = looks_like(stream.read(_HEAD))
    if suffix == ".json":
        kind = "JSON: write one object a line, as .jsonl"
    raise TableError(
        f"{path} has a suffix that is not known{kind and f' (it is {kind})'}; what can be read is "
        f"{', '.join(FORMATS)}, the text formats also with .gz, and - for lines on standard input"
    )


@contextmanager
def open_bytes(path: StrPath) -> Iterator[IO[bytes]]:
    """Open a file that is not empty; whatever is wrong with it becomes a TableError."""
    name, (path, _) = file_name(path), split_sheet(path)
    compressed = Path(path).suffix.lower() == ".gz"
    try:
        with _open(path) as raw, gzip.open(raw) if compressed else nullcontext(raw) as opened:
            stream = cast(IO[bytes], opened)
            head = stream.read(len(_LFS_POINTER))
            if not head:
                raise TableError(f"{name} is empty")
            if head == _LFS_POINTER:
                raise TableError(
                    f"{name} is a Git LFS pointer, which only names the file: git lfs pull, in its "
                    "repository, fetches the file itself"
                )
            stream.seek(0)
            yield stream
    except FileNotFoundError:
        raise TableError(_missing(Path(path))) from None
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or error
        raise TableError(
            f"{name} cannot be read: {reason}", unavailable=is_unavailable(error)
        ) from error


def _open(path: StrPath) -> IO[bytes]:
    if os.fspath(path) == "-":
        if sys.stdin is None:
            raise TableError("standard input is closed, so nothing can be read from it")
        return io.BytesIO(sys.stdin.buffer.read())
    if Path(path).is_dir():
        raise TableError(f"{path} is a folder: give one of the files in it")
    with Path(path).open("rb") as stream:
        if not stream.seekable():  # a pipe: what is read from it once is gone
            return io.BytesIO(stream.read())
    return Path(path).open("rb")


def _missing(path: Path) -> str:
    try:
        guess = did_you_mean(path.name, (file.name for file in path.parent.iterdir()))
    except FileNotFoundError:
        guess = f": there is no folder {path.parent}"
    except OSError:
        guess = ""  # a folder that may be entered but not listed
    return f"there is no file {path}{guess}"


@contextmanager
def open_text(path: StrPath) -> Iterator[IO[str]]:
    """Open UTF-8, or UTF-16 or UTF-32 with a byte order mark; line ends are left as they are."""
    with open_bytes(path) as stream:
        head = stream.read(_HEAD)
        stream.seek(0)
        encoding = next((code for mark, code in _MARKS.items() if head.startswith(mark)), "")
        kind = looks_like(head)
        if kind or (b"\0" in head and not encoding):
            raise TableError(
                f"{file_name(path)} looks binary, not text{kind and f': it is {kind}'}"
            )
        lines = io.TextIOWrapper(stream, encoding or "utf-8-sig", newline="")
        try:
            yield lines
        except UnicodeDecodeError as error:
            # The chunk that failed to decode ends where the stream stands.
            offset = stream.tell() - len(error.object) + error.start
            stream.seek(0)
            line = stream.read(offset).decode(lines.encoding).count("\n") + 1
            suffix, quoted = Path(path).suffix, shlex.quote(os.fspath(path))
            advice = "" if encoding else _CONVERSION.format(quoted, suffix)
            raise TableError(
                f"{file_name(path)}, line {line}: byte 0x{stream.read(1).hex()} at offset {offset} "
                f"is not {encoding.upper() or 'UTF-8'}; save the file as UTF-8{advice}"
            ) from None


def looks_like(head: bytes) -> str:
    """What a file that is not text is, and what to do with it; "" when it is not known."""
    if head.startswith(b"PK\x03\x04") and b"xl/" in head:
        return "an Excel workbook: name it .xlsx"
    if head.startswith(b"PAR1") and b"\0" not in head:
        return ""  # also the name of a gene, which a text may well begin with
    return next((kind for magic, kind in _SIGNATURES.items() if head.startswith(magic)), "")


@contextmanager
def replacing(path: StrPath, folder: Path | None = None) -> Iterator[Path]:
    """Yield a temporary path beside `path`, which takes that name when the block ends well.

    If the block raises, or the process dies, whatever stood at `path` is still there unchanged. The
    temporary name keeps the suffix, and a link is followed to the file that it names. With
    `folder`, on the same disk, it is there: somebody sweeps that folder after a death. TableError
    where nothing can be written.
    """
    check_destination(path)
    target = Path(path).resolve()
    name = f".sememe-{secrets.token_hex(8)}{target.suffix}"
    temporary = (folder or target.parent).resolve() / name
    try:
        yield temporary
        temporary.replace(target)
    except OSError as error:
        raise TableError(
            f"{path} cannot be written: {error.strerror or error}",
            unavailable=is_unavailable(error),
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def check_destination(path: StrPath) -> None:
    """Raise TableError unless `path` is a file that may be replaced, or could be a new one."""
    target, problem = Path(path), ""
    folder = target.parent
    try:
        if folder.is_file():
            problem = f"{folder} is a file, not a folder"
        elif not folder.is_dir():
            problem = f"there is no folder {folder}"
        elif target.exists() and not target.is_file():
            problem = "it is a folder or a device, not a file"
        elif target.exists() and not os.access(target, os.W_OK):
            problem = "it is there and read-only"
        elif not os.access(target.resolve().parent, os.W_OK | os.X_OK):
            problem = f"you may not write into {folder}"
    except OSError as error:
        problem = error.strerror or str(error)
    if problem:
        raise TableError(f"{path} cannot be written: {problem}")

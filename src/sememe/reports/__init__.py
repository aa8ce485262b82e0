"""Reports that are one HTML file: they open offline, in any browser; no text in them is markup."""

import base64
import hashlib
import html
import json
import os
import re
import unicodedata
import zlib
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from importlib import resources
from itertools import accumulate
from typing import Any

from numpy.typing import NDArray

from sememe.tables import replacing

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")  # moves a terminal's cursor


def write_page(
    path: str | os.PathLike[str], name: str, scripts: tuple[str, ...], title: str, data: object
) -> None:
    """Write the page whose body is `name`.html, with its style, scripts, and data for them.

    Its content security policy lets run what is in these files, and nothing else. The file appears
    whole or not at all. Raises TableError where it cannot be written.
    """
    style = "\n".join(map(_template, ("page.css", f"{name}.css")))
    script = "\n".join(map(_template, ("page.js", *scripts)))
    escaped = html.escape(title)
    parts = {
        "title": escaped,
        "style": style,
        "style-source": _source(style),
        "script": script,
        "script-source": _source(script),
        "body": _filled(f"{name}.html", {"title": escaped}),
        "data": _embedded(data),
    }
    page = _filled("page.html", parts)
    with replacing(path) as temporary:
        # A lone surrogate, which UTF-8 cannot hold, becomes a question mark.
        temporary.write_bytes(page.encode("utf-8", errors="replace"))


def packed_array(values: NDArray[Any], dtype: str) -> str:
    """An array's bytes, deflated, in base64: what map-data.js calls `unpackedArray`."""
    return _deflated(values.astype(dtype).tobytes())


def packed_json(data: object) -> str:
    """Data as JSON, deflated, in base64: what map-data.js calls `unpackedJson`."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return _deflated(text.encode("utf-8", errors="replace"))


def shortened(text: str, longest: int) -> str:
    """The text, with an ellipsis for its last character if it is longer than that."""
    return text if len(text) <= longest else text[: longest - 1] + "…"


def one_line(text: str, width: int) -> str:
    """The text on one line of at most `width` terminal columns; wide characters take two.

    Control characters, which could move the cursor, become a replacement character.

    >>> one_line("a new\\nbank card", 11)
    'a new bank…'
    """
    text = _CONTROL.sub("\ufffd", " ".join(text.split()))
    columns = list(accumulate(map(_columns, text)))
    if not columns or columns[-1] <= width:
        return text
    return text[: bisect_right(columns, width - 1)].rstrip() + "…"


def _columns(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) == "Cf":
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def text_table(rows: Sequence[Sequence[str]], left: int) -> list[str]:
    """The lines of a table: its first `left` columns to the left, the others to the right.

    >>> text_table([["model", "V"], ["a", "81.2"]], left=1)
    ['model     V', 'a      81.2']
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    aligned = (
        [f"{cell:{'<' if at < left else '>'}{widths[at]}}" for at, cell in enumerate(row)]
        for row in rows
    )
    return ["  ".join(cells).rstrip() for cells in aligned]


def html_table(names: Sequence[str], rows: Iterable[Sequence[object]], caption: str) -> str:
    """A table for a notebook, every cell of it escaped.

    >>> html_table(["text"], [["a < b"]], "1 text")
    '<table><caption>1 text</caption><tr><th>text</th></tr><tr><td>a &lt; b</td></tr></table>'
    """
    lines = [("th", names), *(("td", row) for row in rows)]
    cells = (
        "".join(f"<{tag}>{html.escape(str(value))}</{tag}>" for value in values)
        for tag, values in lines
    )
    body = "".join(f"<tr>{line}</tr>" for line in cells)
    return f"<table><caption>{html.escape(caption)}</caption>{body}</table>"


def _deflated(content: bytes) -> str:
    return base64.b64encode(zlib.compress(content)).decode("ascii")


def _embedded(data: object) -> str:
    """JSON that ends no script element and breaks no line of one, whatever the texts are."""
    written = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return re.sub("[<>&\u2028\u2029]", lambda match: f"\\u{ord(match[0]):04x}", written)


def _filled(name: str, parts: dict[str, str]) -> str:
    """A template with its parts in place, all in one pass: no part is searched for another."""
    return re.sub(r"\{\{([a-z-]+)\}\}", lambda match: parts[match[1]], _template(name))


def _template(name: str) -> str:
    return resources.files("sememe.reports").joinpath(name).read_text(encoding="utf-8")


def _source(content: str) -> str:
    """The content security policy's name for this one inline style or script."""
    digest = hashlib.sha256(content.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"

"""The data in a written page, as its scripts read them."""

import json
import re
import zlib
from base64 import b64decode
from pathlib import Path
from typing import Any

import numpy as np


def data_of(path: Path) -> dict[str, Any]:
    page = path.read_text(encoding="utf-8")
    parts = re.findall(r'<script id="data" type="application/json">(.*?)</script>', page, re.DOTALL)
    assert len(parts) == 1
    data: dict[str, Any] = json.loads(parts[0])
    return data


def unpacked_json(packed: str) -> Any:
    return json.loads(zlib.decompress(b64decode(packed)))


def unpacked_array(packed: str, dtype: str) -> list[Any]:
    values: list[Any] = np.frombuffer(zlib.decompress(b64decode(packed)), dtype).tolist()
    return values

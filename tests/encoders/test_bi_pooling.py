"""What is said where a pooling is guessed, or takes a vector that was never trained."""

import warnings
from pathlib import Path
from typing import Any

import pytest

from sememe import BiEncoder, errors
from sememe.errors import GuessWarning, SememeWarning, UntrainedWarning
from tiny_architectures import make
from tiny_models import make_checkpoint, write_json


@pytest.fixture(autouse=True)
def nothing_said_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(errors, "_warned", {})


def said(folder: Path, **options: Any) -> list[SememeWarning]:
    """What two encoders say one after the other."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(2):
            BiEncoder(folder, precision="f32", **options)
    return [w.message for w in caught if isinstance(w.message, SememeWarning)]


def with_own_pooling(folder: Path, mode: str) -> Path:
    (folder / "1_Pooling").mkdir()
    write_json(folder / "1_Pooling" / "config.json", {"pooling_mode": mode})
    modules = {"": "Transformer", "1_Pooling": "Pooling"}
    listed = [{"path": path, "type": f"models.{kind}"} for path, kind in modules.items()]
    write_json(folder / "modules.json", listed)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["bert", "roberta"])
def test_a_guessed_pooling_is_said_once(tmp_path: Path, kind: str) -> None:
    folder = make(tmp_path, kind).encoder
    (told,) = said(folder)
    assert isinstance(told, GuessWarning)
    assert 'the mean is taken. pooling="mean" takes the same without saying so' in str(told)
    assert said(folder, pooling="mean") == []


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["roberta", "xlm-roberta", "camembert"])
@pytest.mark.parametrize("pooling", ["cls", "mean+cls"])
def test_the_first_vector_of_roberta_was_never_trained(
    tmp_path: Path, kind: str, pooling: str
) -> None:
    (told,) = said(make(tmp_path, kind).encoder, pooling=pooling)
    assert isinstance(told, UntrainedWarning)
    assert f"pooling={pooling!r} takes the vector of <s>, which was never trained" in str(told)


def test_that_of_bert_was(tmp_path: Path) -> None:
    assert said(make(tmp_path, "bert").encoder, pooling="cls") == []


@pytest.mark.slow
def test_one_that_a_checkpoint_itself_pools_was_trained_so(tmp_path: Path) -> None:
    folder = with_own_pooling(make(tmp_path, "roberta").encoder, "cls")
    assert said(folder) == []
    assert said(folder, pooling="cls") == []
    make_checkpoint(tmp_path / "bert")
    assert said(tmp_path / "bert", pooling="cls") == []


@pytest.mark.slow
def test_one_that_it_does_not_was_not(tmp_path: Path) -> None:
    folder = with_own_pooling(make(tmp_path, "roberta").encoder, "mean")
    assert said(folder) == []
    (told,) = said(folder, pooling="cls")
    assert isinstance(told, UntrainedWarning)

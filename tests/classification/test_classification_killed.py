"""A classifier whose training is stopped: the probe is there, and the same call ends the training.

The processes are forked from a server that has imported torch already.
"""

import json
import os
import resource
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from labelled_texts import labelled_texts

import sememe
from sememe.classification import training as learning
from sememe.errors import JobError, SememeError
from tiny_models import Tiny
from training_processes import finish, start

pytestmark = [
    pytest.mark.filterwarnings("ignore::sememe.errors.ChoiceWarning"),
    pytest.mark.kill,
]
DATA = labelled_texts(20)
RUN: Any = learning._Run
FILES = ("model.safetensors", "classifier.safetensors", "classifier.json", "training.html")


def train(model: Path, output: Path, how: str, **options: Any) -> None:
    sememe.train_classifier(DATA, output, how=how, model=model, **{"epochs": 2, **options})


def killed_at(call: int, model: Path, output: Path, how: str) -> None:
    """`train`, killed when an outcome is measured for so many times; the first is the probe's."""
    measure, calls = RUN.outcome, []

    def measured(*arguments: Any) -> Any:
        calls.append(arguments)
        if len(calls) == call:
            os.kill(os.getpid(), signal.SIGKILL)
        return measure(*arguments)

    RUN.outcome = measured
    train(model, output, how)


def on_a_full_disk(message: Path, call: int, model: Path, output: Path, how: str) -> None:
    """`train`, where the disk is full from a call on; the error goes to a file."""
    measure, calls = RUN.outcome, []
    room = (model / "model.safetensors").stat().st_size // 2

    def measured(*arguments: Any) -> Any:
        calls.append(arguments)
        if len(calls) == call:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
        return measure(*arguments)

    RUN.outcome = measured
    try:
        train(model, output, how)
    except SememeError as error:
        code = 1 if error.unavailable else 2
        message.write_text(f"{type(error).__name__}, exit {code}: {error}")


def how_of(output: Path) -> str:
    how: str = json.loads((output / "classifier.json").read_text())["how"]
    return how


@pytest.mark.slow
def test_a_killed_run_leaves_the_probe_and_is_resumed(shallow: Tiny, tmp_path: Path) -> None:
    output, work = tmp_path / "c", tmp_path / "c.training"
    process = start(train_long, shallow.directory, output)
    while not (work / "_manifest.json").exists():
        assert process.is_alive()
        time.sleep(0.01)
    process.kill()
    assert finish(process) == [-signal.SIGKILL]
    assert how_of(output) == "probe"
    assert sememe.Classifier(output, precision="f32").predict(["nuclear power wind solar"])
    with pytest.raises(JobError, match=r"c\.training was begun with"):
        train_long(shallow.directory, output, seed=1)
    train_long(shallow.directory, output)
    assert how_of(output) == "few-shot"
    assert [path.name for path in tmp_path.iterdir()] == ["c"]
    assert not (output / "unfinished.txt").exists()


def train_long(model: Path, output: Path, seed: int = 0) -> None:
    train(model, output, "few-shot", epochs=8, seed=seed)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["fine-tune", "auto"])
def test_what_was_learned_outlives_a_kill_and_a_full_disk(
    shallow: Tiny, tmp_path: Path, how: str
) -> None:
    expected, output = tmp_path / "expected", tmp_path / "c"
    state, message = tmp_path / "c.training" / "state.pt", tmp_path / "message.txt"
    train(shallow.directory, expected, how)
    assert finish(start(killed_at, 2, shallow.directory, output, how)) == [-signal.SIGKILL]
    assert how_of(output) == "probe"
    learned = state.read_bytes()
    assert finish(start(on_a_full_disk, message, 1, shallow.directory, output, how)) == [0]
    text = message.read_text()
    assert text.startswith(f"JobError, exit 1: {output} cannot be written: ")
    assert text.endswith(f"the same call resumes from the state in {tmp_path / 'c.training'}.")
    assert "\n" not in text
    assert how_of(output) == "probe"
    assert state.read_bytes() == learned
    train(shallow.directory, output, how)
    for name in FILES:
        exists = (expected / name).exists()
        assert exists == (output / name).exists()
        assert not exists or (expected / name).read_bytes() == (output / name).read_bytes()
    first, second = (json.loads((f / "training.json").read_text()) for f in (expected, output))
    assert {**first, "directory": ""} == {**second, "directory": ""}
    assert {path.name for path in tmp_path.iterdir()} == {"expected", "c", "message.txt"}


def test_a_probe_appears_with_its_report_or_not_at_all(shallow: Tiny, tmp_path: Path) -> None:
    output, message = tmp_path / "c", tmp_path / "message.txt"
    assert finish(start(killed_at, 1, shallow.directory, output, "probe")) == [-signal.SIGKILL]
    assert not output.exists()
    assert finish(start(on_a_full_disk, message, 1, shallow.directory, output, "probe")) == [0]
    assert message.read_text().startswith(f"JobError, exit 1: {output} cannot be written: ")
    assert message.read_text().endswith("the same call begins again.")
    train(shallow.directory, output, "probe")
    assert (output / "training.json").exists()


def test_ctrl_c_says_that_the_probe_can_be_used(
    shallow: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("sememe.training.trainer.Trainer._train_step", interrupted)
    with pytest.raises(KeyboardInterrupt, match=r"the probe in .*c can be used; the same"):
        train(shallow.directory, tmp_path / "c", "fine-tune")
    monkeypatch.undo()
    assert how_of(tmp_path / "c") == "probe"
    train(shallow.directory, tmp_path / "c", "fine-tune")
    assert how_of(tmp_path / "c") == "fine-tune"

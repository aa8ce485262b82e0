"""A whole run that is killed, or finds the disk full, resumes by the same call."""

import json
import os
import random
import resource
import shutil
import signal
import time
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from learners import QUICK, make_learner

import sememe
from processes import run_python
from sememe.errors import JobError, SememeError
from training_processes import finish, start
from training_tables import table, write_csv

pytestmark = pytest.mark.filterwarnings("ignore::sememe.errors.ChoiceWarning")
OPTIONS: dict[str, Any] = {**QUICK, "save_minutes": 0, "weights": (1,), "seed": 3}
"""Tuples, too, are the same at the second call."""


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model, a table, and what comes of them without interruption."""
    folder = tmp_path_factory.mktemp("resume")
    make_learner(folder / "model")
    write_csv(folder / "data.csv", table("scored pairs", 100))
    for kind in ("bi", "cross"):
        train(folder, folder / kind, kind)
    return folder


def train(base: Path, output: Path, kind: str = "bi", **options: Any) -> None:
    work = sememe.train_bi if kind == "bi" else sememe.train_cross
    merged = {**OPTIONS, **({"matryoshka": (32, 8)} if kind == "bi" else {"lora": 2}), **options}
    work(base / "data.csv", output, model=base / "model", **merged)


def assert_as_uninterrupted(base: Path, output: Path, kind: str) -> None:
    expected = base / kind
    assert {path.name for path in expected.iterdir()} == {path.name for path in output.iterdir()}
    weights = "model.safetensors"
    assert (output / weights).read_bytes() == (expected / weights).read_bytes()
    report, expected_report = (
        json.loads((f / "training.json").read_text()) for f in (output, expected)
    )
    assert {**report, "directory": ""} == {**expected_report, "directory": ""}
    assert not output.with_name(f"{output.name}.training").exists()


def stamp(path: Path) -> int:
    return path.stat().st_mtime_ns if path.exists() else 0


@pytest.mark.kill
@pytest.mark.slow
@pytest.mark.parametrize("kind", ["bi", "cross"])
def test_kill_9_at_random_moments(base: Path, tmp_path: Path, kind: str) -> None:
    chance, output, kills = random.Random(kind), tmp_path / "made", 0
    state = tmp_path / "made.training" / "state.pt"
    while not output.exists():
        before = stamp(state)
        process = start(train, base, output, kind)
        while process.is_alive() and stamp(state) == before:
            time.sleep(0.001)
        if kills < 4 and state.exists():
            time.sleep(chance.uniform(0, 0.1))
            process.kill()
        process.join()
        assert process.exitcode in (0, -signal.SIGKILL)
        kills += process.exitcode == -signal.SIGKILL
    assert kills, "it was done before it could be killed"
    shutil.rmtree(state.parent, ignore_errors=True)  # of a kill at the very end
    assert_as_uninterrupted(base, output, kind)


def stop_midway(base: Path, output: Path, kind: str = "bi") -> None:
    state = output.with_name(f"{output.name}.training") / "state.pt"
    process = start(train, base, output, kind)
    while process.is_alive() and not state.exists():
        time.sleep(0.001)
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert not output.exists()


@pytest.mark.slow
def test_another_setting_is_another_run(base: Path, tmp_path: Path) -> None:
    output = tmp_path / "made"
    stop_midway(base, output)
    for name, value, message in (
        ("epochs", 2, "begun with epochs 4, and now it is 2"),
        ("seed", 4, "begun with seed 3, and now it is 4"),
        ("loss", "cosine-mse", r"begun with losses \['cosent'\], and now it is \['cosine-mse'\]"),
        ("lora", 4, "begun with lora None, and now it is 4"),
        ("matryoshka", None, r"begun with matryoshka \[32, 8\], and now it is \[\]"),
        ("dev", "none", "begun with dev None, and now it is 'none'"),
        ("weights", [2], r"begun with weights \[1.0\], and now it is \[2.0\]"),
    ):
        with pytest.raises(JobError, match=message) as raised:
            train(base, output, "bi", **{name: value})
        assert "made.training" in str(raised.value)
        assert "delete the folder to begin again" in str(raised.value)
    with pytest.raises(JobError, match="begun with"):
        train(base, output, "cross")
    train(base, output, device=None, save_minutes=60)  # what changes nothing may change
    assert_as_uninterrupted(base, output, "bi")


@pytest.mark.slow
def test_training_that_has_ended_is_kept_until_its_result_is_there(
    base: Path, tmp_path: Path
) -> None:
    output, message, state = tmp_path / "made", tmp_path / "message.txt", tmp_path / "made.training"
    at = "sememe.training.runs.Outcome"
    assert finish(start(die_while_saving, base, output, at, 60)) == [-signal.SIGKILL]
    before = (state / "state.pt").read_bytes()
    assert finish(start(full_at_the_end, base, output, message)) == [0]
    assert message.read_text().startswith(f"JobError: {output} cannot be written: ")
    assert message.read_text().endswith(f"the same call resumes from the state in {state}.")
    assert (state / "state.pt").read_bytes() == before
    assert not output.exists()
    train(base, output, save_minutes=60)
    assert (output / "training.json").is_file()
    assert_as_uninterrupted(base, output, "bi")


def full_at_the_end(base: Path, output: Path, message: Path) -> None:
    """`train`, where the disk is full when the result is saved."""
    tower: Any = import_module("sememe.training.towers").TextTower
    save, room = tower.save, (base / "model" / "model.safetensors").stat().st_size // 2

    def save_on_a_full_disk(*given: Any) -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
        save(*given)

    tower.save = save_on_a_full_disk
    try:
        train(base, output, save_minutes=60)
    except SememeError as error:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
        message.write_text(f"{type(error).__name__}: {error}")


def on_a_full_disk(base: Path, output: Path, message: Path, room: int) -> None:
    """`train`, where no file may grow beyond so many bytes; the error goes to `message`."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
    try:
        train(base, output)
    except SememeError as error:
        message.write_text(f"{type(error).__name__}: {error}")


@pytest.mark.slow
def test_a_full_disk_is_said_and_loses_nothing(base: Path, tmp_path: Path) -> None:
    output, message = tmp_path / "made", tmp_path / "message.txt"
    stop_midway(base, output)
    state = tmp_path / "made.training" / "state.pt"
    before = state.read_bytes()
    room = len(before) // 2
    assert finish(start(on_a_full_disk, base, output, message, room)) == [0]
    assert message.read_text().startswith("JobError: ")
    assert "state.pt cannot be written" in message.read_text()
    assert "the same call resumes from there" in message.read_text()
    assert "\n" not in message.read_text()
    assert state.read_bytes() == before
    assert not output.exists()
    train(base, output)
    assert_as_uninterrupted(base, output, "bi")


def test_a_second_process_at_work_on_it_is_refused(base: Path, tmp_path: Path) -> None:
    output = tmp_path / "made"
    state = tmp_path / "made.training" / "state.pt"
    process = start(train, base, output)
    try:
        while process.is_alive() and not state.exists():
            time.sleep(0.001)
        os.kill(process.pid, signal.SIGSTOP)
        with pytest.raises(JobError, match="Another process is at work"):
            train(base, output)
    finally:
        process.kill()
        process.join()


def die_while_saving(base: Path, output: Path, at: str, save_minutes: float = 0) -> None:
    """`train`, killed when it comes to a function."""
    room, name = at.rsplit(".", 1)
    setattr(import_module(room), name, lambda *_: os.kill(os.getpid(), signal.SIGKILL))
    train(base, output, save_minutes=save_minutes)


@pytest.mark.slow
@pytest.mark.parametrize(
    "at", ["sememe.checkpoint.write._write_face", "sememe.training.runs.write_outcome"]
)
def test_killed_while_it_saves_it_saves_again(base: Path, tmp_path: Path, at: str) -> None:
    output = tmp_path / "made"
    assert finish(start(die_while_saving, base, output, at)) == [-signal.SIGKILL]
    assert not output.exists(), "a model without its report"
    train(base, output)
    assert_as_uninterrupted(base, output, "bi")
    assert list(tmp_path.iterdir()) == [output], "nothing half-written is left"


@pytest.mark.slow
def test_a_run_that_led_nowhere_is_no_hindrance(base: Path, tmp_path: Path) -> None:
    with pytest.raises(sememe.errors.InputError, match="not a number"):
        train(base, tmp_path / "made", learning_rate=1e37, dev="none")
    assert list(tmp_path.iterdir()) == []
    train(base, tmp_path / "made")
    assert_as_uninterrupted(base, tmp_path / "made", "bi")


@pytest.mark.slow
def test_without_torch_training_is_one_line(tmp_path: Path) -> None:
    ran = run_python(
        f"""
        import sys
        import sememe
        print([name for name in ("torch", "numpy") if name in sys.modules])
        for name in ("torch", "transformers", "accelerate"):
            for loaded in [each for each in sys.modules if each.startswith("sememe.training")]:
                del sys.modules[loaded]
            sys.modules[name] = None
            try:
                sememe.train_bi("data.csv", {str(tmp_path / "made")!r})
            except sememe.errors.MissingExtra as error:
                print(error)
            del sys.modules[name]
        """
    )
    assert ran.stdout.splitlines() == [
        "[]",
        'torch is not installed; needed for training: pip install "torch>=2.6"',
        'transformers is not installed; needed for training: pip install "transformers>=4.48"',
        'accelerate is not installed; needed for training: pip install "accelerate>=1.2"',
    ]
    assert ran.stderr == ""

"""Killed at any moment, a run goes on as if nothing had happened, to the bit."""

import random
import re
import resource
import signal
import time
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from points import Points, quality, run, write

from sememe.errors import JobError
from sememe.evaluation.outcome import History
from sememe.training.trainer import Trainer
from training_processes import finish, start


@cache
def uninterrupted() -> tuple[History, dict[str, Any]]:
    return run()


def assert_as_uninterrupted(history: History, weights: dict[str, Any]) -> None:
    expected, best = uninterrupted()
    assert history == expected
    assert weights.keys() == best.keys()
    for name, weight in best.items():
        assert torch.equal(weights[name], weight), name


class Stopped(BaseException):
    """As Ctrl-C."""


@pytest.mark.slow
@pytest.mark.parametrize("at", [1, 2, 17, 40, 53, 54])
def test_it_goes_on_after_any_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    stop_after(at, tmp_path, monkeypatch)
    assert len(torch.load(tmp_path / "state.pt")["history"]["losses"]) == at
    # Another model, and another generator: all that counts is in the state.
    torch.manual_seed(99)
    assert_as_uninterrupted(*run(tmp_path, tower=Points(seed=8)))


def stop_after(steps: int, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save = Trainer._save

    def stopping(trainer: Trainer) -> None:
        save(trainer)
        if len(trainer.history.losses) == steps:
            raise Stopped

    monkeypatch.setattr(Trainer, "_save", stopping)
    with pytest.raises(Stopped):
        run(folder)
    monkeypatch.undo()


@pytest.mark.slow
def test_it_goes_on_from_the_last_state_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop_after(20, tmp_path, monkeypatch)
    calls = []

    def measure(tower: Any) -> float:
        calls.append(quality(tower))
        if len(calls) == 3:
            raise Stopped
        return calls[-1]

    monkeypatch.setattr("points.quality", measure)
    with pytest.raises(Stopped):
        run(tmp_path, save_minutes=60)  # whose steps are lost
    monkeypatch.undo()
    assert_as_uninterrupted(*run(tmp_path))


@pytest.mark.kill
@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_kill_9_at_random_moments(tmp_path: Path, seed: int) -> None:
    chance, state, kills = random.Random(seed), tmp_path / "state.pt", 0
    while not (tmp_path / "done.pt").exists():
        before = stamp(state)
        process = start(write, tmp_path, tmp_path / "done.pt")
        while process.is_alive() and stamp(state) == before:
            time.sleep(0.001)
        if kills < 5:
            time.sleep(chance.uniform(0, 0.03))
            process.kill()
        process.join()
        kills += process.exitcode == -signal.SIGKILL
        assert process.exitcode in (0, -signal.SIGKILL)
    assert kills, "it was done before it could be killed"
    losses, evaluations, best, weights = torch.load(tmp_path / "done.pt")
    history = History(losses, uninterrupted()[0].rates, evaluations, best)
    assert_as_uninterrupted(history, weights)


def stamp(path: Path) -> int:
    return path.stat().st_mtime_ns if path.exists() else 0


def write_on_a_full_disk(folder: Path, output: Path, room: int) -> None:
    """`write`, where no file may grow beyond so many bytes; the error goes to the output."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
    try:
        write(folder, output)
    except JobError as error:
        output.write_text(str(error))


@pytest.mark.slow
def test_a_full_disk_leaves_the_state_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop_after(20, tmp_path, monkeypatch)
    state, message = (tmp_path / "state.pt").read_bytes(), tmp_path / "message.txt"
    for room in (1000, len(state) // 2, len(state) - 1):
        assert finish(start(write_on_a_full_disk, tmp_path, message, room)) == [0]
        assert re.search(
            r"/state\.pt cannot be written(: File too large)?\. The", message.read_text()
        )
        assert "is the disk full?" in message.read_text()
        assert "\n" not in message.read_text()
        assert (tmp_path / "state.pt").read_bytes() == state
        assert len(list(tmp_path.iterdir())) == 2, "nothing half-written is left"
    assert_as_uninterrupted(*run(tmp_path))


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04", b"not a state", None])
def test_a_damaged_state_is_said(tmp_path: Path, damage: bytes | None) -> None:
    run(tmp_path, epochs=0.2)
    file = tmp_path / "state.pt"
    file.write_bytes(file.read_bytes()[:-200] if damage is None else damage)
    with pytest.raises(JobError, match=r"state\.pt cannot be read \(.*; delete .* to begin again"):
        run(tmp_path)


def test_a_state_runs_no_code(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "ran",))

    torch.save({"modules": Evil()}, tmp_path / "state.pt")
    with pytest.raises(JobError, match="cannot be read"):
        run(tmp_path)
    assert not (tmp_path / "ran").exists()


@pytest.mark.slow
def test_patience_outlives_a_kill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected, _ = run(patience=2)
    assert len(expected.losses) < 54
    stop_after(len(expected.losses) - 2, tmp_path, monkeypatch)
    assert run(tmp_path, patience=2)[0] == expected

"""A classifier whose training was killed: the same call ends it, another one is told apart."""

import json
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest
from labelled_texts import labelled_texts

import sememe
from sememe.errors import JobError
from tiny_models import Tiny

pytestmark = [
    pytest.mark.filterwarnings("ignore::sememe.errors.ChoiceWarning"),
    pytest.mark.slow,
    pytest.mark.kill,
]


def test_a_killed_run_is_gone_on_with(tiny: Tiny, tmp_path: Path) -> None:
    output, work = tmp_path / "c", tmp_path / "c.training"
    data, epochs = labelled_texts(20), 20
    code = (
        f"import sememe; sememe.train_classifier({data!r}, {str(output)!r}, how='few-shot', "
        f"model={str(tiny.directory)!r}, epochs={epochs})"
    )
    with subprocess.Popen([sys.executable, "-W", "ignore", "-c", code]) as process:
        while not (work / "_manifest.json").exists():
            assert process.poll() is None
            time.sleep(0.01)
        process.kill()
    assert not output.exists()

    def again(seed: int) -> None:
        sememe.train_classifier(
            data, output, how="few-shot", model=tiny.directory, epochs=epochs, seed=seed
        )

    with pytest.raises(JobError, match=r"c\.training was begun with"):
        again(seed=1)
    again(seed=0)
    assert sememe.Classifier(output, precision="f32").predict(["nuclear power wind solar"])
    assert not work.exists()


# --- the work is done, and what came of it is not saved yet ---

TRAIN = """
import os, resource, signal, sys
import sememe
from sememe.classification import training as learning

def kill(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

def fill_the_disk(*given):
    outcome = measure(*given)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, ({room}, resource.RLIM_INFINITY))
    return outcome

measure = learning._Run.outcome
{before}
try:
    sememe.train_classifier({data!r}, {output!r}, model={model!r}, **{options!r})
except sememe.errors.SememeError as error:
    print(f"{{type(error).__name__}}: {{error}}")
"""
FILES = ("model.safetensors", "classifier.safetensors", "classifier.json", "training.html")


def run(tiny: Tiny, output: Path, before: str = "", **options: Any) -> subprocess.Popen[str]:
    weights = (tiny.directory / "model.safetensors").stat().st_size
    code = TRAIN.format(
        before=before, room=weights // 2, output=str(output), model=str(tiny.directory),
        data=labelled_texts(20), options={"epochs": 2, **options},
    )  # fmt: skip
    command = [sys.executable, "-W", "ignore", "-c", textwrap.dedent(code)]
    return subprocess.Popen(command, text=True, stdout=subprocess.PIPE)


@pytest.mark.parametrize("how", ["fine-tune", "auto"])
def test_what_was_learned_outlives_a_kill_and_a_full_disk(
    tiny: Tiny, tmp_path: Path, how: str
) -> None:
    expected, output = tmp_path / "expected", tmp_path / "c"
    state = tmp_path / "c.training" / "state.pt"
    assert run(tiny, expected, how=how).wait() == 0
    assert run(tiny, output, "learning._Run.outcome = kill", how=how).wait() == -signal.SIGKILL
    assert not output.exists()
    learned = state.read_bytes()
    full = run(tiny, output, "learning._Run.outcome = fill_the_disk", how=how)
    said = full.communicate()[0].strip()
    assert full.returncode == 0
    assert said.startswith(f"JobError: {output} cannot be written: ")
    assert said.endswith(f"the same call resumes from the state in {tmp_path / 'c.training'}.")
    assert "\n" not in said
    assert not output.exists()
    assert state.read_bytes() == learned
    assert run(tiny, output, how=how).wait() == 0
    for name in FILES:
        there = (expected / name).exists()
        assert there == (output / name).exists()
        assert not there or (expected / name).read_bytes() == (output / name).read_bytes()
    first, second = (json.loads((f / "training.json").read_text()) for f in (expected, output))
    assert {**first, "directory": ""} == {**second, "directory": ""}
    assert {path.name for path in tmp_path.iterdir()} == {"expected", "c"}


def test_a_probe_appears_with_its_report_or_not_at_all(tiny: Tiny, tmp_path: Path) -> None:
    output = tmp_path / "c"
    before = "import sememe.evaluation.outcome; sememe.evaluation.outcome.write_outcome = kill"
    assert run(tiny, output, before, how="probe").wait() == -signal.SIGKILL
    assert not output.exists()
    full = run(tiny, output, "learning._Run.outcome = fill_the_disk", how="probe")
    said = full.communicate()[0].strip()
    assert said.startswith(f"JobError: {output} cannot be written: ")
    assert said.endswith("the same call begins again.")
    assert run(tiny, output, how="probe").wait() == 0
    assert (output / "training.json").exists()

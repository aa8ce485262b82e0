"""A classifier whose training was killed: the same call ends it, another one is told apart."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
from labelled_texts import labelled_texts

import sememe
from sememe.errors import JobError
from tiny_models import Tiny

pytestmark = pytest.mark.filterwarnings("ignore::sememe.errors.ChoiceWarning")


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

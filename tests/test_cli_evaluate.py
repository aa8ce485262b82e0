"""`sememe evaluate`: the table, the JSON, the folder, and what goes wrong."""

import json
from pathlib import Path

import pytest

from commands import sememe
from sememe.tables import write_table
from tiny_models import Tiny, make_cross_encoder

FIRST = [f"the {word} is good" for word in ("power", "bus", "train", "book", "road")] * 6
SECOND = [f"a {word}" for word in ("wind", "tram", "school", "film", "city", "car")] * 5


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("evaluate")
    scores = [(7 * i) % 11 / 10 for i in range(30)]
    write_table(folder / "scored.csv", {"sentence1": FIRST, "sentence2": SECOND, "score": scores})
    write_table(folder / "labelled.csv", {"text": FIRST, "label": ["a", "b", "c"] * 10})
    make_cross_encoder(folder / "cross")
    return folder


@pytest.mark.slow
def test_models_are_rows_of_a_table_and_of_json(folder: Path, tiny: Tiny) -> None:
    bi, cross = f"{tiny.directory}:f32", str(folder / "cross")
    line = ("evaluate", bi, cross, "--data", folder / "scored.csv")
    shown, for_machines = sememe(*line), sememe(*line, "--json", "-o", folder / "out")
    assert shown.returncode == for_machines.returncode == 0, shown.stderr + for_machines.stderr
    assert shown.stderr == ""
    assert "scored.csv: similarity, 30 items" in shown.stdout
    assert for_machines.stdout.isascii()
    done = json.loads(for_machines.stdout)
    assert {row["model"] for row in done["rows"]} == {bi, cross}
    assert (done["kind"], done["items"], done["metric"]) == ("similarity", 30, "Spearman")
    assert len(done["differences"]) == 1
    for row in done["rows"]:
        assert f"{100 * row['figures']['Spearman']['value']:.1f} (" in shown.stdout
    written = json.loads((folder / "out" / "evaluation.json").read_text(encoding="utf-8"))
    assert [row["model"] for row in written["rows"]] == [row["model"] for row in done["rows"]]


@pytest.mark.slow
def test_a_model_that_is_nowhere_is_a_note_and_a_value(folder: Path, tiny: Tiny) -> None:
    line = ("evaluate", tiny.directory, "no-such-model", "--data", folder / "scored.csv", "--json")
    done = sememe(*line)
    assert done.returncode == 1
    assert "note: no-such-model is not measured: " in done.stderr
    values = json.loads(done.stdout)
    assert list(values["failures"]) == ["no-such-model"]
    assert [row["model"] for row in values["rows"]] == [str(tiny.directory)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--data", "labelled.csv"], "say which, with --task groups or --task classes"),
        (["--data", "scored.csv", "--task", "triplets"], "do not make triplets"),
        (["--data", "scored.csv", "--split", "test"], 'no column "split"'),
        (["--data", "absent.csv"], "absent.csv"),
        (["--data", "labelled.csv", "--task", "trees"], "invalid choice: 'trees'"),
        (["--data", "scored.csv", "--kind", "x"], "--kind x (sememe evaluate --help shows how)"),
    ],
)
def test_bad_input_is_one_line(folder: Path, tiny: Tiny, options: list[str], message: str) -> None:
    options = [str(folder / each) if each.endswith(".csv") else each for each in options]
    done = sememe("evaluate", tiny.directory, *options)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.slow
def test_no_model_at_all_is_an_error(folder: Path) -> None:
    done = sememe("evaluate", "no-such-model", "--data", folder / "scored.csv")
    assert (done.returncode, done.stdout) == (2, "")
    assert "sememe: No model can be measured on " in done.stderr

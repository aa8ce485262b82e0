"""`sememe encode` as a user runs it: real files, the real default model."""

import json
import subprocess
from pathlib import Path

import numpy as np
import pyarrow.parquet as parquet
import pytest

import commands
from sememe.tables import read_table, write_table

OPINIONS = Path(__file__).parent.parent / "examples" / "opinions.csv"

pytestmark = pytest.mark.usefixtures("default_model")


def sememe(*arguments: str) -> subprocess.CompletedProcess[str]:
    return commands.sememe(*arguments, "--precision", "f32")


@pytest.mark.slow
def test_a_file_of_texts_becomes_a_file_of_vectors(tmp_path: Path) -> None:
    file, out = tmp_path / "opinions.csv", tmp_path / "v.parquet"
    columns = {name: cells[:70] for name, cells in read_table(OPINIONS).columns.items()}
    write_table(file, columns)
    done = sememe("encode", str(file), "--column", "text", "-o", str(out), "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["rows"], said["dim"], said["found"]) == (70, 384, 0)
    table = parquet.read_table(out)
    assert table.column_names == [*columns, "vector"]
    assert all(table[name].to_pylist() == columns[name] for name in columns)
    assert table.num_rows == 70
    assert "70 texts, vectors of 384" in done.stderr
    assert "it/s" not in done.stderr, "no progress bar in a pipe"


@pytest.mark.slow
def test_options_reach_the_encoder(tmp_path: Path) -> None:
    out, file = tmp_path / "v.npy", tmp_path / "a.txt"
    file.write_text("hello\nworld\n")
    options = ("--dtype", "int8", "--truncate-dim", "64")
    assert sememe("encode", str(file), "-o", str(out), *options).returncode == 0
    found = np.load(out)
    assert (found.dtype, found.shape) == (np.dtype("int8"), (2, 64))


@pytest.mark.slow
def test_a_finished_folder_is_found_again(tmp_path: Path) -> None:
    file, out = tmp_path / "a.txt", tmp_path / "out"
    file.write_text("hello\nworld\n")
    assert sememe("encode", str(file), "-o", str(out)).returncode == 0
    again = sememe("encode", str(file), "-o", str(out))
    assert "2 of them were finished before" in again.stderr
    file.write_text("hello\nworlds\n")
    changed = sememe("encode", str(file), "-o", str(out))
    assert changed.returncode == 2
    assert "differs among the texts 1 to 2" in changed.stderr


@pytest.mark.parametrize(
    ("name", "content", "out", "said"),
    [
        ("missing.txt", None, "v.npy", "missing.txt"),
        ("a.txt", "hello\n", "v.docx", ".parquet, .npy, .jsonl, or a folder"),
        ("a.txt", "hello\n", "no/v.npy", "no folder"),
        ("a.csv", "text,n\nhello,1\nworld\n", "v.npy", "line 3"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    tmp_path: Path, name: str, content: str | None, out: str, said: str
) -> None:
    if content is not None:
        (tmp_path / name).write_text(content)
    done = sememe("encode", str(tmp_path / name), "-o", str(tmp_path / out))
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / out).exists()


@pytest.mark.slow
@pytest.mark.parametrize(("long", "code"), [("truncate", 0), ("chunk", 0), ("error", 2)])
def test_what_becomes_of_a_long_text(tmp_path: Path, long: str, code: int) -> None:
    file, out = tmp_path / "a.txt", tmp_path / "v.jsonl"
    file.write_text("A cat sleeps. " * 100 + "\nhello\n")
    done = sememe("encode", str(file), "-o", str(out), "--long", long)
    assert done.returncode == code
    if long == "error":
        assert "a.txt, line 1 has" in done.stderr
        return
    assert ("were cut" in done.stderr) == (long == "truncate")
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert [len(row["vector"]) for row in rows] == [384, 384]

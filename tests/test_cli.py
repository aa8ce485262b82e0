"""The commands as a user runs them: real processes, real files, the real default model."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tiny_models import Tiny

OPINIONS = Path(__file__).parent.parent / "examples" / "opinions.csv"


def sememe(*arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own."""
    command = [sys.executable, "-m", "sememe.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, input=stdin, check=False)


@pytest.fixture(scope="module")
def clustered(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, str]:
    folder = tmp_path_factory.mktemp("cli") / "clusters"
    done = sememe("cluster", str(OPINIONS), "--column", "text", "-o", str(folder))
    assert done.returncode == 0, done.stderr
    return folder, done.stdout, done.stderr


def test_cluster_leaves_three_files_and_nothing_else(clustered: tuple[Path, str, str]) -> None:
    folder, _, _ = clustered
    assert sorted(p.name for p in folder.iterdir()) == [
        "assignments.csv",
        "clusters.json",
        "map.html",
    ]


def test_assignments_keep_every_row_and_column_in_order(clustered: tuple[Path, str, str]) -> None:
    folder, _, _ = clustered
    with OPINIONS.open(encoding="utf-8", newline="") as file:
        before = list(csv.DictReader(file))
    with (folder / "assignments.csv").open(encoding="utf-8", newline="") as file:
        after = list(csv.DictReader(file))
    labels = [int(row.pop("cluster")) for row in after]
    assert after == before
    clusters = json.loads((folder / "clusters.json").read_text(encoding="utf-8"))["clusters"]
    assert [c["size"] for c in clusters] == [labels.count(c["label"]) for c in clusters]


def test_the_terminal_shows_the_clusters_and_no_progress_bar(
    clustered: tuple[Path, str, str],
) -> None:
    folder, shown, said = clustered
    clusters = json.loads((folder / "clusters.json").read_text(encoding="utf-8"))["clusters"]
    assert all(cluster["terms"][0] in shown for cluster in clusters)
    assert "%|" not in said
    assert str(folder / "map.html") in said


def test_json_is_all_that_is_printed(tmp_path: Path) -> None:
    lines = "a cat\na kitten\na bus\na tram\n"
    out = str(tmp_path / "o")
    options = ["--clusters", "2", "--precision", "f32", "--json"]
    done = sememe("cluster", "-", *options, "-o", out, stdin=lines)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["texts"] == 4
    assert len(found["clusters"]) == 2
    assert found == json.loads((tmp_path / "o" / "clusters.json").read_text(encoding="utf-8"))


def test_every_format_gives_the_same_clusters(tmp_path: Path) -> None:
    from sememe.tables import write_table

    texts = ["a cat", "a kitten", "cats, and dogs", "a bus", "a tram", "buses and trams"]
    printed = set()
    for suffix in ("txt", "csv", "tsv", "jsonl", "parquet"):
        write_table(tmp_path / f"texts.{suffix}", {"text": texts})
        done = sememe(
            "cluster", str(tmp_path / f"texts.{suffix}"), "--precision", "f32",
            "--clusters", "2", "--json", "-o", str(tmp_path / suffix),
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        printed.add(done.stdout)
    assert len(printed) == 1


@pytest.mark.parametrize(
    ("name", "content", "options", "said"),
    [
        ("missing.csv", None, [], "missing.csv"),
        ("empty.txt", b"", [], "empty"),
        ("picture.txt", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", [], "picture.txt"),
        ("a.csv", b"text,topic\nhello,x\n", ["--column", "txt"], '"text"'),
        ("b.csv", b"text,topic\nhello,x,y\n", [], "line 2"),
        ("a.pdf", b"%PDF", [], ".csv"),
        ("ok.txt", b"a\nb\nc\n", ["--model", "./nowhere"], "nowhere"),
        ("ok.txt", b"a\nb\nc\n", ["--clusters", "0"], "clusters"),
        ("ok.txt", b"a\nb\nc\n", ["--clusters", "9"], "clusters=9"),
        ("ok.txt", b"a\nb\nc\n", ["--clusters", "two"], "--clusters"),
        ("ok.txt", b"a\nb\nc\n", ["--threshold", "2"], "threshold"),
        ("ok.txt", b"a\nb\nc\n", ["--granularity", "medium"], "granularity"),
        ("ok.txt", b"a\nb\nc\n", ["--clusters", "2", "--threshold", "0.5"], "--threshold"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    tmp_path: Path, name: str, content: bytes | None, options: list[str], said: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    out = tmp_path / "out"
    precision = ["--precision", "f32"]
    done = sememe("cluster", str(tmp_path / name), "-o", str(out), *precision, *options)
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not done.stdout
    assert not out.exists()


def test_an_output_that_is_a_file_is_refused_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("mine")
    done = sememe("cluster", str(OPINIONS), "-o", str(tmp_path / "taken"))
    assert done.returncode == 2
    assert "this is a file" in done.stderr
    assert (tmp_path / "taken").read_text() == "mine"


def test_an_output_below_a_file_is_refused_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("mine")
    done = sememe("cluster", str(OPINIONS), "-o", str(tmp_path / "taken" / "out"))
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "this is a file" in done.stderr


def test_characters_that_csv_cannot_hold_do_not_lose_the_work(tmp_path: Path) -> None:
    lines = ['{"text": "a\\u0000b"}', '{"text": "a"}', '{"text": "b"}']
    (tmp_path / "odd.jsonl").write_text("\n".join(lines))
    out = tmp_path / "out"
    done = sememe("cluster", str(tmp_path / "odd.jsonl"), "-o", str(out), "--clusters", "2")
    assert done.returncode == 0, done.stderr
    with (out / "assignments.csv").open(encoding="utf-8", newline="") as file:
        assert [row["text"] for row in csv.DictReader(file)] == [
            "a\ufffdb",
            "a",
            "b",
        ]
    assert done.stderr.count("note: csv holds no NUL characters") == 1


def test_cluster_refuses_to_write_over_its_input(clustered: tuple[Path, str, str]) -> None:
    folder, _, _ = clustered
    before = (folder / "assignments.csv").read_bytes()
    done = sememe("cluster", str(folder / "assignments.csv"), "-o", str(folder / ".." / "clusters"))
    assert done.returncode == 2
    assert "assignments.csv, which is read; give another name." in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert (folder / "assignments.csv").read_bytes() == before


def test_blank_cells_are_in_no_cluster_and_their_rows_stay(tmp_path: Path, tiny: Tiny) -> None:
    texts = ["a new car", "", "a bus", "  ", "the power plant"]
    lines = ["id,text", *(f'{number},"{text}"' for number, text in enumerate(texts))]
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n")
    options = ["--model", str(tiny.directory), "--precision", "f32", "--clusters", "2", "--json"]
    done = sememe("cluster", str(tmp_path / "t.csv"), "-o", str(tmp_path / "out"), *options)
    assert done.returncode == 0, done.stderr
    notes = [line for line in done.stderr.splitlines() if "are blank" in line]
    assert len(notes) == 1
    assert 't.csv: 2 of 5 cells of "text" are blank (line 3, line 5) and in no cluster' in notes[0]
    assert "3 texts, 2 clusters, 0 outliers in" in done.stderr
    found = json.loads(done.stdout)
    assert (found["texts"], found["outliers"], found["blank"]) == (3, [], [1, 3])
    with (tmp_path / "out" / "assignments.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["text"] for row in rows] == texts
    assert [row["cluster"] for row in (rows[1], rows[3])] == ["", ""]
    assert {row["cluster"] for row in (rows[0], rows[2], rows[4])} == {"0", "1"}


def test_a_file_without_any_text_is_refused_before_a_model_is_opened(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text('id,text\n1,""\n2," "\n')
    options = ["-o", str(tmp_path / "out"), "--model", "./nowhere"]
    done = sememe("cluster", str(tmp_path / "t.csv"), *options)
    assert done.returncode == 2
    assert 't.csv has no text to cluster: every "text" is blank' in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_reader_that_has_seen_enough_is_no_error(tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = f"{sys.executable} -m sememe.cli cluster {OPINIONS} --column text -o {out} | head -1"
    shell = ["bash", "-o", "pipefail", "-c", command]
    done = subprocess.run(shell, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert (out / "map.html").exists()


def test_help_shows_an_example() -> None:
    done = sememe("cluster", "--help")
    assert done.returncode == 0
    assert "sememe cluster questions.txt -o groups/" in done.stdout


def test_a_command_is_needed() -> None:
    done = sememe()
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1

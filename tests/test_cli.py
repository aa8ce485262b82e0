"""The commands as a user runs them: real files, the real default model."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock

from commands import sememe
from page_data import data_of
from processes import run_python
from sememe.cli import commands
from sememe.cli.parser import in_options
from sememe.jobs import Job
from sememe.tables import read_table, write_table
from tiny_models import Tiny

OPINIONS = Path(__file__).parent.parent / "examples" / "opinions.csv"


@pytest.fixture(scope="module")
def opinions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every fifth of the example's rows."""
    file = tmp_path_factory.mktemp("cli") / "opinions.csv"
    write_table(file, {n: cells[::5] for n, cells in read_table(OPINIONS).columns.items()})
    return file


@pytest.fixture(scope="module")
def clustered(opinions: Path) -> tuple[Path, str, str]:
    folder = opinions.parent / "clusters"
    done = sememe("cluster", str(opinions), "--column", "text", "-o", str(folder))
    assert done.returncode == 0, done.stderr
    return folder, done.stdout, done.stderr


@pytest.mark.slow
def test_cluster_leaves_its_files_and_nothing_else(clustered: tuple[Path, str, str]) -> None:
    folder, _, _ = clustered
    assert sorted(p.name for p in folder.iterdir()) == [
        "arrays.safetensors",
        "assignments.csv",
        "clusters.json",
        "map.html",
        "rows.jsonl",
    ]


def test_assignments_keep_every_row_and_column_in_order(
    clustered: tuple[Path, str, str], opinions: Path
) -> None:
    folder, _, _ = clustered
    with opinions.open(encoding="utf-8", newline="") as file:
        before = list(csv.DictReader(file))
    with (folder / "assignments.csv").open(encoding="utf-8", newline="") as file:
        after = list(csv.DictReader(file))
    labels = [int(row.pop("cluster")) for row in after]
    assert {float(row.pop("strength")) <= 1 for row in after} == {True}
    names = {row.pop("cluster_name") for row in after}
    assert after == before
    clusters = json.loads((folder / "clusters.json").read_text(encoding="utf-8"))["clusters"]
    assert names - {""} == {c["name"] for c in clusters}
    clusters = json.loads((folder / "clusters.json").read_text(encoding="utf-8"))["clusters"]
    assert [c["size"] for c in clusters] == [labels.count(c["label"]) for c in clusters]


def test_the_map_has_the_other_columns(clustered: tuple[Path, str, str]) -> None:
    folder, _, _ = clustered
    columns = data_of(folder / "map.html")["columns"]
    assert [(one["name"], one["kind"]) for one in columns] == [
        ("topic", "category"), ("sentiment", "category"),
    ]  # fmt: skip


@pytest.mark.slow
def test_the_map_opens_coloured_by_a_column(tmp_path: Path) -> None:
    rows = ["a cat,1,x y", "a kitten,2,z", "a bus,3,y", "a tram,,x"]
    (tmp_path / "in.csv").write_text("text,Price,kind\n" + "\n".join(rows), encoding="utf-8")
    options = ["--clusters", "2", "--precision", "f32", "-o", tmp_path / "out"]
    done = sememe("cluster", tmp_path / "in.csv", "--color", "price", *options)
    assert done.returncode == 0, done.stderr
    assert data_of(tmp_path / "out" / "map.html")["color"] == "Price"
    done = sememe("cluster", tmp_path / "in.csv", "--color", "prise", *options)
    assert done.returncode == 2
    assert 'no column "prise" (did you mean "Price"?)' in done.stderr


def test_the_terminal_shows_the_clusters_and_no_progress_bar(
    clustered: tuple[Path, str, str],
) -> None:
    folder, shown, said = clustered
    clusters = json.loads((folder / "clusters.json").read_text(encoding="utf-8"))["clusters"]
    assert all(cluster["terms"][0] in shown for cluster in clusters)
    assert "%|" not in said
    assert str(folder / "map.html") in said


@pytest.mark.slow
def test_json_is_all_that_is_printed(tmp_path: Path) -> None:
    lines = "a cat\na kitten\na bus\na tram\n"
    out = str(tmp_path / "o")
    options = ["--clusters", "2", "--precision", "f32", "--json"]
    done = sememe("cluster", "-", *options, "-o", out, stdin=lines)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["texts"] == 4
    assert len(found["clusters"]) == 2
    written = json.loads((tmp_path / "o" / "clusters.json").read_text(encoding="utf-8"))
    assert found == {name: written[name] for name in found}


@pytest.mark.slow
def test_every_format_gives_the_same_clusters(tmp_path: Path) -> None:
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


@pytest.mark.slow
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
        ("ok.txt", b"a\nb\nc\n", ["--clusters", "9"], "sememe: --clusters 9, but"),
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
    assert "is a file, not a folder" in done.stderr
    assert (tmp_path / "taken").read_text() == "mine"


def test_an_output_below_a_file_is_refused_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("mine")
    done = sememe("cluster", str(OPINIONS), "-o", str(tmp_path / "taken" / "out"))
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "is a file, not a folder" in done.stderr


@pytest.mark.slow
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
    for name in ("cluster", "cluster_name", "strength"):
        assert [row[name] for row in (rows[1], rows[3])] == ["", ""]
    assert {row["cluster"] for row in (rows[0], rows[2], rows[4])} == {"0", "1"}


def test_a_file_without_any_text_is_refused_before_a_model_is_opened(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text('id,text\n1,""\n2," "\n')
    options = ["-o", str(tmp_path / "out"), "--model", "./nowhere"]
    done = sememe("cluster", str(tmp_path / "t.csv"), *options)
    assert done.returncode == 2
    assert 't.csv has no text: every "text" is blank' in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_reader_that_has_seen_enough_is_no_error(words: Path, tiny: Tiny) -> None:
    out = words.parent / "out"
    command = f"{sys.executable} -m sememe.cli cluster {words} --model {tiny.directory} -o {out}"
    shell = ["bash", "-o", "pipefail", "-c", f"{command} | true"]
    done = subprocess.run(shell, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert (out / "map.html").exists()


def test_help_shows_an_example() -> None:
    done = sememe("cluster", "--help")
    assert done.returncode == 0
    assert "sememe cluster questions.txt -o groups/" in done.stdout


def shell(command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a line of shell, in which `sememe` is the command."""
    line = command.replace("sememe", f"'{sys.executable}' -m sememe.cli", 1)
    env = {**os.environ, "PYTHONUNBUFFERED": "", **environment}
    return subprocess.run(
        ["sh", "-c", line], capture_output=True, text=True, encoding="utf-8", check=False, env=env
    )


def test_without_a_command_the_help_is_shown() -> None:
    done = sememe()
    assert done.returncode == 0
    assert done.stdout == sememe("--help").stdout
    assert "cluster" in done.stdout
    assert not done.stderr


COMMANDS = (
    "cluster", "pairs", "index", "search", "classify", "encode", "score", "compare", "train",
    "mine",
    "train bi", "train cross", "train classifier", "pull", "models", "quantize", "doctor",
)  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_every_help_fits_the_terminal_and_ends_with_examples(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert commands.run([*command.split(), "--help"]) == 0
    text, _, examples = capsys.readouterr().out.partition("\nexamples:\n")
    assert all(len(line) <= 80 for line in text.splitlines())
    words = ["sememe", *command.split()]
    assert any(line.split()[: len(words)] == words for line in examples.splitlines())


def test_training_without_a_kind_shows_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert commands.run(["train"]) == 0
    assert "classifier" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (["encode", "", "-o", "x.npy"], "FILE is an empty name"),
        (["encode", "a.txt", "-o", ""], "--output is an empty name"),
        (["search", "", "a"], "INDEX is an empty name"),
        (["quantize", "m", "--column", "text"], "--column does nothing without --texts"),
    ],
)
def test_what_makes_no_sense_is_said_before_anything_is_read(
    capsys: pytest.CaptureFixture[str], line: list[str], message: str
) -> None:
    assert commands.run(line) == 2
    assert message in capsys.readouterr().err


def test_an_unknown_command_or_option_is_one_line_that_guesses() -> None:
    for words, guess in (
        (["--nonsense"], ""),
        (["nonsense"], ""),
        (["clustr", "a.txt"], ' (did you mean "cluster"?)'),
        (["pairs", "a.txt", "-o", "b.csv", "--treshold", 1], ' (did you mean "--threshold"?)'),
        (["search", "a", "--mode", "BM25"], ' (did you mean "bm25"?)'),
    ):
        done = sememe(*words)
        assert done.returncode == 2
        assert len(done.stderr.splitlines()) == 1
        assert ("did you mean" in done.stderr) == bool(guess)
        assert guess in done.stderr


@pytest.fixture
def words(tmp_path: Path) -> Path:
    (tmp_path / "words.txt").write_text("a cat\na kitten\na bus\na tram\n", encoding="utf-8")
    return tmp_path / "words.txt"


# `2>/dev/full` stands for a log file on a full disk, `2>&1 | true` for a reader that has left.
@pytest.mark.slow
@pytest.mark.parametrize("closed", ["2>&-", "2>/dev/full", "2>&1 >/dev/null | true", "2>&- <&-"])
def test_messages_that_nobody_gets_do_not_stop_the_work(
    words: Path, tiny: Tiny, closed: str
) -> None:
    out = words.parent / "o.npy"
    done = shell(f"sememe encode {words} --model {tiny.directory} -o {out} {closed}")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert np.load(out).shape[0] == 4
    done = shell(f"sememe encode nothing.txt -o {out} {closed}")
    assert (done.returncode, done.stdout) == (0 if "|" in closed else 2, "")


@pytest.mark.slow
def test_without_standard_error_notes_do_not_get_into_the_json(words: Path, tiny: Tiny) -> None:
    words.write_text("the wind and the power " * 200 + "\na cat\n", encoding="utf-8")
    command = f"sememe encode {words} --model {tiny.directory} -o {words.parent}/o.npy --json"
    assert "note: " in shell(command).stderr
    done = shell(f"{command} 2>&-")
    assert json.loads(done.stdout)["rows"] == 2


@pytest.mark.slow
@pytest.mark.parametrize("closed", [">&-", ">/dev/full", ">&- <&-"])
def test_results_that_nobody_gets_are_an_error(words: Path, tiny: Tiny, closed: str) -> None:
    out = words.parent / "o.npy"
    command = f"sememe encode {words} --model {tiny.directory} --precision f32 -o {out} --json"
    done = shell(f"{command} {closed}")
    assert done.returncode == 1
    assert "sememe: standard output cannot be written" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert np.load(out).shape[0] == 4


@pytest.mark.slow
def test_nothing_else_gets_the_place_of_a_closed_stream(words: Path, tiny: Tiny) -> None:
    out = words.parent / "o.npy"
    done = shell(f"sememe encode {words} --model {tiny.directory} -o {out} >&- 2>&- <&-")
    assert done.returncode == 0
    assert np.load(out).shape[0] == 4
    assert words.read_text(encoding="utf-8").startswith("a cat\n")


@pytest.mark.slow
@pytest.mark.parametrize("command", ["sememe encode - -o o.npy", "sememe cluster - -o o"])
def test_a_closed_standard_input_is_said(tmp_path: Path, command: str) -> None:
    done = shell(f"cd {tmp_path} && {command} <&-")
    assert done.returncode == 2
    assert done.stderr == "sememe: standard input is closed, so nothing can be read from it\n"


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "utf-8"])
def test_json_loses_no_character_in_any_encoding(tiny: Tiny, encoding: str) -> None:
    command = ["compare", "日本 😀", "“naïve”", "--model", str(tiny.directory), "--json"]
    done = sememe(*command, "--precision", "f32", encoding=encoding)
    assert done.returncode == 0, done.stderr
    assert done.stdout.isascii()
    found = json.loads(done.stdout)
    assert (found["first"], found["others"]) == ("日本 😀", ["“naïve”"])
    assert done.stdout.count("\n") == 1


def test_people_see_a_mark_for_a_character_that_their_terminal_lacks(tiny: Tiny) -> None:
    options = ["--model", str(tiny.directory), "--precision", "f32"]
    done = sememe("compare", "a", "日本", *options, encoding="cp1252")
    assert done.returncode == 0, done.stderr
    assert "??" in done.stdout


@pytest.mark.slow
def test_queries_from_a_pipe_are_read_strictly(words: Path, tiny: Tiny) -> None:
    index = words.parent / "index"
    done = sememe("index", str(words), "-o", str(index), "--model", str(tiny.directory))
    assert done.returncode == 0, done.stderr
    for encoding in ("cp1252", "utf-8"):
        piped = b"caf\xc3\xa9\n\ncaf\xe9\n"
        done = sememe("search", index, "--json", stdin=piped, encoding=encoding)
        assert done.returncode == 2
        assert [json.loads(line)["query"] for line in done.stdout.splitlines()] == ["café"]
        assert done.stderr.splitlines()[-1] == (
            "sememe: standard input, line 3: byte 0xe9 is not UTF-8; convert the input to UTF-8."
        )
    done = shell(f"sememe search {index} <&-")
    assert done.returncode == 2
    assert "standard input is closed" in done.stderr


def test_a_note_is_shown_once() -> None:
    ran = run_python(
        """
        import warnings
        from sememe.cli import commands, encoding
        from sememe.errors import SememeWarning, warn
        def run(options):
            for text in ("first", "second", "first"):
                warn(text, SememeWarning)
            return 0
        encoding._encode = run
        assert commands.run(["encode", "a.txt", "-o", "a.npy"]) == 0
        """
    )
    assert ran.stderr == "note: first\nnote: second\n"


@pytest.mark.parametrize(
    ("module", "line", "then"),
    [
        ("sememe.cli.encoding", ["models"], ""),
        ("sememe.encoders.disk", ["encode", "a.txt", "-o", "a.npy"], "; the same command resumes"),
        ("sememe.checkpoint.pull", ["models"], ""),
    ],
)
def test_ctrl_c_is_one_line_that_says_what_resumes(module: str, line: list[str], then: str) -> None:
    ran = run_python(
        f"""
        import sys
        class Stop:
            def find_spec(self, name, *_):
                if name == "{module}":
                    raise KeyboardInterrupt
        sys.meta_path.insert(0, Stop())
        from sememe.cli import main
        print(main({line}))
        """
    )
    assert (ran.stdout, ran.stderr) == ("130\n", f"sememe: stopped{then}\n")


@pytest.mark.parametrize(
    ("function", "line", "then"),
    [
        ("distill", ["distill", "a.txt", "-o", "out"], "; the same command resumes"),
        ("mine_negatives", ["mine", "a.csv", "--corpus", "a.txt", "-o", "b.csv"],
         "; the same command resumes"),
        ("evaluate", ["evaluate", "model", "--data", "a.csv"], ""),
    ],
)  # fmt: skip
def test_ctrl_c_says_so_of_every_command_that_resumes(
    function: str, line: list[str], then: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.chdir(tmp_path)
    Path("a.txt").write_text("a\nb\n", encoding="utf-8")
    monkeypatch.setattr("sememe.BiEncoder", lambda *_, **__: None)
    monkeypatch.setattr(f"sememe.{function}", stop)
    done = sememe(*line)
    assert (done.returncode, done.stderr) == (130, f"sememe: stopped{then}\n")
    assert ("the same command resumes" in " ".join(sememe(line[0], "-h").stdout.split())) == bool(
        then
    )


@pytest.mark.parametrize(
    ("line", "message", "shown"),
    [
        ("pairs a -o b", "centre=True, threshold=1.5.", "--centre, --threshold 1.5."),
        ("pairs a.txt -o b.csv", "cross='a model': no", "--cross a model: no"),
        ("mine a --corpus b -o c", "ranks=(9, 1): the last", "--ranks 9 1: the last"),
        (
            "distill a.txt -o b --dim 64 --tune",
            "dim=64: how='tune' keeps the size; leave dim= out.",
            "--dim 64: --tune keeps the size; leave --dim out.",
        ),
        ("distill a.txt -o b", "how='layers' or how='map'", "--layers or map"),
        (
            "train bi a.csv -o b --label team",
            "columns={'label': 'team'}: say --columns text=NAME,label=NAME (in Python, f(x={}))",
            "--columns: say --columns text=NAME,label=NAME",
        ),
        ("select a.csv --task search", "leave --task (task=) out", "leave --task out"),
        ("search a.index --where mode='x'", "where: mode='x' ends", "where: mode='x' ends"),
        ("train bi label=1/a.csv -o b", "label=1/a.csv: no", "label=1/a.csv: no"),
        ("encode a.txt -o b.npy", "the same call resumes", "the same command resumes"),
        ("models", "engine='x' is no option here", "engine='x' is no option here"),
    ],
)  # fmt: skip
def test_messages_are_in_the_words_of_the_command(line: str, message: str, shown: str) -> None:
    assert in_options(message, commands.parse(line.split())) == shown


def test_what_is_shown_first_is_shown_soon() -> None:
    ran = run_python(
        """
        import sys
        from sememe.cli import main
        main(["--version"])
        print([name for name in ("numpy", "scipy", "openvino", "torch") if name in sys.modules])
        """
    )
    assert ran.stdout.splitlines()[-1] == "[]"


def test_a_job_that_another_process_works_on_is_no_wrong_input(words: Path, tiny: Tiny) -> None:
    out = words.parent / "o"
    with Job.opened(out, "encode", {}):
        done = sememe("encode", str(words), "-o", str(out), "--model", str(tiny.directory))
    assert done.returncode == 1
    assert "Another process is at work" in done.stderr


@pytest.mark.slow
def test_an_index_that_another_process_writes_is_no_wrong_input(words: Path, tiny: Tiny) -> None:
    index = words.parent / "index"
    command = ["index", str(words), "-o", str(index), "--model", str(tiny.directory)]
    assert sememe(*command).returncode == 0
    words.write_text("a dog\n", encoding="utf-8")
    with FileLock(index / "write.lock"):
        done = sememe(*command)
    assert done.returncode == 1
    assert "is writing to" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("output", ["o.npy", "o.jsonl", "shards"])
def test_a_full_disk_is_no_wrong_input(words: Path, tiny: Tiny, output: str) -> None:
    words.write_text("the wind\n" * 5000, encoding="utf-8")
    # A file that may not grow is, to a program, a disk that is full.
    done = shell(
        f"ulimit -f 64; sememe encode {words} -o {words.parent}/{output} --model {tiny.directory}"
    )
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert "cannot be written" in done.stderr

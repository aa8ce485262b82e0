"""Examples from files, data sets and Python, read by number; nothing large in memory."""

import json
import sys
from pathlib import Path
from typing import Any

import datasets
import huggingface_hub.constants
import numpy as np
import pandas as pd  # type: ignore[import-untyped,import-not-found,unused-ignore]
import pyarrow as pa
import pytest

from processes import run_python
from sememe.data import Example, load
from sememe.errors import BlankWarning, InputError, JobError, MissingExtra, TableError
from sememe.tables import Source, Table, stream_table, write_table

FIXTURES = Path(__file__).parent / "fixtures"
PAIRS = {
    "anchor": ["one", "two", "three", "four", "five"],
    "positive": ["un", "deux", "trois", "quatre", "cinq"],
}


def test_the_articles_triplets() -> None:
    examples = load(FIXTURES / "opinion_triplets.csv")
    assert examples.kind == "triplets"
    assert examples.columns == ("anchor", "positive", "negative")
    assert len(examples) == 6
    assert examples.targets is None
    assert examples[0] == Example(
        (
            "Nuclear power is dangerous!",
            "Nuclear power is the future of energy!",
            "Trains should cost nothing.",
        ),
        None,
    )
    assert examples.where(5) == f"{FIXTURES / 'opinion_triplets.csv'}, line 7"


def test_the_articles_scored_pairs() -> None:
    examples = load(FIXTURES / "opinion_pairs.csv")
    assert examples.kind == "scored pairs"
    assert examples.targets is not None
    assert examples.targets.dtype == np.float32
    assert examples.targets.tolist() == pytest.approx([0.95, 0.35, 0.85, 0.05, 0.9, 0])
    assert examples[2].texts[1] == "Without reactors, there will be no clean grid."


@pytest.mark.parametrize(
    "data",
    [
        PAIRS,
        [
            {"anchor": a, "positive": p, "id": 7}
            for a, p in zip(PAIRS["anchor"], PAIRS["positive"], strict=True)
        ],
        Table({"positive": [*PAIRS["positive"]], "Anchor": [*PAIRS["anchor"]]}),
        {name: np.array(values) for name, values in PAIRS.items()},
        pd.DataFrame(PAIRS, index=list("vwxyz")),
        pa.table(PAIRS),
        datasets.Dataset.from_dict(PAIRS),
        ({"anchor": a, "positive": p} for a, p in zip(*PAIRS.values(), strict=True)),
    ],
    ids=["columns", "rows", "table", "arrays", "pandas", "pyarrow", "datasets", "generator"],
)
def test_data_in_memory(data: Any) -> None:
    examples = load(data)
    assert [example.texts for example in examples] == [*zip(*PAIRS.values(), strict=True)]
    place = "the table, row 5" if isinstance(data, Table) else "the data, index 4"
    assert examples.where(4) == place


def test_a_table_names_its_own_lines() -> None:
    columns: dict[str, list[object]] = {name: [*values] for name, values in PAIRS.items()}
    examples = load(Table(columns, Source("faq.csv", "line", [2, 3, 5, 8, 13])))
    assert examples.where(3) == "faq.csv, line 8"


def test_data_of_no_known_shape() -> None:
    with pytest.raises(InputError, match=r"the data are of type int; give a path, .*a DataFrame"):
        load(5)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"differ in length: {'anchor': 2, 'positive': 1}"):
        load({"anchor": ["a", "b"], "positive": ["c"]})
    with pytest.raises(InputError, match="the data are empty"):
        load([])
    with pytest.raises(InputError, match=r"the data, index 1: \('a', 'b'\) is no row; give a dict"):
        load([{"anchor": "a", "positive": "b"}, ("a", "b")])  # type: ignore[list-item]
    with pytest.raises(InputError, match="anchor is a single str; put it into a list"):
        load({"anchor": "abcd", "positive": list("abcd")})


ROWS = [{"anchor": f"a{i}", "positive": f"p{i}", "negative": f"n{i}"} for i in range(5)]


@pytest.mark.parametrize("place", [0, 2])
def test_no_row_decides_what_columns_there_are(tmp_path: Path, place: int) -> None:
    rows = [dict(row) for row in ROWS * 2]
    del rows[place]["negative"]
    path = tmp_path / "triplets.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    sources: dict[str, Any] = {f"index {place}": rows, f"line {place + 1}": path}
    for where, data in sources.items():
        with pytest.warns(BlankWarning, match=rf"is blank \({where}\) and left out"):
            examples = load(data)
        assert (examples.kind, len(examples)) == ("triplets", len(rows) - 1)


def test_a_key_that_comes_late_in_a_long_file_counts(tmp_path: Path) -> None:
    path, n = tmp_path / "long.jsonl", 5000  # more than a block
    rows = [{"anchor": f"a{i}", "positive": f"p{i}"} for i in range(n)]
    rows[-1]["negative"] = "n"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with (
        pytest.warns(BlankWarning, match=r"4,999 of 5,000 .* are blank \(line 1, "),
        pytest.raises(InputError, match="1 row; training needs at least 4"),
    ):
        load(path)


def test_an_index_from_the_end_and_one_past_it() -> None:
    examples = load(PAIRS)
    assert examples[-1].texts == ("five", "cinq")
    with pytest.raises(IndexError):
        examples[5]


def test_a_subset_is_in_the_order_that_is_asked_for() -> None:
    first, second = PAIRS.values()
    scores = [0, 0.25, 0.5, 0.75, 1]
    examples = load({"sentence1": first, "sentence2": second, "score": scores})
    some = examples.subset([4, 1, 2]).subset(np.array([0, 2]))
    assert [each.target for each in some] == [1, 0.5]
    assert [each.texts[0] for each in some] == ["five", "three"]
    assert some.where(1) == "the data, index 2"
    assert some.keys().tolist() == examples.keys([4, 2]).tolist()


def test_keys_are_equal_for_equal_texts_only() -> None:
    first = load({"anchor": ["a", "b", "c", "d"], "positive": ["b", "A", "a ", "é"]})
    second = load({"query": ["é", "x", "y", "z"], "document": ["a", "1", "2", "3"]})
    keys = first.keys()
    assert keys.dtype == np.int64
    assert keys[0, 1] == keys[1, 0]
    assert len(np.unique(keys)) == 7
    assert second.keys()[0].tolist() == [keys[3, 1], keys[0, 0]]
    assert keys[0, 0] == 3405396810240292928  # whatever the process


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_files_of_several_blocks(tmp_path: Path, suffix: str) -> None:
    n = 10_000
    names = ["sentence1", "sentence2"]
    columns = {name: [f"{name}\n{i} ✓" for i in range(n)] for name in names}
    path = tmp_path / f"many.{suffix}"
    write_table(path, {**columns, "score": [i / n for i in range(n)]})
    examples = load(path)
    assert len(examples) == n
    for i in (0, 4095, 4096, n - 1):
        assert examples[i].texts == (columns["sentence1"][i], columns["sentence2"][i])
        assert examples[i].target == pytest.approx(i / n)
    place = {"csv": f"line {3 * n - 1}", "jsonl": f"line {n}", "parquet": f"row {n}"}[suffix]
    assert examples.where(n - 1) == f"{path}, {place}"


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.slow
def test_a_large_file_is_not_held_in_memory(tmp_path: Path) -> None:
    path, n = tmp_path / "large.csv", 100_000
    with path.open("w") as file:
        file.write("sentence1,sentence2,score\n")
        for i in range(n):
            file.write(f"{i} {'is a long text ' * 40},{i} {'is another ' * 20},{i % 7 / 6}\n")
    assert path.stat().st_size > 80e6
    ran = run_python(f"""
        from pathlib import Path
        from sememe.data import load

        def peak():
            status = Path("/proc/self/status").read_text()
            return int(status.split("VmHWM:")[1].split()[0]) * 1024

        before = peak()
        examples = load({str(path)!r})
        assert len(examples) == {n} and examples[{n - 1}].texts[0].startswith("{n - 1} ")
        print(peak() - before)
    """)
    assert int(ran.stdout) < 40e6  # a block of rows, and some numbers a row


def test_the_texts_lie_in_the_folder_that_was_given(tmp_path: Path) -> None:
    if not Path("/proc/self/maps").exists():
        pytest.skip("no /proc here")
    examples = load(PAIRS, folder=tmp_path)
    assert str(tmp_path) in Path("/proc/self/maps").read_text()
    assert not list(tmp_path.iterdir())  # unlinked: nothing is left behind, whatever happens
    assert examples[0].texts == ("one", "un")


def test_no_room_for_the_texts(tmp_path: Path) -> None:
    with pytest.raises(JobError, match=r"cannot be written to .*none: No such file.*TMPDIR"):
        load(PAIRS, folder=tmp_path / "none")


@pytest.mark.skipif(sys.platform != "linux", reason="limits a file's size")
def test_a_full_disk(tmp_path: Path) -> None:
    import resource
    import signal

    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, limits[1]))
    try:
        with pytest.raises(JobError, match=r"cannot be written to .*: File too large; name a"):
            load({"anchor": ["x" * 20_000] * 9, "positive": ["y"] * 9}, folder=tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize("size", [1, 2, 100])
def test_a_table_comes_in_blocks_that_know_their_lines(tmp_path: Path, size: int) -> None:
    path = tmp_path / "a.csv"
    path.write_text('b,a\n1,"x\ny"\n2,z\n\n3,w\n')
    blocks = list(stream_table(path, lambda names: names[1:], size))
    assert [len(block.columns["a"]) for block in blocks][:-1] == [size] * (len(blocks) - 1)
    assert [value for block in blocks for value in block.columns["a"]] == ["x\ny", "z", "w"]
    places = [block.source.where(i) for block in blocks for i in range(len(block.columns["a"]))]
    assert places == [f"{path}, line {line}" for line in (2, 4, 6)]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data set in the form of the Hub's, of two splits."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    datasets.disable_progress_bars()
    place = tmp_path / "org" / "name"
    place.mkdir(parents=True)
    write_table(place / "train.csv", {**PAIRS, "extra": range(5)})
    write_table(place / "test.csv", {name: values[:4] for name, values in PAIRS.items()})
    monkeypatch.chdir(tmp_path)
    return place


def test_a_data_set_of_a_folder(folder: Path) -> None:
    examples = load("org/name")
    assert [example.texts for example in examples] == [*zip(*PAIRS.values(), strict=True)]
    assert examples.where(1) == "org/name, row 2"
    assert len(load("org/name@test")) == 4
    assert len(load("org/name:default@train[1:]")) == 4
    assert load(folder)[4].texts == ("five", "cinq")


def test_a_data_set_with_classes_gives_their_names(folder: Path) -> None:
    parts = {"train": [0, 2, 1, 2, 1, 0], "holes": [0, 2, 1, 2, 1, 0, -1]}
    features = datasets.Features(
        premise=datasets.Value("string"),
        hypothesis=datasets.Value("string"),
        label=datasets.ClassLabel(names=["entailment", "neutral", "contradiction"]),
    )
    for name, labels in parts.items():
        texts = [f"text {i}" for i in range(len(labels))]
        columns = {"premise": texts, "hypothesis": texts[::-1], "label": labels}
        data = datasets.Dataset.from_dict(columns, features=features)
        (folder.parent / name).mkdir()
        data.to_parquet(folder.parent / name / "train.parquet")
    examples = load("org/train")
    assert examples.labels == ("contradiction", "entailment", "neutral")
    assert examples.targets is not None
    assert examples.targets.tolist() == [1, 0, 2, 0, 2, 1]
    with pytest.raises(TableError, match='org/holes, row 7: "label" is missing; give it a label'):
        load("org/holes")


def test_splits_are_not_taken_for_columns() -> None:
    data = datasets.DatasetDict(dev=datasets.Dataset.from_dict({"text": ["a"], "label": ["b"]}))
    with pytest.raises(InputError, match=r'the splits dev: give one, as in data\["dev"\]'):
        load(data)


def test_a_file_goes_before_a_data_set_of_its_name(folder: Path) -> None:
    path = folder.parent / "pairs:one@two.csv"
    write_table(path, PAIRS)
    assert load("org/pairs:one@two.csv").where(0) == "org/pairs:one@two.csv, line 2"


@pytest.mark.usefixtures("folder")
def test_data_sets_that_cannot_be_read() -> None:
    for spec in ("org/other", "org/name@none", "org/name:none"):
        with pytest.raises(TableError) as caught:
            load(spec)
        said = f"there is no file {spec}, and as a data set (org/name:config@split) it cannot be"
        assert str(caught.value).startswith(said)
        assert "\n" not in str(caught.value)
    with pytest.raises(TableError, match=r"there is no file org/name.csv"):
        load("org/name.csv")
    with pytest.raises(TableError, match=r"there is no file missing.csv"):
        load("missing.csv")


@pytest.mark.usefixtures("folder")
def test_data_sets_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingExtra, match=r"there is no file org/name.*: pip install datasets$"):
        load("org/name")

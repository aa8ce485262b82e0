"""The score cache: nothing is paid for twice, across runs, processes and kills."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from worlds import Scores, World, truth

from sememe.cascade.scores import Reader, ScoreCache
from sememe.costs import Budget
from sememe.errors import SememeWarning

pytestmark = pytest.mark.filterwarnings("ignore::sememe.errors.CostWarning")

WRITER = """
import sys
from pathlib import Path
from sememe.cascade.scores import ScoreCache
cache = ScoreCache("model", Path(sys.argv[1]))
start, stop, size = map(int, sys.argv[2:])
for at in range(start, stop, size):
    numbers = range(at, at + size)
    cache.put([(f"a{i}", "b") for i in numbers], [float(i) for i in numbers])
    print(at + size, flush=True)
"""


class Stamped(Scores):
    """A scorer whose scores may be kept."""

    fingerprint = "0123456789abcdef"


@pytest.fixture(autouse=True)
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SEMEME_CACHE", str(tmp_path))
    return tmp_path / "scores-v1.sqlite"


@settings(max_examples=25)
@given(
    pairs=st.lists(st.tuples(st.text(), st.text()), unique=True, max_size=30),
    scores=st.lists(st.floats(width=32, allow_nan=False), min_size=30, max_size=30),
)
def test_what_was_put_comes_back_to_the_bit(
    tmp_path_factory: pytest.TempPathFactory, pairs: list[tuple[str, str]], scores: list[float]
) -> None:
    cache = ScoreCache("model", tmp_path_factory.mktemp("cache") / "scores")
    cache.put(pairs, scores[: len(pairs)])
    assert cache.get([*pairs, ("never", "seen " * 9)]) == dict(zip(pairs, scores, strict=False))


def test_models_orders_and_the_place_of_a_border_are_told_apart() -> None:
    ScoreCache("model").put([("ab", "c")], [1.0])
    assert ScoreCache("model").get([("ab", "c")]) == {("ab", "c"): 1.0}
    assert ScoreCache("model").get([("a", "bc"), ("c", "ab")]) == {}
    assert ScoreCache("other").get([("ab", "c")]) == {}


def test_a_second_run_reads_nothing_and_gives_the_same() -> None:
    world, scorer = World(), Stamped(truth)
    first = world.taught_by(scorer)
    again = Stamped(truth)
    second = world.taught_by(again)
    assert again.read == []
    assert second.report.cached == second.report.pairs == first.report.pairs == len(scorer.read)
    np.testing.assert_array_equal(first.vectors, second.vectors)
    assert "from earlier runs" in str(second.report)


def test_a_larger_budget_and_texts_in_another_order_pay_for_what_is_new() -> None:
    world = World()
    rows, others = np.arange(0, 300), np.arange(100, 400)
    reader = Reader(Stamped(truth), world.texts, Budget(), 10_000)
    logits = reader.read(rows, others)
    scorer = Stamped(truth)
    reader = Reader(scorer, world.texts[::-1], Budget(), 10_000)
    swapped = reader.read(479 - np.append(others, [1]), 479 - np.append(rows, [2]))
    assert len(scorer.read) == 1
    np.testing.assert_array_equal(swapped[:300], logits)


def test_an_error_in_the_middle_loses_nothing_that_was_scored() -> None:
    world = World()

    def breaks(one: str, other: str) -> float:
        if len(scorer.read) > 300:
            raise RuntimeError("the machine is gone")
        return truth(one, other)

    class Breaking(Stamped):
        fingerprint = "fedcba9876543210"  # of an unknown rate, so that the first chunk is small

    scorer = Breaking(breaks)
    with pytest.raises(RuntimeError):
        world.taught_by(scorer)
    rest = Breaking(truth)
    report = world.taught_by(rest).report
    assert report.cached == 256
    assert len(rest.read) == report.pairs - 256


def test_it_stays_below_its_bound_and_forgets_the_oldest(path: Path) -> None:
    cache = ScoreCache("model", most=100)
    pairs = [(f"{i}", "") for i in range(250)]
    for at in range(0, 250, 10):
        cache.put(pairs[at : at + 10], [1.0] * 10)
        with sqlite3.connect(path) as connection:
            assert connection.execute("SELECT count(*) FROM scores").fetchone()[0] <= 100
    remembered = cache.get(pairs)
    assert remembered.keys() == set(pairs[250 - len(remembered) :])
    assert len(remembered) >= 75


@pytest.mark.slow
def test_two_processes_write_at_once(path: Path) -> None:
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, path, str(start), str(start + 2000), "50"],
            stdout=subprocess.DEVNULL,
        )
        for start in (0, 1000)
    ]
    assert [writer.wait() for writer in writers] == [0, 0]
    scores = ScoreCache("model").get([(f"a{i}", "b") for i in range(3000)])
    assert scores == {(f"a{i}", "b"): float(i) for i in range(3000)}


@pytest.mark.kill
@pytest.mark.skipif(os.name == "nt", reason="no SIGKILL")
@pytest.mark.parametrize("seconds", [0.0, 0.01, 0.05])
def test_killed_it_keeps_what_it_had_and_goes_on(path: Path, seconds: float) -> None:
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, path, "0", "1000000", "100"], stdout=subprocess.PIPE
    )
    assert writer.stdout is not None
    writer.stdout.readline()
    time.sleep(seconds)
    writer.send_signal(signal.SIGKILL)
    finished = [100, *map(int, writer.stdout.read().split())][-1]
    writer.wait()
    writer.stdout.close()
    cache = ScoreCache("model")
    pairs = [(f"a{i}", "b") for i in range(finished + 100)]
    scores = cache.get(pairs)
    assert len(scores) in (finished, finished + 100)  # a chunk is there whole, or not at all
    assert all(scores[pair] == i for i, pair in enumerate(pairs[:finished]))
    cache.put([("after", "")], [1.0])
    assert cache.get([("after", "")])


def test_a_file_that_is_no_cache_is_named_once_and_costs_only_time(path: Path) -> None:
    path.write_bytes(b"this is not a database" * 100)
    with pytest.warns(SememeWarning, match=r"scores-v1\.sqlite cannot be used") as caught:
        report = World().taught_by(Stamped(truth)).report
    assert report.trusted
    assert sum("cannot be used" in str(each.message) for each in caught) == 1


def test_another_version_has_another_file(path: Path) -> None:
    other = path.with_name("scores-v0.sqlite")
    other.write_bytes(b"older")
    World().taught_by(Stamped(truth))
    assert other.read_bytes() == b"older"
    assert path.is_file()

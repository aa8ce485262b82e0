"""Many write to the shared index, some die, connections are lost: nothing is lost or twice."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from postgres_server import ABOUT, Server, some_rows, some_vectors
from sememe.errors import StoreError
from sememe.search.postgres import reencoding
from sememe.search.postgres.store import PostgresStore
from sememe.search.store import Row, Vectors

Make = Callable[..., PostgresStore]
SECOND = replace(ABOUT, model="other", fingerprint="second", dim=4)


def by_length(texts: list[str]) -> Vectors:
    """The second encoder: a text's vector is its own, so a wrong one is seen."""
    return np.array([[len(text), ord(text[-1]), 1, 0] for text in texts], np.float32)


def everything(store: PostgresStore) -> list[Row]:
    [matches] = store.nearest(np.ones((1, store.about().dim), np.float32), 10_000, None)
    return sorted((match.row for match in matches), key=lambda row: str(row.id))


def test_writers_of_the_same_ids_write_each_once(make_store: Make, postgres_place: str) -> None:
    make_store()

    def write(writer: int) -> None:
        store = PostgresStore.open(postgres_place)
        order = np.random.default_rng(writer).permutation(200)
        for part in np.split(order, 10):
            some = [Row(int(n), f"text {n}", {}) for n in part]
            store.put(some, some_vectors(20), "first", replace=writer % 2 == 0)
        store.close()

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(write, range(6)))
    found = everything(PostgresStore.open(postgres_place))
    assert sorted(int(row.id) for row in found) == [*range(200)]


def test_of_two_that_add_different_rows_under_an_id_one_is_told(
    make_store: Make, postgres_place: str
) -> None:
    make_store()

    def write(writer: int) -> str:
        store = PostgresStore.open(postgres_place)
        try:
            some = [Row(n, f"text of {writer}", {}) for n in range(50)]
            store.put(some, some_vectors(50), "first", replace=False)
        except ValueError as error:
            return str(error)
        finally:
            store.close()
        return ""

    with ThreadPoolExecutor(4) as pool:
        said = list(pool.map(write, range(4)))
    assert said.count("") == 1
    assert all("upsert() replaces it" in each for each in said if each)
    assert {row.text for row in everything(PostgresStore.open(postgres_place))} == {
        f"text of {said.index('')}"
    }


def test_threads_share_a_store(make_store: Make) -> None:
    store = make_store()
    rows, vectors = some_rows(100), some_vectors(100)

    def work(n: int) -> None:
        store.put(rows[n : n + 1], vectors[n : n + 1], "first", replace=False)
        assert store.nearest(vectors[n : n + 1], 1, None)[0][0].row == rows[n]

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(100)))
    assert len(store) == 100


def test_a_lost_connection_is_made_anew(make_store: Make, postgres: Server) -> None:
    store = make_store()
    rows, vectors = some_rows(6), some_vectors(6)
    store.put(rows[:3], vectors[:3], "first", replace=False)
    postgres.cut()
    assert len(store) == 3
    postgres.cut()
    assert store.nearest(vectors[:1], 1, None)[0][0].row == rows[0]
    postgres.cut()
    store.put(rows[3:], vectors[3:], "first", replace=False)
    postgres.cut()
    assert store.delete([0]) == 1
    assert everything(store) == rows[1:]


def test_a_connection_lost_in_the_commit_is_told_and_the_call_goes_on(
    make_store: Make, postgres_place: str, postgres: Server
) -> None:
    store, schema = make_store(), f"sememe_{postgres_place.rpartition('/')[2]}"
    postgres.ask(
        f"create function {schema}.die() returns trigger language plpgsql as"
        " $$begin perform pg_terminate_backend(pg_backend_pid()); perform pg_sleep(9); end$$"
    )
    postgres.ask(
        f"create constraint trigger dying after insert on {schema}.rows"
        f" deferrable initially deferred for each row execute function {schema}.die()"
    )
    with pytest.raises(StoreError, match="committed, so all of it was written or nothing"):
        store.put(some_rows(3), some_vectors(3), "first", replace=False)
    assert len(store) == 0
    postgres.ask(f"drop trigger dying on {schema}.rows")
    store.put(some_rows(3), some_vectors(3), "first", replace=False)
    assert len(store) == 3


def test_a_server_that_goes_and_comes_back_loses_nothing(
    make_store: Make, postgres: Server
) -> None:
    store = make_store()
    rows, vectors = some_rows(2_000), some_vectors(2_000)
    store.put(rows[:1000], vectors[:1000], "first", replace=False)
    postgres.stop("immediate")
    with pytest.raises(StoreError, match=r"cannot be opened: .*refused"):
        len(store)
    with pytest.raises(StoreError, match=r"cannot be opened: .*refused"):
        store.put(rows[1000:], vectors[1000:], "first", replace=False)
    postgres.start()
    store.put(rows, vectors, "first", replace=False)
    assert len(store) == 2_000


def test_writers_go_on_while_connections_are_cut_at_random(
    make_store: Make, postgres_place: str, postgres: Server
) -> None:
    make_store()
    stores = [PostgresStore.open(postgres_place) for _ in range(3)]
    acknowledged: set[int] = set()
    said: list[str] = []
    stop = threading.Event()

    def write(writer: int) -> None:
        for first in range(writer * 300, writer * 300 + 300, 20):
            some = [Row(n, f"text {n}", {}) for n in range(first, first + 20)]
            while True:
                try:
                    stores[writer].put(some, some_vectors(20), "first", replace=False)
                except StoreError as error:
                    said.append(str(error))
                else:
                    acknowledged.update(range(first, first + 20))
                    break

    def cutting() -> None:
        while not stop.wait(0.05):
            postgres.cut()

    cutter = threading.Thread(target=cutting)
    cutter.start()
    try:
        with ThreadPoolExecutor(3) as pool:
            list(pool.map(write, range(3)))
    finally:
        stop.set()
        cutter.join()
    found = [int(row.id) for row in everything(PostgresStore.open(postgres_place))]
    assert sorted(found) == sorted(acknowledged) == [*range(900)]
    assert all(re.search("lost|terminating|cannot be opened", each) for each in said)


WRITER = """
import sys
from postgres_server import some_vectors
from sememe.search.postgres.store import PostgresStore
from sememe.search.store import Row
store = PostgresStore.open(sys.argv[1])
for first in range(int(sys.argv[2]), 100_000, 50):
    rows = [Row(n, f"text {n}", {}) for n in range(first, first + 50)]
    store.put(rows, some_vectors(50), "first", replace=first % 100 == 0)
    print(first + 50, flush=True)
"""


def test_of_a_killed_writer_every_acknowledged_row_is_there_once(
    make_store: Make, postgres_place: str
) -> None:
    store = make_store()
    done = 0
    for moment in (0.0, 0.004, 0.011, 0.02, 0.033):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, postgres_place, str(done)],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        assert writer.stdout is not None
        done = int(writer.stdout.readline())
        time.sleep(moment)
        writer.send_signal(signal.SIGKILL)
        done = max([done, *map(int, writer.stdout.read().split())])
        writer.wait()
    found = sorted(int(row.id) for row in everything(store))
    assert found[:done] == [*range(done)]
    assert found == [*range(len(found))]
    assert len(found) % 50 == 0


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reencoding, "_PART", 200)


def test_reencoding_loses_nothing_that_is_written_meanwhile(
    make_store: Make, postgres_place: str
) -> None:
    store, other = make_store(), PostgresStore.open(postgres_place)
    rows = [Row(n, "x" * (n % 90 + 1), {}) for n in range(450)]
    store.put(rows[:400], some_vectors(400), "first", replace=False)
    parts: list[int] = []

    def encode(texts: list[str]) -> Vectors:
        if not parts:
            other.put(rows[400:420], some_vectors(20), "first", replace=False)
            other.put([Row(0, "replaced y", {})], some_vectors(1), "first", replace=True)
            other.delete([1])
            assert other.about() == ABOUT
            assert len(other.nearest(some_vectors(1), 5, None)[0]) == 5
        parts.append(len(texts))
        return by_length(texts)

    store.reencode(SECOND, encode)
    assert (store.about(), other.about()) == (SECOND, SECOND)
    found = everything(other)
    assert {row.id for row in found} == {*range(420)} - {1}
    for row in (found[0], found[1], found[-1]):
        [best] = other.nearest(by_length([row.text]), 5_000, None)
        scores = {match.row.id: match.score for match in best}
        assert scores[row.id] == pytest.approx(float((by_length([row.text]) ** 2).sum()))
    with pytest.raises(StoreError, match="given another encoder meanwhile"):
        other.put(rows[420:], some_vectors(30), "first", replace=False)


def test_what_is_put_in_the_last_round_waits_and_is_told(
    make_store: Make, postgres_place: str
) -> None:
    store, other = make_store(), PostgresStore.open(postgres_place)
    store.put(some_rows(10), some_vectors(10), "first", replace=False)
    late: list[threading.Thread] = []
    said: list[str] = []

    def put() -> None:
        try:
            other.put([Row("late", "late", {})], some_vectors(1), "first", replace=False)
        except StoreError as error:
            said.append(str(error))

    def encode(texts: list[str]) -> Vectors:
        if "new" not in texts:  # the first part: leave one for the last round
            other.put([Row("new", "new", {})], some_vectors(1), "first", replace=False)
        else:
            late.append(threading.Thread(target=put))
            late[0].start()
            time.sleep(0.2)
            assert len(PostgresStore.open(postgres_place)) == 11
        return by_length(texts)

    store.reencode(SECOND, encode)
    late[0].join()
    assert len(store) == 11
    assert "given another encoder meanwhile" in said[0]


def test_a_reencode_that_was_killed_goes_on(make_store: Make, postgres_place: str) -> None:
    store = make_store()
    rows = [Row(n, f"text {n}", {}) for n in range(500)]
    store.put(rows, some_vectors(500), "first", replace=False)
    seen: list[str] = []

    def encode(texts: list[str]) -> Vectors:
        if len(seen) == 400:
            raise KeyboardInterrupt
        seen.extend(texts)
        return by_length(texts)

    with pytest.raises(KeyboardInterrupt):
        store.reencode(SECOND, encode)
    assert store.about() == ABOUT
    again: list[str] = []

    def encode_again(texts: list[str]) -> Vectors:
        again.extend(texts)
        return by_length(texts)

    PostgresStore.open(postgres_place).reencode(SECOND, encode_again)
    assert sorted(seen + again) == sorted(row.text for row in rows)
    assert store.about() == SECOND
    PostgresStore.open(postgres_place).reencode(SECOND, encode_again)
    assert len(seen + again) == len(rows)

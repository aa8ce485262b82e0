"""Many write to the shared index, some die, connections are lost: nothing is lost or twice."""

import multiprocessing
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from random_writes import of_texts

from postgres_server import ABOUT, Server, some_rows, some_vectors
from sememe.errors import InputError, StoreError
from sememe.search.postgres.store import PostgresStore
from sememe.search.query import parse
from sememe.search.rows import Row, Vectors
from sememe.search.store import Run

Make = Callable[..., PostgresStore]
SECOND = replace(ABOUT, model="other", fingerprint="second", dim=4)
THIRD = replace(SECOND, fingerprint="third")


def by_length(texts: list[str]) -> Vectors:
    """The second encoder: a text's vector is its own, so a wrong one is seen."""
    return np.array([[len(text), ord(text[-1]), 1, 0] for text in texts], np.float32)


def by_last_letter(texts: list[str]) -> Vectors:
    """The third encoder, whose vectors are as long as the second's."""
    return np.array([[1, 2, ord(text[-1]), len(text) % 7] for text in texts], np.float32)


def everything(store: PostgresStore) -> list[Row]:
    info = store.info()
    ones = np.ones((1, info.dim), np.float32)
    [matches] = store.nearest(ones, 10_000, None, info.fingerprint)
    return sorted((match.row for match in matches), key=lambda row: row.id)


def test_writers_of_the_same_ids_write_each_once(make_store: Make, postgres_place: str) -> None:
    make_store()

    def write(writer: int) -> None:
        store = PostgresStore(postgres_place)
        order = np.random.default_rng(writer).permutation(200)
        for part in np.split(order, 10):
            some = [Row(str(n), f"text {n}", {}) for n in part]
            store.put(some, some_vectors(20), "first", replace=writer % 2 == 0)
        store.close()

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(write, range(6)))
    found = everything(PostgresStore(postgres_place))
    assert sorted(int(row.id) for row in found) == [*range(200)]


def test_of_two_that_add_different_rows_under_an_id_one_is_told(
    make_store: Make, postgres_place: str
) -> None:
    make_store()

    def write(writer: int) -> str:
        store = PostgresStore(postgres_place)
        try:
            some = [Row(str(n), f"text of {writer}", {}) for n in range(50)]
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
    assert {row.text for row in everything(PostgresStore(postgres_place))} == {
        f"text of {said.index('')}"
    }


def test_threads_share_a_store(make_store: Make) -> None:
    store = make_store()
    rows, vectors = some_rows(100), some_vectors(100)

    def work(n: int) -> None:
        store.put(rows[n : n + 1], vectors[n : n + 1], "first", replace=False)
        assert store.nearest(vectors[n : n + 1], 1, None, "first")[0][0].row == rows[n]

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
    assert store.nearest(vectors[:1], 1, None, "first")[0][0].row == rows[0]
    postgres.cut()
    store.put(rows[3:], vectors[3:], "first", replace=False)
    postgres.cut()
    assert store.delete(iter(["0"])) == 1
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
    stores = [PostgresStore(postgres_place) for _ in range(3)]
    acknowledged: set[int] = set()
    said: list[str] = []
    stop = threading.Event()

    def write(writer: int) -> None:
        for first in range(writer * 300, writer * 300 + 300, 20):
            some = [Row(str(n), f"text {n}", {}) for n in range(first, first + 20)]
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
    found = [int(row.id) for row in everything(PostgresStore(postgres_place))]
    assert sorted(found) == sorted(acknowledged) == [*range(900)]
    assert all(re.search("lost|terminating|cannot be opened", each) for each in said)


WRITER = """
import sys
from postgres_server import some_vectors
from sememe.search.postgres.store import PostgresStore
from sememe.search.rows import Row
store = PostgresStore(sys.argv[1])
for first in range(int(sys.argv[2]), 100_000, 50):
    rows = [Row(str(n), f"text {n}", {}) for n in range(first, first + 50)]
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


def test_reencoding_loses_nothing_that_is_written_meanwhile(
    make_store: Make, postgres_place: str
) -> None:
    store, other = make_store(), PostgresStore(postgres_place)
    rows = [Row(str(n), "x" * (n % 90 + 1), {}) for n in range(450)]
    store.put(rows[:400], some_vectors(400), "first", replace=False)
    parts: list[int] = []

    def encode(texts: list[str]) -> Vectors:
        if not parts:
            other.put(rows[400:420], some_vectors(20), "first", replace=False)
            other.put([Row("0", "replaced y", {})], some_vectors(1), "first", replace=True)
            other.delete(["1"])
            assert other.info() == ABOUT
            assert len(other.nearest(some_vectors(1), 5, None, "first")[0]) == 5
        parts.append(len(texts))
        return by_length(texts)

    store.reencode(SECOND, of_texts(encode), size=200)
    assert (store.info(), other.info()) == (SECOND, SECOND)
    found = everything(other)
    assert {int(row.id) for row in found} == {*range(420)} - {1}
    for row in (found[0], found[1], found[-1]):
        [best] = other.nearest(by_length([row.text]), 5_000, None, "second")
        scores = {match.row.id: match.score for match in best}
        assert scores[row.id] == pytest.approx(float((by_length([row.text]) ** 2).sum()))
    with pytest.raises(StoreError, match="given another encoder meanwhile"):
        other.put(rows[420:], some_vectors(30), "first", replace=False)


def test_what_is_put_in_the_last_round_waits_and_is_told(
    make_store: Make, postgres_place: str
) -> None:
    store, other = make_store(), PostgresStore(postgres_place)
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
            assert len(PostgresStore(postgres_place)) == 11
        return by_length(texts)

    store.reencode(SECOND, of_texts(encode), size=200)
    late[0].join()
    assert len(store) == 11
    assert "given another encoder meanwhile" in said[0]


def test_a_reencode_that_was_killed_goes_on(make_store: Make, postgres_place: str) -> None:
    store = make_store()
    rows = [Row(str(n), f"text {n}", {}) for n in range(500)]
    store.put(rows, some_vectors(500), "first", replace=False)
    seen: list[str] = []

    def encode(texts: list[str]) -> Vectors:
        if len(seen) == 400:
            raise KeyboardInterrupt
        seen.extend(texts)
        return by_length(texts)

    with pytest.raises(KeyboardInterrupt):
        store.reencode(SECOND, of_texts(encode), size=200)
    assert store.info() == ABOUT
    again: list[str] = []

    def encode_again(texts: list[str]) -> Vectors:
        again.extend(texts)
        return by_length(texts)

    PostgresStore(postgres_place).reencode(SECOND, of_texts(encode_again), size=200)
    assert sorted(seen + again) == sorted(row.text for row in rows)
    assert store.info() == SECOND
    PostgresStore(postgres_place).reencode(SECOND, of_texts(encode_again), size=200)
    assert len(seen + again) == len(rows)


@pytest.mark.parametrize("step", ["_missing", "_add", "_end"])
@pytest.mark.parametrize("killed", [False, True])
def test_of_two_that_encode_anew_the_first_is_told_and_vectors_are_of_one(
    make_store: Make, postgres_place: str, monkeypatch: pytest.MonkeyPatch, step: str, killed: bool
) -> None:
    store, other = make_store(), PostgresStore(postgres_place)
    store.put(some_rows(400), some_vectors(400), "first", replace=False)
    real_step, real_end = getattr(store, step), other._end
    met: list[str] = []

    def end(run: Run, **options: Any) -> None:
        if killed and len(met) == 1:
            raise KeyboardInterrupt
        real_end(run, **options)

    def late(run: Run, **options: Any) -> Any:
        """The step of the one who encodes the second way, after the other one has come by."""
        if not met:
            met.append(step)
            with pytest.raises(KeyboardInterrupt) if killed else nullcontext():
                other.reencode(THIRD, of_texts(by_last_letter), size=200)
        return real_step(run, **options)

    monkeypatch.setattr(other, "_end", end)
    monkeypatch.setattr(store, step, late)
    with pytest.raises(StoreError, match="Another process began or ended to encode this index"):
        store.reencode(SECOND, of_texts(by_length), size=200)
    met.append("over")
    assert store.info() == (ABOUT if killed else THIRD)
    other.reencode(THIRD, of_texts(by_last_letter), size=200)
    [best] = store.nearest(by_last_letter(["text 7"]), 400, None, "third")
    expected = {row.id: by_last_letter([row.text])[0] @ by_last_letter(["text 7"])[0]
                for row in some_rows(400)}  # fmt: skip
    assert {match.row.id: match.score for match in best} == pytest.approx(expected)


def test_searches_go_on_while_encoders_change_and_never_mix_their_vectors(
    make_store: Make, postgres_place: str
) -> None:
    store, rows = make_store(), some_rows(60)

    def by_first(texts: list[str]) -> Vectors:
        return np.array([[len(text), *map(ord, f"{text}......"[:7])] for text in texts], np.float32)

    encoders = {"first": by_first, "second": by_length, "third": by_last_letter}
    store.put(rows, by_first([row.text for row in rows]), "first", replace=False)
    done, found, said = threading.Event(), Counter[str](), Counter[str]()

    def search() -> None:
        own = PostgresStore(postgres_place)
        while not done.is_set():
            name = own.info().fingerprint
            encode = encoders[name]
            query = encode(["text 7"])
            try:
                [matches] = own.nearest(query, 100, None, name)
            except StoreError as error:
                said[str(error).partition(" was ")[2]] += 1
                continue
            products = {row.id: float(encode([row.text])[0] @ query[0]) for row in rows}
            assert {match.row.id: match.score for match in matches} == pytest.approx(products)
            found[name] += 1
        own.close()

    with ThreadPoolExecutor(2) as pool:
        searches = [pool.submit(search) for _ in range(2)]
        try:
            for number, info in enumerate((SECOND, THIRD, ABOUT) * 60):
                if number >= 18 and len(found) == 3:  # on a busy machine searches are late
                    break
                store.reencode(info, of_texts(encoders[info.fingerprint]), size=200)
        finally:
            done.set()
        for each in searches:
            each.result()
    assert set(found) == set(encoders)
    assert set(said) <= {"given another encoder meanwhile: search again."}


def test_a_query_of_another_encoder_is_told(make_store: Make, postgres_place: str) -> None:
    store, other = make_store(), PostgresStore(postgres_place)
    store.put(some_rows(3), some_vectors(3), "first", replace=False)
    store.reencode(SECOND, of_texts(by_length), size=200)
    for vectors in (some_vectors(1), some_vectors(1, 4)):
        with pytest.raises(StoreError, match="was given another encoder meanwhile: search again"):
            other.nearest(vectors, 2, None, "first")
    assert len(other.nearest(some_vectors(1, 4), 2, None, "second")[0]) == 2


def test_of_many_that_make_one_index_at_once_one_does(postgres: Server) -> None:
    def make(url: str) -> str:
        try:
            PostgresStore.create(url, ABOUT).close()
        except InputError as error:
            return str(error)
        return ""

    for number in range(3):
        database = f"fresh_{number}"  # where nobody has made the extension yet
        postgres.ask(f"create database {database}")
        urls = [postgres.url(name, database) for name in ("a", "a", "a", "b", "c", "d")]
        with ThreadPoolExecutor(len(urls)) as pool:
            said = list(pool.map(make, urls))
        assert said.count("") == 4
        assert [each for each in said[:3] if each] == [each for each in said if each]
        assert all("/a is there already: open it" in each for each in said if each)


def test_what_no_longer_fits_when_its_turn_comes_is_not_deleted(
    make_store: Make, postgres_place: str
) -> None:
    store, other = make_store(), PostgresStore(postgres_place)
    store.put(some_rows(4), some_vectors(4), "first", replace=False)
    fits = parse("n >= 2")
    assert fits is not None

    def step(run: Run) -> Future[int]:
        other._lock(run)
        removed = pool.submit(store.delete, fits)
        while not run("select 1 from pg_locks where locktype = 'advisory' and not granted"):
            time.sleep(0.01)
        run("update rows set metadata = '{\"n\": 0}' where id = '3'")
        return removed

    with ThreadPoolExecutor(1) as pool:
        assert other._link.transact(step).result() == 1
    assert {row.id for row in everything(other)} == {"0", "1", "3"}


def test_a_process_that_is_forked_gets_a_connection_of_its_own(make_store: Make) -> None:
    store = make_store()
    store.put(some_rows(20), some_vectors(20), "first", replace=False)
    child = os.fork()
    if not child:
        try:
            found = {own: row.text for own in range(20) for row in store.get([str(own)]).values()}
            os._exit(int(found != {own: f"text {own}" for own in range(20)}))
        finally:
            os._exit(2)
    found = {own: row.text for own in range(20) for row in store.get([str(own)]).values()}
    assert found == {own: f"text {own}" for own in range(20)}
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert len(store) == 20


def test_a_process_that_is_forked_while_a_thread_uses_the_connection_goes_on(
    make_store: Make,
) -> None:
    store = make_store()
    store.put(some_rows(20), some_vectors(20), "first", replace=False)
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with store._link._session().lock:
            held.set()
            done.wait(60)

    with ThreadPoolExecutor(1) as pool:
        pool.submit(hold)
        held.wait(60)
        context = multiprocessing.get_context("fork")
        child = context.Process(target=lambda: os._exit(int(len(store) != 20)))
        child.start()
        child.join(60)
        child.kill()
        done.set()
    assert child.exitcode == 0
    assert len(store) == 20

"""The embedded store's file while others write, fork, or put another in its place."""

import linecache
import multiprocessing
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest
from random_writes import DIM, create, vectors

from sememe import BiEncoder
from sememe.errors import StoreError
from sememe.search.index import Index
from sememe.search.sqlite import vectors as vectors_module
from sememe.search.sqlite.connection import FILE
from sememe.search.sqlite.store import SQLiteStore
from static_models import make_model2vec, word_pieces

QUERIES = np.random.default_rng(2).standard_normal((20, DIM)).astype(np.float32)


def store_of(index: Index) -> SQLiteStore:
    assert isinstance(index._store, SQLiteStore)
    return index._store


def test_a_place_stays_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other").mkdir()
    with create(Path("index")) as index, Index.open("index") as other:
        monkeypatch.chdir("other")
        texts = [f"text {n}" for n in range(60)]
        index.add(texts, range(60), vectors=vectors(texts))
        with (
            store_of(other).writing(),
            pytest.raises(StoreError, match="Another process, or another Index"),
        ):
            index.add(["late"], [99], vectors=vectors(["late"]))
        assert other.search(vectors(["text 7"])[0])[0].id == "7"
    assert not list((tmp_path / "other").iterdir())


def test_a_reader_without_rights_sees_what_is_written_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "index"
    create(folder).close()
    texts = [f"text {n}" for n in range(200)]
    with monkeypatch.context() as patch:
        patch.setattr(os, "access", lambda *_: False)  # root may write everywhere
        reader = Index.open(folder)
        assert reader.search(QUERIES[0]) == []
    for start in range(0, 200, 50):
        with Index.open(folder) as writer:
            part = range(start, start + 50)
            writer.add(texts[start : start + 50], part, vectors=vectors(texts)[part])
            own = start + 7
            with monkeypatch.context() as patch:
                patch.setattr(os, "access", lambda *_: False)
                assert len(reader) == start + 50
                assert reader.search(vectors([f"text {own}"])[0])[0].id == str(own)
                assert reader.search(f"text {own}", mode="bm25")[0].id == str(own)
        with monkeypatch.context() as patch:
            patch.setattr(os, "access", lambda *_: False)
            assert reader.search(vectors([f"text {own}"])[0])[0].id == str(own)
    reader.close()


@pytest.mark.slow
def test_a_reader_without_rights_keeps_nothing_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, texts = tmp_path / "index", [f"text {n}" for n in range(100)]
    with create(folder) as index:
        index.add(texts, range(100), vectors=vectors(texts))
    monkeypatch.setattr(vectors_module, "_READ", 10)
    writer = (
        "import sys; from random_writes import *; i = Index.open(sys.argv[1])\n"
        "t = [f'later {n}' for n in range(100)]; i.upsert(t, range(100), vectors=vectors(t))\n"
        "i.compact(); i.close()"
    )
    read, calls = vectors_module.read_vectors, []

    def interrupted(*given: object) -> object:
        for part in read(*given):  # type: ignore[arg-type]
            yield part
            calls.append(1)
            if len(calls) == 3:
                subprocess.run(
                    [sys.executable, "-c", writer, folder], check=True, cwd=Path(__file__).parent
                )

    monkeypatch.setattr(vectors_module, "read_vectors", interrupted)
    monkeypatch.setattr(os, "access", lambda *_: False)
    with Index.open(folder) as reader:
        reader.search(QUERIES[0])
        for own in range(0, 100, 7):
            hit = reader.search(vectors([f"later {own}"])[0])[0]
            assert hit.id == str(own)
            assert hit.score == pytest.approx(1)


@pytest.mark.parametrize("log", [b"", b"x" * 32])
def test_a_reader_without_rights_reads_beside_an_empty_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, log: bytes
) -> None:
    with create(tmp_path / "index") as index:
        index.add(["a"], [1], vectors=vectors(["a"]))
    (tmp_path / "index" / f"{FILE}-wal").write_bytes(log)
    monkeypatch.setattr(os, "access", lambda *_: False)
    with Index.open(tmp_path / "index") as reader:
        assert reader.search(QUERIES[0])[0].id == "1"


def add_in_turn(index: Index, first: int) -> None:
    """Add twenty texts, one after the other, each when nobody else is writing."""
    for own in range(first, first + 20):
        while not index.get([own]):
            with suppress(StoreError):
                index.add([f"text {own}"], [own], vectors=vectors([f"text {own}"]))
    index.close()


@pytest.mark.slow
def test_processes_that_are_forked_go_on_and_lose_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "index"
    index = create(folder)
    index.add(["parent"], [0], vectors=vectors(["parent"]))
    children = []
    for number in (1, 2):
        child = os.fork()
        if not child:
            try:
                add_in_turn(index if number == 1 else Index.open(folder), 100 * number)
                os._exit(0)
            finally:
                os._exit(1)
        children.append(child)
    index.close()  # the last one that closes it may remove the log
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0, 0]
    with Index.open(folder) as index:
        there = [int(row.id) for row in index.get(range(300))]
        assert there == [0, *range(100, 120), *range(200, 220)]
    with sqlite3.connect(folder / FILE) as file:
        assert file.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_process_that_is_forked_while_a_thread_writes_goes_on(tmp_path: Path) -> None:
    with create(tmp_path / "index") as index:
        within, done = threading.Event(), threading.Event()

        def write() -> None:
            with store_of(index).writing():
                within.set()
                done.wait()

        thread = threading.Thread(target=write)
        thread.start()
        within.wait()
        child = os.fork()
        if not child:
            try:
                index.add(["x"], [1], vectors=vectors(["x"]))
            except StoreError as error:
                os._exit(int("is writing" not in str(error)))
            os._exit(2)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        done.set()
        thread.join()
        index.add(["x"], [1], vectors=vectors(["x"]))


def forked(work: Callable[[], object]) -> bool:
    """Whether two children do the work at once, each in time, and find what the parent finds."""
    expected = work()
    context = multiprocessing.get_context("fork")
    children = [context.Process(target=lambda: os._exit(int(work() != expected))) for _ in range(2)]
    for child in children:
        child.start()
    for child in children:
        child.join(60)
        child.kill()
    return [child.exitcode for child in children] == [0, 0]


def test_children_of_a_process_that_searched_search(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("faiss", reason="its threads do not survive a fork")
    monkeypatch.setattr(vectors_module, "FLAT", 40)
    texts = [f"text {n}" for n in range(300)]
    with create(tmp_path / "index") as index:
        index.add(texts, range(300), vectors=vectors(texts))
        assert forked(lambda: [[h.id for h in hits] for hits in index.search_many(QUERIES)])


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["dense", "bm25", "hybrid"])
def test_children_of_a_process_that_searched_for_a_text_search_for_one(
    tmp_path: Path, mode: str
) -> None:
    make_model2vec(tmp_path / "model", word_pieces())
    with Index.create(tmp_path / "index", BiEncoder(tmp_path / "model")) as index:
        index.add(["a clean power plant", "an old bus", "wind and waste"])
    with Index.open(tmp_path / "index") as index:
        assert forked(lambda: [hit.sentence for hit in index.search("the bus", mode=mode)])


def test_a_closed_index_stays_closed_after_a_fork(tmp_path: Path) -> None:
    index = create(tmp_path / "index")
    child = os.fork()
    if not child:
        os._exit(0)
    os.waitpid(child, 0)
    index.close()
    with pytest.raises(StoreError, match="was closed"):
        len(index)


def test_a_place_that_cannot_be_looked_at_is_one_line(tmp_path: Path) -> None:
    for make in (Index.open, create):
        with pytest.raises(StoreError, match="too long"):
            make(tmp_path / ("x" * 300))
    with create(tmp_path / "index") as index:
        (tmp_path / "index").rename(tmp_path / "moved")
        (tmp_path / "index").write_text("a file")
        with pytest.raises(StoreError, match="removed or replaced"):
            index.add(["x"], [1], vectors=vectors(["x"]))


@pytest.mark.parametrize("replaced", [False, True])
def test_a_folder_that_is_gone_takes_no_writes(tmp_path: Path, *, replaced: bool) -> None:
    folder = tmp_path / "index"
    with create(folder) as index:
        folder.rename(tmp_path / "moved")
        if replaced:
            create(folder).close()
        for use in (
            lambda: index.add(["a"], [1], vectors=vectors(["a"])),
            lambda: index.search(QUERIES[0]),
        ):
            with pytest.raises(StoreError, match="removed or replaced since it was opened"):
                use()
        assert folder.exists() == replaced
    shutil.rmtree(tmp_path / "moved")


def interrupt_at(number: int) -> Any:
    """A trace function that raises KeyboardInterrupt at so manieth line in the store.

    The lines that release the lock are not among them: none can be made up for in Python.
    """
    left = iter(range(number))

    def trace(frame: FrameType, event: str, _: object) -> Any:
        here = event == "line" and "search/sqlite" in frame.f_code.co_filename
        line = linecache.getline(frame.f_code.co_filename, frame.f_lineno)
        releasing = any(name in line for name in ("_lock", "lock.lock_counter", "lock.release"))
        if here and not releasing and next(left, None) is None:
            sys.settrace(None)
            raise KeyboardInterrupt
        return trace

    return trace


@pytest.mark.slow
def test_an_interrupt_at_any_line_of_a_write_leaves_nothing_locked(tmp_path: Path) -> None:
    for line in range(1, 200, 3):
        folder = tmp_path / str(line)
        with create(folder) as index:
            try:
                sys.settrace(interrupt_at(line))
                index.add(["a"], [1], vectors=vectors(["a"]))
            except KeyboardInterrupt:
                pass
            else:
                assert line > 50
                return
            finally:
                sys.settrace(None)
            index.upsert(["b"], [2], vectors=vectors(["b"]))
            assert "2" in {hit.id for hit in index.search(QUERIES[0])}
            with Index.open(folder) as other:
                other.add(["c"], [3], vectors=vectors(["c"]))

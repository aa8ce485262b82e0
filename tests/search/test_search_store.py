"""The embedded store: random writes against a dict, its graph of neighbours, damage, company."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest
import random_writes
from hypothesis import given, settings
from hypothesis import strategies as st
from random_writes import DIM, State, create, of_texts, rows, vectors, write

from sememe.errors import ChoiceWarning, InputError, StoreError
from sememe.search.index import Index
from sememe.search.sqlite import vectors as vectors_module
from sememe.search.sqlite.connection import FILE

QUERIES = np.random.default_rng(1).standard_normal((20, DIM)).astype(np.float32)


@pytest.fixture(autouse=True)
def small_graphs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vectors_module, "FLAT", 40)


def assert_exact(
    index: Index, state: State, query: np.ndarray, count: int, where: str | None = None
) -> None:
    """The hits are those that looking at each text of the state finds."""
    listed = sorted(state)
    given = vectors([state[own][0] for own in listed])
    cosines = given @ query / np.linalg.norm(given, axis=1) / np.linalg.norm(query)
    order = np.argsort(-cosines, kind="stable")[:count]
    hits = index.search(query, top_k=count, where=where)
    assert [hit.id for hit in hits] == [str(listed[at]) for at in order]
    assert [hit.score for hit in hits] == pytest.approx(cosines[order].tolist(), abs=1e-5)


@pytest.mark.slow
@settings(max_examples=15)
@given(seed=st.integers(0, 10**6), writes=st.integers(1, 40))
def test_after_any_writes_it_holds_what_a_dict_would(
    tmp_path_factory: pytest.TempPathFactory, seed: int, writes: int
) -> None:
    folder = tmp_path_factory.mktemp("store") / "index"
    state: State = {}
    with create(folder) as index, Index.open(folder) as reader:
        for number in range(writes):
            write(index, state, seed, number)
            if number % 5 == 0:
                assert_exact(reader, state, QUERIES[number % 20], 3)
        for one in (index, reader):
            assert one.get(range(400)) == rows(state)
            assert len(one) == len(state)
            for query in QUERIES[:5]:
                assert_exact(one, state, query, 10)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, State]:
    """An index of some hundred texts, with a graph."""
    folder, state = tmp_path_factory.mktemp("written") / "index", dict[int, Any]()
    with pytest.MonkeyPatch.context() as patch, create(folder) as index:
        patch.setattr(vectors_module, "FLAT", 40)
        for number in range(60):
            write(index, state, 3, number)
        index.compact()
    assert len(state) > 100
    assert graph_file(folder)
    return folder, state


@pytest.fixture
def filled(written: tuple[Path, State], tmp_path: Path) -> tuple[Path, State]:
    """A copy of it, which a test may change, as its state."""
    folder, state = written
    return Path(shutil.copytree(folder, tmp_path / "index")), dict(state)


def graph_file(folder: Path) -> Path:
    (file,) = (folder / vectors_module.FOLDER).iterdir()
    return file


@pytest.mark.slow
def test_the_graph_has_every_text_and_grows(filled: tuple[Path, State]) -> None:
    folder, state = filled
    assert faiss.read_index(str(graph_file(folder))).ntotal == len(state)
    before = graph_file(folder).name
    with Index.open(folder) as index:
        texts = [f"later {n}" for n in range(30)]
        index.add(texts, range(1000, 1030), vectors=vectors(texts))
        assert graph_file(folder).name == before, "a few are compared one by one"
        assert index.search(vectors(["later 7"])[0])[0].id == "1007"
        texts = [f"latest {n}" for n in range(200)]
        index.add(texts, range(2000, 2200), vectors=vectors(texts))
        assert faiss.read_index(str(graph_file(folder))).ntotal == len(state) + 230
        assert index.search(vectors(["latest 7"])[0])[0].id == "2007"
        index.delete(range(0, 2200))
        assert index.search(QUERIES[0]) == []
        index.compact()
        assert not list((folder / vectors_module.FOLDER).iterdir()), "so few need none"


@pytest.mark.slow
def test_many_dead_neighbours_do_not_hide_the_living(filled: tuple[Path, State]) -> None:
    folder, state = filled
    query = QUERIES[3]
    with Index.open(folder) as index:
        nearest = [int(hit.id) for hit in index.search(query, top_k=25)]
        index.delete(nearest)
        for own in nearest:
            del state[own]
        assert_exact(index, state, query, 10)


@pytest.mark.slow
@pytest.mark.parametrize("most", [100, 3])
def test_filters_are_exact(filled: tuple[Path, State], most: int) -> None:
    folder, state = filled
    with Index.open(folder) as index:
        for query in QUERIES:
            kept = {own: state[own] for own in state if own >= most}
            assert_exact(index, kept, query, 10, f"id >= {most}")


@pytest.mark.slow
def test_the_graph_is_a_cache(filled: tuple[Path, State]) -> None:
    folder, state = filled
    whole = graph_file(folder)
    content = whole.read_bytes()
    for damage in (b"", content[:1000], b"x" * 5000, content[: len(content) - 9]):
        whole.write_bytes(damage)
        with Index.open(folder) as index:
            assert_exact(index, state, QUERIES[0], 5)
    shutil.rmtree(folder / vectors_module.FOLDER)
    with Index.open(folder) as index:
        assert_exact(index, state, QUERIES[0], 5)
        index.add(["one"], [999], vectors=vectors(["one"]))
        assert graph_file(folder), "whoever writes makes it again"


def test_without_faiss_every_vector_is_compared(
    filled: tuple[Path, State], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, state = filled
    monkeypatch.setitem(sys.modules, "faiss", None)
    told = pytest.warns(ChoiceWarning, match='pip install "faiss-cpu>=')
    with Index.open(folder) as index, told:
        assert_exact(index, state, QUERIES[0], 5)


def test_a_half_copied_or_foreign_file_is_told_of(
    filled: tuple[Path, State], tmp_path: Path
) -> None:
    folder, _ = filled
    content = (folder / FILE).read_bytes()
    other = tmp_path / "other"
    other.mkdir()
    for damaged, said in (
        (content[: len(content) // 2], "damaged"),
        (content[:50], "no index|damaged"),
        (b"", "no index|damaged"),
        (b"PK" + b"x" * 5000, "no index|damaged"),
    ):
        (other / FILE).write_bytes(damaged)
        with pytest.raises(StoreError, match=said) as told:
            Index.open(other)
        assert "\n" not in str(told.value)
    (other / FILE).unlink()
    with sqlite3.connect(other / FILE) as foreign:
        foreign.execute("CREATE TABLE t (x)")
    with pytest.raises(StoreError, match="no index of sememe's"):
        Index.open(other)
    file = sqlite3.connect(folder / FILE)
    with file:
        file.execute("UPDATE state SET value = '2' WHERE name = 'format'")
    file.close()
    with pytest.raises(StoreError, match="another version made it"):
        Index.open(folder)


def test_a_page_that_is_overwritten_is_told_of(filled: tuple[Path, State]) -> None:
    folder, _ = filled
    with (folder / FILE).open("r+b") as file:
        size = (folder / FILE).stat().st_size
        for page in range(2, size // 4096, 2):
            file.seek(page * 4096)
            file.write(b"\xff" * 2000)

    def use() -> None:
        with Index.open(folder) as index:
            index.search(QUERIES[0])
            index.get(range(400))

    with pytest.raises(StoreError, match=r"damaged.*backup"):
        use()


def test_a_copied_folder_is_an_index(filled: tuple[Path, State], tmp_path: Path) -> None:
    folder, state = filled
    shutil.copytree(folder, tmp_path / "copy")
    shutil.rmtree(folder)
    with Index.open(tmp_path / "copy") as index:
        assert index.get(range(400)) == rows(state)


@pytest.mark.slow
def test_two_writers_are_told_so_and_readers_go_on(filled: tuple[Path, State]) -> None:
    folder, state = filled
    holder = subprocess.Popen(
        [sys.executable, "-c", "import sys; from sememe.search.index import Index\n"
         "i = Index.open(sys.argv[1])\nwith i._store.writing(): print('held', flush=True); input()",
         str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    with Index.open(folder) as index:
        for call in (
            lambda: index.add(["x"], [1], vectors=vectors(["x"])),
            lambda: index.delete([1]),
            index.compact,
        ):
            with pytest.raises(StoreError, match="Another process, or another Index"):
                call()
        assert_exact(index, state, QUERIES[0], 5)
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        index.add(["x"], [500], vectors=vectors(["x"]))
        assert len(index) == len(state) + 1


@pytest.mark.slow
def test_others_that_open_and_close_take_nothing_from_a_writer(tmp_path: Path) -> None:
    create(tmp_path / "index").close()
    opener = subprocess.Popen(
        [sys.executable, "-c", "import sys; from sememe.search.index import Index\n"
         "print('ready', flush=True)\nwhile True: Index.open(sys.argv[1]).close()",
         str(tmp_path / "index")], stdout=subprocess.PIPE,
    )  # fmt: skip
    assert opener.stdout is not None
    assert opener.stdout.readline() == b"ready\n"
    try:
        with Index.open(tmp_path / "index") as index:
            for own in range(200):
                index.add([f"text {own}"], [own], vectors=vectors([f"text {own}"]))
        assert opener.poll() is None, "nobody was refused meanwhile"
    finally:
        opener.kill()
        opener.wait()
    with Index.open(tmp_path / "index") as index:
        assert [row.id for row in index.get(range(200))] == [str(own) for own in range(200)]


@pytest.mark.slow
def test_a_reader_whose_graph_goes_away_keeps_all_rows(filled: tuple[Path, State]) -> None:
    folder, state = filled
    with Index.open(folder) as reader, Index.open(folder) as writer:
        writer.add(["late"], [900], vectors=vectors(["late"]))
        state[900] = ("late", {})
        assert_exact(reader, state, QUERIES[0], 5)
        gone = sorted(state)[:-30]
        writer.delete(gone)
        writer.compact()
        for own in gone:
            del state[own]
        assert_exact(reader, state, QUERIES[0], 10)


@pytest.mark.slow
def test_threads_share_an_index(filled: tuple[Path, State]) -> None:
    folder, state = filled
    faults: list[BaseException] = []

    def guarded(work: Callable[[], Any]) -> threading.Thread:
        def run() -> None:
            try:
                work()
            except BaseException as error:
                faults.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        return thread

    with Index.open(folder) as index:

        def add(first: int) -> None:
            for own in range(first, first + 100, 10):
                texts = [f"thread {n}" for n in range(own, own + 10)]
                index.add(texts, range(own, own + 10), vectors=vectors(texts))

        def search() -> None:
            for query in np.tile(QUERIES, (5, 1)):
                assert len(index.search(query)) == 10

        work = [lambda: add(1000), lambda: add(2000), search, search]
        for thread in [guarded(each) for each in work]:
            thread.join()
        assert not faults
        assert len(index) == len(state) + 200


@pytest.mark.slow
def test_a_full_disk_loses_nothing(filled: tuple[Path, State]) -> None:
    folder, state = filled
    program = (
        "import resource, signal, sys; import random_writes as w\n"
        "from sememe.search.index import Index\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "i = Index.open(sys.argv[1]); t = [f'full {n} ' + 'x' * 2000 for n in range(3000)]\n"
        "limit = 3_000_000; resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))\n"
        "try: i.add(t, range(10000, 13000), vectors=w.vectors([x[:12] for x in t]))\n"
        "except Exception as e: print(type(e).__name__, e)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program, str(folder)], capture_output=True, text=True, check=False,
        cwd=Path(random_writes.__file__).parent,
    )  # fmt: skip
    assert ran.stdout.startswith("StoreError"), ran.stderr
    assert "nothing of this step was written" in ran.stdout
    with Index.open(folder) as index:
        there = index.get(range(400))
        assert there == rows(state)
        index.add(["room again"], [500], vectors=vectors(["room again"]))
        assert index.search(vectors(["room again"])[0])[0].id == "500"


def test_a_folder_that_may_only_be_read_can_be_searched(
    filled: tuple[Path, State], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, state = filled
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write everywhere
    with Index.open(folder) as index:
        assert_exact(index, state, QUERIES[0], 5)
        with pytest.raises(StoreError, match="may not be written"):
            index.delete([*state][:1])


def test_a_reader_that_may_not_write_sees_what_is_still_in_the_log(
    filled: tuple[Path, State], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, state = filled
    with Index.open(folder) as writer:
        writer.add(["logged"], [700], vectors=vectors(["logged"]))
        assert folder.joinpath(f"{FILE}-wal").stat().st_size > 0
        monkeypatch.setattr(os, "access", lambda *_: False)
        with Index.open(folder) as reader:
            assert len(reader) == len(state) + 1
            assert reader.search(vectors(["logged"])[0])[0].id == "700"


def test_an_interrupted_reindex_changes_nothing_and_goes_on(
    filled: tuple[Path, State],
) -> None:
    folder, state = filled
    with Index.open(folder) as index:
        store = index._store
        info = replace(store.info(), fingerprint="1" * 16, dim=4)
        encoded: list[str] = []

        def encode(texts: list[str]) -> np.ndarray:
            if encoded:
                raise KeyboardInterrupt
            encoded.extend(texts)
            return np.eye(4, dtype=np.float32)[[len(text) % 4 for text in texts]]

        with pytest.raises(KeyboardInterrupt):
            store.reencode(info, of_texts(encode), size=50)
        assert store.info().dim == DIM
        assert_exact(index, state, QUERIES[0], 5)
        again: list[str] = []

        def encode_rest(texts: list[str]) -> np.ndarray:
            again.extend(texts)
            return np.ones((len(texts), 4), np.float32)

        store.reencode(info, of_texts(encode_rest), size=50)
        assert len(encoded) == 50
        assert len(again) == len(state) - 50
        assert not set(again) & set(encoded)
        assert store.info() == info
        assert len(index.search(np.ones(4, np.float32), top_k=400)) == len(state)


@pytest.mark.slow
def test_a_reader_sees_vectors_of_another_size(filled: tuple[Path, State]) -> None:
    folder, state = filled
    with Index.open(folder) as reader, Index.open(folder) as index:
        assert_exact(reader, state, QUERIES[0], 5)
        info = replace(index._store.info(), fingerprint="1" * 16, dim=3)
        index._store.reencode(
            info, of_texts(lambda texts: np.eye(3, dtype=np.float32)[[0] * len(texts)])
        )
        assert [hit.score for hit in reader.search(np.array([1.0, 0, 0]), top_k=2)] == [1, 1]
        with pytest.raises(InputError, match="query of 8 numbers; vectors here have 3"):
            reader.search(QUERIES[0])


@pytest.mark.slow
def test_a_query_of_thousands_of_words(tmp_path: Path) -> None:
    texts = [f"word{n} common" for n in range(3000)]
    with create(tmp_path / "index") as index:
        index.add(texts, range(3000), vectors=vectors(texts))
        assert len(index.search(" ".join(texts), mode="bm25", top_k=5)) == 5


def test_an_id_that_comes_twice_in_one_call_is_refused(tmp_path: Path) -> None:
    with create(tmp_path / "index") as index, pytest.raises(InputError, match="as ids"):
        index.add(["a", "b"], [1, 1], vectors=vectors(["a", "b"]))

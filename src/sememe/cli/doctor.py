"""`sememe doctor`: what this machine can do, what is installed, and what is missing."""

import argparse
import importlib.metadata
import platform
from pathlib import Path
from typing import Any

import sememe
from sememe.cli import parser as cli
from sememe.cli.models import describe, format_model
from sememe.extras import EXTRAS, install_line, is_installed, requirement

_PACKAGES = ("numpy", "scipy", "openvino", "tokenizers", "safetensors", "scikit-network",
             "huggingface-hub")  # fmt: skip
_SHOWN = ("avx2", "avx512f", "avx_vnni", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8",
          "asimddp", "i8mm", "bf16")  # fmt: skip
_PURPOSES = {
    "parquet": "parquet files",
    "xlsx": "Excel workbooks",
    "search": "fast searches in large indexes",
    "postgres": "indexes in PostgreSQL",
    "classify": "training classifiers",
    "evaluate": "measuring rankings, labels and clusters",
    "torch": "GPUs and more architectures",
    "train": "training encoders and classifiers",
}


# fmt: off
def add_commands(commands: cli.Commands) -> None:
    """Add the command to the parser."""
    parser = cli.add_command(
        commands, "doctor", _run,
        summary="see what this machine can do, and what is missing",
        description="Show the processor's features, which precision auto chooses and why, "
        "versions, optional packages, caches and models, and how to install what is missing. It "
        "never uses the network.",
        examples="sememe doctor\nsememe doctor --json > doctor.json",
    )
    cli.add_json(parser, "the findings")
# fmt: on


def _run(options: argparse.Namespace) -> int:
    findings = _examine()
    cli.show(options, findings, "\n".join(_lines(findings)))
    return 0


def _examine() -> dict[str, Any]:
    from huggingface_hub.constants import HF_HUB_CACHE

    from sememe.cache import cache_directory
    from sememe.checkpoint.pull import installed_models
    from sememe.engines import find_ranges
    from sememe.engines.openvino.runtime import core
    from sememe.engines.processor import automatic, features, usable_cores

    models = installed_models()
    example = next((m for m in models if m.checkpoint and m.checkpoint.static is None), None)
    auto: dict[str, Any] = {"model": None, "precision": None, "why": "no transformer is here"}
    if example is not None and example.checkpoint is not None:
        ranges = find_ranges(example.checkpoint.weights.sha256)
        precision, why = automatic(core(), ranges, ranges.output if ranges else "")
        auto = {"model": example.name, "precision": precision, "why": why}
    missing = {
        _PURPOSES[extra]: install_line(absent)
        for extra, modules in EXTRAS.items()
        if (absent := [module for module in modules if not is_installed(module)])
    }
    if not any(model.checkpoint for model in models):
        missing = {"a model": "sememe pull all-MiniLM-L6-v2", **missing}
    return {
        "processor": core().get_property("CPU", "FULL_DEVICE_NAME"),
        "features": [name for name in _SHOWN if name in features()],
        "cores": usable_cores(),
        "auto": auto,
        "versions": {
            "sememe": sememe.__version__,
            "python": platform.python_version(),
            **{name: _version(name) for name in _PACKAGES},
        },
        "extras": {
            extra: dict(_package(module) for module in modules) for extra, modules in EXTRAS.items()
        },
        "caches": {str(path): _size(path) for path in (cache_directory(), Path(HF_HUB_CACHE))},
        "models": [describe(model) for model in models],
        "missing": missing,
    }


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _package(module: str) -> tuple[str, str | None]:
    """What pip calls an optional module, and its version; None where it is missing."""
    name = requirement(module).partition(">")[0]
    return name, _version(name) or "unknown version" if is_installed(module) else None


def _size(directory: Path) -> int:
    # Links of the Hub's cache lead to files that are counted themselves.
    paths = (path for path in directory.rglob("*") if path.is_file() and not path.is_symlink())
    return sum(path.stat().st_size for path in paths)


def _lines(findings: dict[str, Any]) -> list[str]:
    auto = findings["auto"]
    precision = f"{auto['precision']} for {auto['model']}" if auto["model"] else "nothing yet"
    return [
        f"processor   {findings['processor']}, {findings['cores']} cores",
        f"features    {', '.join(findings['features']) or 'none that matter to sememe'}",
        f"precision   auto chooses {precision}: {auto['why']}",
        f"versions    {_join(findings['versions'])}",
        *(f"extra       {_PURPOSES[name]}: {_join(x)}" for name, x in findings["extras"].items()),
        *(f"cache       {path}: {n / 1e6:.0f} MB" for path, n in findings["caches"].items()),
        *(f"model       {format_model(model)}" for model in findings["models"]),
        *(f"missing     for {what}: {mend}" for what, mend in findings["missing"].items()),
    ]


def _join(versions: dict[str, str | None]) -> str:
    return ", ".join(f"{name} {version or '(missing)'}" for name, version in versions.items())

"""The house stands: a room imports only from below it, and rooms side by side are strangers."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import sememe

SOURCE = Path(sememe.__file__).parent

# From the ground up; the rooms of one floor don't know each other.
FLOORS = [
    {"errors", "processes"},
    {"arguments", "extras", "progress", "protocols"},
    {"costs"},
    {"tables"},
    {"jobs", "cache"},
    {"neighbors", "reports"},
    {"checkpoint"},
    {"text"},
    {"data", "engines"},
    {"encoders"},
    {"evaluation"},
    {"cascade"},
    {"training"},
    {"clustering", "classification", "pairs", "search"},
    {"selection"},
    {"integrations"},
    {"cli"},
    {"__main__"},
]
FLOOR = {room: height for height, rooms in enumerate(FLOORS) for room in rooms}
# Names of functions, now and to come: a module of the same name would hide them.
FUNCTIONS = {
    "cluster", "select", "evaluate", "distill", "find_pairs", "train_bi", "train_cross",
    "train_classifier",
}  # fmt: skip
HEAVY = {"numpy", "scipy", "sknetwork", "pyarrow", "openvino", "tokenizers", "huggingface_hub"}
NEVER = {"sentence_transformers", "igraph", "leidenalg"}
TORCH = {"torch", "transformers", "accelerate", "peft"}
TORCH_ROOMS = ("sememe.engines.torch", "sememe.training")

FILES = sorted(SOURCE.rglob("*.py"))


def room_of(path: Path) -> str:
    return path.relative_to(SOURCE).with_suffix("").parts[0]


def imports(node: ast.AST) -> Iterator[str]:
    """Full names of all that is imported; of `from sememe import x` it is sememe.x."""
    for inner in ast.walk(node):
        if isinstance(inner, ast.Import):
            yield from (alias.name for alias in inner.names)
        elif isinstance(inner, ast.ImportFrom):
            assert inner.level == 0, "imports are written in full"
            assert inner.module is not None
            if inner.module == "sememe":
                yield from (f"sememe.{alias.name}" for alias in inner.names)
            else:
                yield inner.module


def has_torch(path: Path) -> bool:
    name = "sememe." + ".".join(path.relative_to(SOURCE).parent.parts)
    return name.startswith(TORCH_ROOMS)


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def names(path: Path) -> frozenset[str]:
    return frozenset(imports(parsed(path)))


def test_every_room_has_its_floor() -> None:
    assert {room_of(path) for path in FILES} - {"__init__"} <= set(FLOOR)


@pytest.mark.slow
def test_a_room_imports_only_from_below() -> None:
    for path in FILES:
        room = room_of(path)
        for name in names(path) if room != "__init__" else ():
            package, _, rest = name.partition(".")
            if package != "sememe" or not rest:
                continue
            other = rest.partition(".")[0]
            assert other == room or FLOOR[other] < FLOOR[room], f"{path} imports {name}"


@pytest.mark.slow
def test_only_the_doors_use_the_whole_package() -> None:
    doors = ("cli", "__main__", "__init__")
    assert [path for path in FILES if "sememe" in names(path) and room_of(path) not in doors] == []


def test_no_module_has_the_name_of_a_public_function() -> None:
    public = {name for name in sememe.__all__ if name.islower() and name != "errors"}
    taken = FUNCTIONS | public
    assert [path for path in FILES if {path.stem, path.parent.name} & taken] == []


@pytest.mark.slow
def test_libraries_that_are_not_ours_to_import_are_not() -> None:
    for path in FILES:
        barred = NEVER if has_torch(path) else NEVER | TORCH
        assert not barred & {name.partition(".")[0] for name in names(path)}, path


@pytest.mark.slow
def test_rooms_with_torch_are_imported_on_use() -> None:
    for path in FILES:
        if has_torch(path):
            continue
        top = [node for node in parsed(path).body if isinstance(node, ast.Import | ast.ImportFrom)]
        assert not any(n.startswith(TORCH_ROOMS) for node in top for n in imports(node)), path


@pytest.mark.parametrize("room", ["__init__", "errors", "progress", "cli"])
def test_what_every_command_loads_is_light(room: str) -> None:
    files = sorted((SOURCE / room).glob("*.py")) or [SOURCE / f"{room}.py"]
    top = [node for path in files for node in parsed(path).body if not isinstance(node, ast.If)]
    loaded = {
        name.partition(".")[0]
        for node in top
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in imports(node)
    }
    assert not loaded & (HEAVY | {"tqdm"})

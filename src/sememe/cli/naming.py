"""Names for clusters: from a table, or from a command, such as a language model's."""

import argparse
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from sememe.cli.parser import Parser, option
from sememe.errors import InputError, SememeError, TableError
from sememe.progress import is_terminal, progress_bar

if TYPE_CHECKING:
    from sememe.clustering import Clusters

_LONGEST = 1_000  # characters of a sentence that a command gets


def add_names(parser: Parser) -> None:
    """The options that name clusters."""
    option(parser, "--names FILE", "a table with the columns cluster and name")
    option(
        parser,
        "--name-with COMMAND",
        "a command that names the clusters, such as a language model's: run once for each that "
        "you have not named, it reads the keywords and up to 10 central sentences, and the first "
        "line that it prints is the name",
        type=_command,
    )


def _command(value: str) -> list[str]:
    try:
        words = shlex.split(value)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{value}: {error}") from None
    if not words:
        raise argparse.ArgumentTypeError("there is no command in it")
    return words


def check_command(command: list[str] | None) -> None:
    """InputError where a command that shall name clusters isn't there: before the work."""
    if command and shutil.which(command[0]) is None:
        raise InputError(f"--name-with: there is no command {command[0]}.")


def read_names(file: str | None) -> dict[int, str]:
    """The names in a table, by the number of the cluster; a blank one is none."""
    from sememe.tables import cell_text, read_table

    if file is None:
        return {}
    table = read_table(file)
    names: dict[int, str] = {}
    pairs = zip(table.column("cluster"), table.column("name"), strict=True)
    for row, (cluster, cell) in enumerate(pairs):
        number, name = cell_text(cluster).strip(), cell_text(cell)
        if not name:
            continue
        if not number.isdecimal() or int(number) in names:
            problem = "comes twice" if number.isdecimal() else "is no number of a cluster"
            raise TableError(f'{table.source.where(row, "cluster")}: "{number}" {problem}')
        names[int(number)] = name
    return names


def name_clusters(
    groups: "Clusters", command: list[str], save: Callable[["Clusters"], object]
) -> "Clusters":
    """The clusters under the names that a command makes.

    Names may have cost money: those that there are when it fails or is stopped are saved, too.
    """
    from sememe.clustering.editing import made_names

    names: dict[int, str] = {}
    count = sum(not one.renamed for one in groups.clusters)
    try:
        with progress_bar(count, "clusters", is_terminal(sys.stderr)) as bar:
            for number, name in made_names(groups, partial(_answer, command)):
                names[number] = name
                bar.update(1)
    except SememeError as error:
        problem = f"{error}. Saved with {len(names)} of {count} names; again, on the folder, the "
        problem += "command makes the others."
        raise SememeError(problem, unavailable=True) from None
    finally:
        if names:
            groups = groups.rename(names)
            save(groups)
    return groups


def _answer(command: list[str], sentences: list[str], terms: list[str]) -> str:
    """The first line that a command prints about a cluster."""
    lines = [" ".join(text.split())[:_LONGEST] for text in sentences]
    question = "\n".join([f"Keywords: {', '.join(terms)}", "Sentences:", *lines, ""])
    text = question.encode("utf-8", "replace")
    try:
        done = subprocess.run(command, input=text, capture_output=True, check=False)
    except OSError as error:
        why = f"{command[0]} cannot be run: {error.strerror}"
        raise SememeError(why, unavailable=True) from None
    output, complaint = (
        stream.decode("utf-8", "replace").strip().splitlines()
        for stream in (done.stdout, done.stderr)
    )
    if done.returncode:
        last = f": {complaint[-1]}" if complaint else ""
        raise SememeError(f"{command[0]} ended with exit code {done.returncode}{last}")
    if not output:
        raise SememeError(f"{command[0]} printed nothing")
    return output[0]

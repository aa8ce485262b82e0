"""Fifty kills: every write that was acknowledged is there, once, and nothing is half there."""

import subprocess
import sys
from pathlib import Path

import pytest
import random_writes
from random_writes import SEED, State, write

from sememe.search.index import Index

KILLS = 50


@pytest.mark.kill
def test_fifty_kills_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    command = [sys.executable, random_writes.__file__, str(tmp_path / "index"), str(KILLS)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    done, state = int(ran.stdout), State()
    assert done > KILLS, "there was something to kill"
    for number in range(done):
        write(None, state, SEED, number)
    with Index.open(tmp_path / "index") as index:
        for own, (text, _) in state.items():
            hit = index.search(random_writes.vectors([text])[0], top_k=1)[0]
            assert hit.id == str(own)
            assert hit.score == pytest.approx(1)

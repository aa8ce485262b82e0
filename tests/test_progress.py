"""Progress: on a terminal or on demand, never in a pipe."""

import io
import os
import sys
from pathlib import Path

import pytest

from processes import run_python
from sememe import BiEncoder
from sememe.progress import progress_bar
from tiny_models import Tiny

ENCODE = """
import sememe
encoder = sememe.BiEncoder({folder!r}, precision="f32")
encoder.encode([str(i) for i in range(1500)]{options})
"""
EVERY_UPDATE = {"TQDM_MININTERVAL": "0", "TQDM_MINITERS": "1"}


@pytest.mark.slow
def test_it_is_quiet_in_a_pipe(tiny: Tiny) -> None:
    ran = run_python(ENCODE.format(folder=str(tiny.directory), options=""))
    assert (ran.stdout, ran.stderr) == ("", "")


@pytest.mark.slow
def test_it_is_shown_in_a_pipe_where_it_is_asked_for(tiny: Tiny) -> None:
    code = ENCODE.format(folder=str(tiny.directory), options=", progress=True")
    ran = run_python(code, **EVERY_UPDATE)
    assert "1500/1500" in ran.stderr
    assert ran.stdout == ""


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="pseudo-terminals are POSIX's")
@pytest.mark.parametrize("size", [(24, 80), (0, 0)])  # 0: the terminal does not say
@pytest.mark.parametrize(("options", "shown"), [("", True), (", progress=False", False)])
def test_it_is_shown_on_a_terminal_unless_refused(
    tiny: Tiny, tmp_path: Path, options: str, shown: bool, size: tuple[int, int]
) -> None:
    script = tmp_path / "encode.py"
    script.write_text(ENCODE.format(folder=str(tiny.directory), options=options))
    ran = run_python(
        f"""
        import fcntl, os, pty, struct, sys, termios
        pid, terminal = pty.fork()
        if pid == 0:
            fcntl.ioctl(2, termios.TIOCSWINSZ, struct.pack("HHHH", {size[0]}, {size[1]}, 0, 0))
            os.execv(sys.executable, [sys.executable, {str(script)!r}])
        try:
            while part := os.read(terminal, 4096):
                print(part.decode(), end="")
        except OSError:  # Linux says so when the other side is gone
            pass
        sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        """,
        **EVERY_UPDATE,
    )
    assert ("1500/1500" in ran.stdout) is shown


def test_it_counts_texts(encoder: BiEncoder, capfd: pytest.CaptureFixture[str]) -> None:
    encoder.encode(["a", "b", "a"], progress=True)
    assert "/3 " in capfd.readouterr().err
    encoder.encode(["a"] * 2000, progress=False)
    assert capfd.readouterr().err == ""


def test_a_notebook_is_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = type("OutStream", (io.StringIO,), {"__module__": "ipykernel.iostream"})()
    monkeypatch.setattr(sys, "stderr", stream)
    with progress_bar(2000, "texts") as bar:
        bar.update(2000)
    assert "2000" in stream.getvalue()
    pipe = io.StringIO()
    monkeypatch.setattr(sys, "stderr", pipe)
    with progress_bar(2000, "texts") as bar:
        bar.update(2000)
    assert pipe.getvalue() == ""

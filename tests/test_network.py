"""Nothing is sent: an audit hook watches every socket of a process that encodes and clusters."""

import subprocess
import sys

import pytest

_WATCHED = """
import sys
def watch(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto", "socket.gethostbyname"):
        print(event, arguments, flush=True)
sys.addaudithook(watch)
import atexit, sememe, time
encoder = sememe.BiEncoder("all-MiniLM-L6-v2", precision="f32")
groups = sememe.cluster(["a cat", "a kitten", "a bus", "a tram", "a coach"], encoder, clusters=2)
assert len(groups) == 2
time.sleep(1)  # telemetry would be sent by another thread
print("openvino_telemetry" in sys.modules)
"""


@pytest.mark.slow
def test_no_socket_is_opened_to_encode_and_cluster() -> None:
    command = [sys.executable, "-c", _WATCHED]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert printed == "False\n"

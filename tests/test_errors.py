"""Errors are caught by their kind; notices come once, and from the user's own line."""

import errno
import pickle
import warnings
from pathlib import Path

import pytest

from sememe import BiEncoder, errors
from sememe.errors import SememeError, SememeWarning, warn
from tiny_models import Tiny


def test_every_error_is_a_sememe_error_and_one_of_python_s_own() -> None:
    for error, usual in (
        (errors.InputError, ValueError),
        (errors.TableError, ValueError),
        (errors.CheckpointError, ValueError),
        (errors.ModelNotFound, LookupError),
        (errors.MissingExtra, ImportError),
    ):
        assert issubclass(error, SememeError)
        assert issubclass(error, usual)


def test_a_notice_can_be_said_once_or_each_time() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(3):
            warn("each time, in test_errors", SememeWarning)
            warn("once, in test_errors", SememeWarning, once=True)
    told = [str(warning.message) for warning in caught]
    assert told.count("each time, in test_errors") == 3
    assert told.count("once, in test_errors") == 1


def test_a_notice_names_the_user_s_line(tiny: Tiny, encoder: BiEncoder) -> None:
    assert tiny.directory.is_dir()
    with pytest.warns(errors.TruncationWarning) as caught:
        encoder.encode_query("wind " * 99)
    assert Path(caught[0].filename) == Path(__file__)


def test_an_error_says_whether_the_input_is_wrong_or_the_moment() -> None:
    assert not errors.InputError("wrong").unavailable
    busy = errors.StoreError("busy", unavailable=True)
    assert busy.unavailable
    assert str(busy) == "busy"
    assert pickle.loads(pickle.dumps(busy)).unavailable


@pytest.mark.parametrize(
    ("error", "unavailable"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), True),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), True),
        (ConnectionRefusedError(), True),
        (RuntimeError("I/O error: No space left on device (os error 28)"), True),
        (OSError("160000 requested and 8160 written"), True),
        (errors.TableError("full", unavailable=True), True),
        (PermissionError(errno.EACCES, "Permission denied"), False),
        (errors.TableError("wrong"), False),
        (ValueError("wrong"), False),
    ],
)
def test_a_full_disk_is_not_the_input_s_fault(error: Exception, unavailable: bool) -> None:
    assert errors.is_unavailable(error) is unavailable

"""Jobs in shards: what is finished stays, and nothing else is ever gone on with."""

import json
from collections.abc import Iterable
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sememe.errors import JobError
from sememe.jobs import Job
from sememe.tables import replacing

PARTS = [["a", "b"], ["c", "d"], ["e"]]


def work(
    folder: Path, parts: Iterable[list[str]] = PARTS, kind: str = "k", **settings: object
) -> int:
    """Do a whole job, a shard being its texts; returns how many shards were computed."""
    computed = 0
    with Job.opened(folder, kind, settings) as job:
        number = -1
        for number, texts in enumerate(parts):
            if not job.has(number, texts):
                job.write(number, texts, ".txt", partial(save, texts))
                computed += 1
        job.finish(number + 1)
    return computed


def save(texts: list[str], path: Path) -> None:
    with replacing(path) as temporary:
        temporary.write_text("\n".join(texts), encoding="utf-8")


def refused(folder: Path, **options: object) -> str:
    with pytest.raises(JobError) as caught:
        work(folder, **options)  # type: ignore[arg-type]
    return str(caught.value)


def test_a_finished_job_computes_nothing_again(tmp_path: Path) -> None:
    assert work(tmp_path / "new" / "job") == 3
    assert work(tmp_path / "new" / "job") == 0


@pytest.mark.slow
@given(st.lists(st.lists(st.text(max_size=3), min_size=1, max_size=4), max_size=6), st.data())
def test_a_job_cut_off_anywhere_ends_the_same(
    tmp_path_factory: pytest.TempPathFactory, parts: list[list[str]], data: st.DataObject
) -> None:
    whole, cut = (tmp_path_factory.mktemp("job") for _ in range(2))
    work(whole, parts)
    done = data.draw(st.integers(0, len(parts)))

    def fails() -> Iterable[list[str]]:
        yield from parts[:done]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work(cut, fails())
    assert work(cut, parts) == len(parts) - done
    names = sorted(path.name for path in whole.iterdir())
    assert names == sorted(path.name for path in cut.iterdir())
    for name in names:
        assert (whole / name).read_bytes() == (cut / name).read_bytes()


def test_a_changed_input_is_refused_and_the_place_named(tmp_path: Path) -> None:
    work(tmp_path / "j")
    before = {path: path.read_bytes() for path in (tmp_path / "j").iterdir()}
    changed = refused(tmp_path / "j", parts=[PARTS[0], ["c", "x"], PARTS[2]])
    assert "differs among the texts 3 to 4" in changed
    assert "continues after text 5" in refused(tmp_path / "j", parts=[*PARTS, ["f"]])
    assert "ends after text 4" in refused(tmp_path / "j", parts=PARTS[:2])
    assert before == {path: path.read_bytes() for path in (tmp_path / "j").iterdir()}


def test_texts_are_not_run_together(tmp_path: Path) -> None:
    work(tmp_path / "j", parts=[["ab", "c"]])
    assert "differs" in refused(tmp_path / "j", parts=[["a", "bc"]])


def test_a_changed_setting_is_named(tmp_path: Path) -> None:
    work(tmp_path / "j", fingerprint="abc", dim=3)
    said = refused(tmp_path / "j", fingerprint="xyz", dim=3)
    assert "begun with fingerprint 'abc', and now it is 'xyz'" in said
    assert "another kind (k)" in refused(tmp_path / "j", kind="other")


def test_a_folder_with_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").write_text("x")
    assert "holiday.jpg" in refused(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["holiday.jpg"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "cannot be read"),
        ('{"format": 1, "kind"', "cannot be read"),
        ("[]", "cannot be read"),
        ('{"format": 1}', "cannot be read"),
        ('{"format": 1, "kind": "k", "settings": null, "shards": []}', "cannot be read"),
        ('{"format": 7, "kind": "k", "settings": {}, "shards": []}', "has format 7"),
    ],
)
def test_a_manifest_that_cannot_be_gone_on_with(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "_manifest.json").write_text(content)
    message = refused(tmp_path)
    assert said in message
    assert "begin again" in message


def test_a_lost_or_cut_off_shard_is_computed_again(tmp_path: Path) -> None:
    work(tmp_path)
    (tmp_path / "part-00000.txt").unlink()
    (tmp_path / "part-00001.txt").write_text("c")
    assert work(tmp_path) == 2
    assert (tmp_path / "part-00001.txt").read_text() == "c\nd"
    listed = json.loads((tmp_path / "_manifest.json").read_text())["shards"]
    assert [shard["rows"] for shard in listed] == [2, 2, 1]


def test_a_part_that_was_written_but_not_noted_is_swept_away(tmp_path: Path) -> None:
    work(tmp_path, parts=PARTS[:1])
    (tmp_path / "part-00001.txt").write_text("of a process that was killed just then")
    work(tmp_path, parts=PARTS[:1])
    assert sorted(path.name for path in tmp_path.glob("part-*")) == ["part-00000.txt"]


def test_what_a_killed_process_left_is_swept_away(tmp_path: Path) -> None:
    work(tmp_path)
    (tmp_path / ".sememe-0123456789abcdef.txt").write_text("half")
    work(tmp_path)
    assert not list(tmp_path.glob(".sememe-*"))


def test_two_jobs_on_one_output(tmp_path: Path) -> None:
    with Job.opened(tmp_path, "k", {}):
        assert "Another process is at work" in refused(tmp_path)
    assert work(tmp_path) == 3


def test_a_shard_that_cannot_be_written_says_what_is_safe(tmp_path: Path) -> None:
    def full(_: Path) -> None:
        raise OSError(28, "No space left on device")

    with Job.opened(tmp_path, "k", {}) as job:
        job.write(0, PARTS[0], ".txt", partial(save, PARTS[0]))
        with pytest.raises(JobError, match=r"No space left.*2 texts are safe.*resumes from there"):
            job.write(1, PARTS[1], ".txt", full)
    assert work(tmp_path) == 2

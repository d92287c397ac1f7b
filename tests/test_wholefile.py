"""Files that are there with all their text or not at all, whatever is in the folder and whoever dies."""

import os
import stat
from pathlib import Path

import pytest

from metermt.files.whole import whole_file


def write(path, text="new", **settings):
    with whole_file(path, **settings) as file:
        file.write(text)


def everything_in(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_a_file_is_there_when_it_is_whole(tmp_path):
    path = tmp_path / "out.csv"
    write(path, "old")
    with whole_file(path) as file:
        file.write("new")
        file.flush()
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert everything_in(tmp_path) == ["out.csv"]


def test_a_file_that_could_not_be_written_to_its_end_leaves_what_was_there(tmp_path):
    path = tmp_path / "out.csv"
    write(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write(path, "new" * 10_000 + "\ud800")
    assert path.read_text() == "old"
    assert everything_in(tmp_path) == ["out.csv"]


def test_a_planted_link_leads_to_nothing_that_is_overwritten(tmp_path):
    victim, path = tmp_path / "victim", tmp_path / "out.csv"
    victim.write_text("precious")
    names = (f".out.csv.{os.getpid()}.part", ".out.csv.part", "out.csv.part")
    for name in names:
        (tmp_path / name).symlink_to(victim)
    write(path)
    assert victim.read_text() == "precious"
    assert path.read_text() == "new"
    assert not path.is_symlink()
    assert everything_in(tmp_path) == sorted([*names, "out.csv", "victim"])


def test_a_link_of_the_name_itself_is_replaced_and_not_followed(tmp_path):
    victim, path = tmp_path / "victim", tmp_path / "out.csv"
    victim.write_text("precious")
    path.symlink_to(victim)
    write(path)
    assert victim.read_text() == "precious"
    assert path.read_text() == "new"


def test_nobody_else_reaches_a_file_before_it_is_whole(tmp_path):
    with whole_file(tmp_path / "out.csv") as file:
        file.write("half")
        (folder,) = tmp_path.iterdir()
        assert stat.S_IMODE(folder.lstat().st_mode) == 0o700
        assert folder.is_dir()


def test_a_whole_file_has_the_mode_it_was_meant_to_have(tmp_path):
    before = os.umask(0o027)
    try:
        write(tmp_path / "out.csv")
        write(tmp_path / "key.pem", mode=0o600)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "out.csv").stat().st_mode) == 0o640
    assert stat.S_IMODE((tmp_path / "key.pem").stat().st_mode) == 0o600


def test_a_file_is_on_the_disk_before_it_has_its_name_and_the_name_afterwards(tmp_path, monkeypatch):
    path = tmp_path / "out.csv"
    flushed = []
    plain_fsync = os.fsync

    def fsync(descriptor):
        target = Path(f"/proc/self/fd/{descriptor}").readlink()
        flushed.append((target == tmp_path, target.stat().st_size, path.exists()))
        plain_fsync(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    write(path, "123456789")
    of_file, (is_folder, _, has_name) = flushed
    assert of_file == (False, 9, False)
    assert is_folder
    assert has_name


def test_a_device_is_written_to_as_it_is():
    write(Path("/dev/null"))
    assert not Path("/dev/null").is_file()

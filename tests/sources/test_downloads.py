import errno
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bitpredict.errors import StorageError
from bitpredict.sources.downloads import Downloads, Kept

PATH = "data/spot/a.zip"


def test_what_was_kept_is_found_again(tmp_path):
    Downloads(tmp_path / "cache").keep(PATH, b"good", '"tag"')
    assert Downloads(tmp_path / "cache").find(PATH) == Kept(b"good", '"tag"')


def test_keeping_again_replaces(tmp_path):
    downloads = Downloads(tmp_path)
    downloads.keep(PATH, b"old", "1")
    downloads.keep(PATH, b"new", "2")
    assert downloads.find(PATH) == Kept(b"new", "2")
    assert sorted(file.name for file in (tmp_path / "data/spot").iterdir()) == ["a.zip", "a.zip.json"]


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda folder: (folder / PATH).write_bytes(b"goo"), id="file cut off"),
        pytest.param(lambda folder: (folder / PATH).unlink(), id="file gone"),
        pytest.param(lambda folder: (folder / f"{PATH}.json").unlink(), id="note gone"),
        pytest.param(lambda folder: (folder / f"{PATH}.json").write_bytes(b'{"etag'), id="note cut off"),
        pytest.param(lambda folder: (folder / f"{PATH}.json").write_bytes(b"\xff"), id="note of bytes"),
        pytest.param(lambda folder: (folder / f"{PATH}.json").write_bytes(b"[]"), id="note of another kind"),
        pytest.param(lambda folder: (folder / f"{PATH}.json").write_bytes(b"{}"), id="note without content"),
    ],
)
def test_damage_on_the_disk_means_that_nothing_was_kept(damage, tmp_path):
    downloads = Downloads(tmp_path)
    downloads.keep(PATH, b"good", "tag")
    damage(tmp_path)
    assert downloads.find(PATH) is None


def test_a_full_disk_leaves_what_was_there_and_names_the_remedy(tmp_path, monkeypatch):
    downloads = Downloads(tmp_path)
    downloads.keep(PATH, b"old", "1")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", full)
        with pytest.raises(StorageError, match=r"a\.zip cannot be written \(No space left.*BITPREDICT_HOME"):
            downloads.keep(PATH, b"new", "2")
    assert downloads.find(PATH) == Kept(b"old", "1")
    assert sorted(file.name for file in (tmp_path / "data/spot").iterdir()) == ["a.zip", "a.zip.json"]


def test_a_real_full_device(tmp_path):
    """/dev/full answers every write as a full disk does."""
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    (tmp_path / "data").mkdir()
    (tmp_path / "data/spot").symlink_to("/dev/full")
    with pytest.raises(StorageError, match="cannot be written"):
        Downloads(tmp_path).keep(PATH, b"new", "2")


def test_writers_side_by_side_leave_one_whole_file(tmp_path):
    bodies = [bytes([i]) * 200_000 for i in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda body: Downloads(tmp_path).keep(PATH, body, str(body[0])), bodies * 4))
    assert (tmp_path / PATH).read_bytes() in bodies

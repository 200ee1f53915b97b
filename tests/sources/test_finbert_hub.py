"""FinBERT's files from a hub: whole, checked, at one commit, or nothing."""

import json

import pytest

from bitpredict.errors import BadSourceDataError, ModelError, SourceUnavailableError, StorageError
from bitpredict.sources.finbert_hub import download
from bitpredict.sources.http import HttpClient
from bitpredict.text.finbert import ORIGIN, FinBert
from tests.support import tiny_finbert
from tests.support.hub import REPOSITORY, REVISION, serve


@pytest.fixture
def hub(tmp_path):
    with serve(tiny_finbert.build(tmp_path / "hub")) as hub:
        yield hub


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "home" / "finbert"


def fetch(hub, folder, repository=REPOSITORY, revision=REVISION):
    http = HttpClient("hub", timeout=5, attempts=1)
    return download(http, hub.url, repository, revision, folder)


def nothing_is_left(folder):
    return not folder.exists() and not list(folder.parent.glob(".*"))


def test_the_files_come_and_the_model_speaks(hub, folder):
    version = fetch(hub, folder)
    model = FinBert(folder)
    assert model.version == version
    assert model.score(["hacked"]).label[0] == -1
    origin = json.loads((folder / ORIGIN).read_text())
    assert (origin["repository"], origin["revision"]) == (REPOSITORY, REVISION)
    assert all(REVISION in path or path.startswith("/storage/") for path in hub.asked)


def test_it_takes_the_place_of_what_was_there(hub, folder):
    tiny_finbert.build(folder, order=("negative", "neutral", "positive"))
    (folder / "stray").write_text("")
    fetch(hub, folder)
    assert FinBert(folder).score(["hacked"]).label[0] == -1
    assert [path.name for path in folder.parent.iterdir()] == ["finbert"]
    assert not (folder / "stray").exists()


@pytest.mark.parametrize("path", ["onnx/model_quantized.onnx", "tokenizer.json", "config.json"])
def test_other_bytes_than_listed_are_refused(hub, folder, path):
    hub.files[path] += b" "
    with pytest.raises(BadSourceDataError, match="another checksum"):
        fetch(hub, folder)
    assert nothing_is_left(folder)


def test_a_failed_download_leaves_the_old_one(hub, folder):
    version = fetch(hub, folder)
    hub.files["config.json"] = b"{}"
    with pytest.raises(BadSourceDataError):
        fetch(hub, folder)
    assert FinBert(folder).version == version
    assert [path.name for path in folder.parent.iterdir()] == ["finbert"]


@pytest.mark.parametrize("revision", ["main", "", "0" * 39, "0" * 41, "../../../etc/passwd", REVISION.upper()])
def test_a_branch_is_no_pinned_revision(hub, folder, revision):
    with pytest.raises(BadSourceDataError, match="no pinned revision"):
        fetch(hub, folder, revision=revision)
    assert hub.asked == []


def test_another_commit_missing_files_and_other_answers_are_refused(hub, folder):
    with pytest.raises(BadSourceDataError, match="answers 404"):
        fetch(hub, folder, repository="someone/else")
    hub.listing["sha"] = "f" * 40
    with pytest.raises(BadSourceDataError, match="is ffff"):
        fetch(hub, folder)
    hub.listing |= {"sha": REVISION, "siblings": hub.listing["siblings"][:1]}
    with pytest.raises(BadSourceDataError, match=r"has no tokenizer\.json, config\.json"):
        fetch(hub, folder)
    hub.listing = {"error": "no"}
    with pytest.raises(BadSourceDataError, match="is no list"):
        fetch(hub, folder)
    assert nothing_is_left(folder)


def test_whole_files_of_no_finbert_are_refused(tmp_path, folder):
    with serve(tiny_finbert.build(tmp_path / "other", outputs=2)) as hub, pytest.raises(ModelError, match="3 numbers"):
        fetch(hub, folder)
    assert nothing_is_left(folder)


def test_a_hub_that_is_away(hub, folder):
    hub.url = "http://127.0.0.1:1"
    with pytest.raises(SourceUnavailableError):
        fetch(hub, folder)


def test_a_folder_that_cannot_be_written(hub, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be written"):
        fetch(hub, tmp_path / "file" / "finbert")


def test_files_that_were_changed_since_do_not_speak(hub, folder):
    fetch(hub, folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(
        json.dumps(config | {"id2label": {"0": "negative", "1": "positive", "2": "neutral"}})
    )
    with pytest.raises(ModelError, match="is not what was downloaded"):
        FinBert(folder).score(["hacked"])

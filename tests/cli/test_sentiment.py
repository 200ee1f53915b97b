"""bitpredict sentiment: a text, a labelled file, training, the download."""

import json

import pytest

from bitpredict.text.linear import load
from tests.support import tiny_finbert
from tests.support.hub import REPOSITORY, REVISION, serve


@pytest.fixture
def labelled(tmp_path):
    kinds = {"zorp frobs": "positive", "blick gnarls": "negative", "meh quux": "neutral"}
    rows = [f"{text} {number},{label}" for number in range(8) for text, label in kinds.items()]
    path = tmp_path / "labelled.csv"
    path.write_text("\n".join(["headline,mood", *rows]) + "\n")
    return path


def columns(path):
    return path, "--text", "headline", "--label", "mood"


def test_a_text_is_enough(run):
    result = run("sentiment", "Exchange hacked")
    assert result.exit_code == 0
    assert "negative" in result.stdout
    assert "vader" in result.stdout
    assert "without linear" in result.stderr


def test_texts_as_json(run):
    texts = ["Bitcoin surges 🚀", "", "-5% <b> crash </b>", "שלום", "of"]
    rows = json.loads(run("sentiment", "of", "--json", "--", *texts).stdout)
    assert [row["text"] for row in rows] == texts
    assert [row["label"] for row in rows] == ["positive", "neutral", "negative", "neutral", "neutral"]
    assert rows[0]["model"] == "vader"
    assert rows[0]["version"].startswith("vaderSentiment-")
    assert [row["found"] for row in rows] == [True, False, True, False, False]
    assert rows[0]["negative"] + rows[0]["neutral"] + rows[0]["positive"] == pytest.approx(1)


def test_options_before_the_text_and_markup_as_text(run):
    (row,) = json.loads(run("sentiment", "--json", "[red] Exchange hacked [/red]").stdout)
    assert row["label"] == "negative"
    assert "[red] Exchange" in run("sentiment", "[red] Exchange hacked [/red]").stdout


def test_without_anything_it_helps(run):
    assert "evaluate" in run("sentiment", "--help").stdout


def test_the_order_is_the_settings(run, monkeypatch):
    monkeypatch.setenv("BITPREDICT_SENTIMENT_MODELS", "textblob")
    (row,) = json.loads(run("sentiment", "terrible", "--json").stdout)
    assert row["model"] == "textblob"
    monkeypatch.setenv("BITPREDICT_SENTIMENT_MODELS", "linear")
    alone = run("sentiment", "terrible")
    assert alone.exit_code == 1
    assert "bitpredict sentiment train" in alone.stderr


def test_training_stores_a_model_that_then_speaks(run, labelled, settings):
    result = run("sentiment", "train", *columns(labelled))
    assert result.exit_code == 0
    assert "macro-F1 on what it had not seen 1.000" in result.stdout
    assert load(settings.linear_sentiment).version in result.stdout
    rows = json.loads(run("sentiment", "of", "zorp frobs", "🚀", "--json").stdout)
    assert [row["model"] for row in rows] == ["linear", "textblob"]
    assert rows[0]["label"] == "positive"
    assert not rows[1]["found"]


@pytest.mark.slow
def test_evaluation_of_every_model_and_the_chain(run, labelled):
    rows = {row["model"]: row for row in json.loads(run("sentiment", "evaluate", *columns(labelled), "--json").stdout)}
    assert list(rows) == ["linear", "vader", "vader-plain", "textblob", "chain"]
    assert rows["linear"]["macro_f1"] == rows["chain"]["macro_f1"] == 1
    assert len(rows["chain"]["folds"]) == 5
    assert rows["vader-plain"]["folds"] == []
    assert rows["vader-plain"]["recall_negative"] == 0
    assert all(sum(map(sum, row["confusion"])) == row["texts"] == 24 for row in rows.values())
    table = run("sentiment", "evaluate", *columns(labelled))
    assert "macro-F1" in table.stdout
    assert "on unseen folds" in table.stdout
    assert "without finbert" in table.stderr


def test_a_file_too_small_to_train_on_still_judges_the_others(run, tmp_path):
    (tmp_path / "few.csv").write_text("text,label\nExchange hacked,-1\nBitcoin surges,1\nIt opens,0\n")
    rows = [row["model"] for row in json.loads(run("sentiment", "evaluate", tmp_path / "few.csv", "--json").stdout)]
    assert rows == ["vader", "vader-plain", "textblob", "chain"]


def test_download_then_finbert_speaks(run, tmp_path, monkeypatch):
    with serve(tiny_finbert.build(tmp_path / "hub")) as hub:
        monkeypatch.setenv("BITPREDICT_HUB_URL", hub.url)
        result = run("sentiment", "download", "--revision", REVISION, "--repository", REPOSITORY)
    assert result.exit_code == 0
    assert REVISION in result.stdout
    (row,) = json.loads(run("sentiment", "bitcoin hacked", "--json").stdout)
    assert (row["model"], row["label"]) == ("finbert", "negative")
    assert row["version"] in result.stdout

"""How the command line starts, and how it ends."""

import subprocess
import sys
from importlib.metadata import EntryPoint, version

import pytest
import typer

from bitpredict.cli import main
from bitpredict.errors import StorageError

COMMANDS = (
    "forecast",
    "explain",
    "gaps",
    "scorecard",
    "lookahead",
    "export",
    "doctor",
    "db",
    "data",
    "restore",
    "cache",
    "sources",
    "coins",
    "collect",
    "replay",
    "predict",
    "topics",
)


def test_help_lists_every_command(run):
    result = run("--help")
    assert result.exit_code == 0
    for command in COMMANDS:
        assert f" {command} " in result.stdout


def test_without_arguments_the_help_is_shown_as_wrong_usage(run):
    result = run()
    assert result.exit_code == 2
    assert "Usage: bitpredict" in result.output
    assert "error" not in result.stderr


def test_the_version_is_the_packages(run):
    assert run("--version").stdout == f"bitpredict {version('bitpredict')}\n"


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        pytest.param(["forecats"], 2, "Did you mean 'forecast'", id="misspelt command"),
        pytest.param(["--colour"], 2, "No such option: --colour", id="unknown option"),
        pytest.param(["forecast"], 2, "Missing argument 'symbol'. (see `bitpredict forecast --help`)", id="no symbol"),
        pytest.param(["forecast", "BTCUSDT", "now"], 2, "unexpected extra argument", id="an argument too many"),
        pytest.param(["forecast", "DOGEUSDT"], 1, "known are BTCUSDT, ETHUSDT", id="a symbol not collected"),
        pytest.param(["forecast", "bitcoin"], 1, "'bitcoin' is not a trading pair", id="no symbol at all"),
        pytest.param(["forecast", "BTCUSDT", "--horizon", "2h"], 1, "one of 1m, 5m, 1h, 1d", id="unknown horizon"),
        pytest.param(["gaps", "DOGEUSDT"], 1, "BITPREDICT_SYMBOLS", id="gaps of a symbol not collected"),
        pytest.param(["gaps", "--status", "closed"], 2, "'closed' is not one of", id="unknown status"),
        pytest.param(["scorecard", "--kind", "paper"], 2, "'backtest', 'live'", id="unknown kind"),
        pytest.param(["lookahead", "--day", "31/12/2023"], 2, "YYYY-MM-DD", id="malformed day"),
        pytest.param(["lookahead", "--day", "20231231"], 2, "YYYY-MM-DD", id="another way to write a day"),
        pytest.param(["sources", "test", "moon"], 1, "choose one of candles, cryptocompare", id="unknown source"),
        pytest.param(["db", "downgrade"], 2, "No such command 'downgrade'", id="unknown command of a group"),
    ],
)
@pytest.mark.usefixtures("filled")
def test_a_wrong_call_is_one_line_that_names_the_input_and_the_remedy(run, arguments, code, says):
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (code, "")
    assert result.stderr.startswith("error: ")
    assert says in result.stderr
    assert result.stderr.count("\n") == 1


def brought(monkeypatch, action):
    """The command line with `probe`, a command that another package brings."""
    more = typer.Typer()
    more.command("probe")(action)
    monkeypatch.setattr(main, "_more_commands", lambda: ([more], []))


def test_an_error_of_several_lines_is_shown_as_one(run, monkeypatch):
    def probe() -> None:
        raise StorageError("disk full:\n  free some\n  space")

    brought(monkeypatch, probe)
    result = run("probe")
    assert (result.exit_code, result.stderr) == (1, "error: disk full: free some space\n")


def test_ctrl_c_ends_with_130(run, monkeypatch):
    def probe() -> None:
        raise KeyboardInterrupt

    brought(monkeypatch, probe)
    result = run("probe")
    assert (result.exit_code, result.stderr.strip()) == (130, "")


def test_an_unexpected_error_is_not_hidden(run, monkeypatch):
    def probe() -> None:
        raise ZeroDivisionError

    brought(monkeypatch, probe)
    with pytest.raises(ZeroDivisionError):
        run("probe")


def test_a_part_that_is_not_installed_leaves_its_commands_out_and_the_help_says_how_to_get_them(run, monkeypatch):
    entry = EntryPoint("orchestrator", "no_such_package.commands:app", "bitpredict.commands")
    monkeypatch.setattr(main, "entry_points", lambda group: [entry] if group == "bitpredict.commands" else [])
    text = " ".join(run("--help").stdout.split())
    assert "pip install 'bitpredict[orchestrator]'" in text
    assert " demo " not in text
    assert run("--version").exit_code == 0


def test_starting_loads_nothing_heavy():
    """Neither the stores' libraries nor, whatever commands are brought along, the orchestrator."""
    program = """
import sys
from bitpredict.cli import main
brought, main._more_commands = main._more_commands, lambda: ([], [])
main.build()
own = {"pandas", "numpy", "pyarrow", "deltalake", "sqlalchemy", "pydantic"} & set(sys.modules)
brought()
print(sorted(own | {"dagster", "mlflow", "tensorflow", "sklearn", "streamlit"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"

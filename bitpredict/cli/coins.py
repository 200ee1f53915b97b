"""`bitpredict coins`: which coins are watched, and changing the list."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from bitpredict.cli.options import AsJson

if TYPE_CHECKING:
    from bitpredict.market.coins import Coin

app = typer.Typer()
_coins = typer.Typer(no_args_is_help=True, help="The coins that are watched, and changing the list.")
app.add_typer(_coins, name="coins")

CoinId = Annotated[str, typer.Argument(help="CoinGecko's id, for example bitcoin.")]


@_coins.command("list")
def list_command(as_json: AsJson = False) -> None:
    """Show the list."""
    from dataclasses import asdict

    from bitpredict.cli.records import to_json
    from bitpredict.market.coins import read_coins
    from bitpredict.settings import load_settings

    settings = load_settings()
    coins = read_coins(settings.coins_file)
    if as_json:
        typer.echo(to_json(asdict(coin) for coin in coins))
        return
    for coin in coins:
        typer.echo(f"{coin.coin_id}  {coin.symbol}  {coin.name}")
    typer.echo(f"{len(coins)} coins of {settings.coins_file}")


@_coins.command("add")
def add(
    coin_id: CoinId,
    symbol: Annotated[str, typer.Argument(help="For example BTC.")],
    name: Annotated[str, typer.Argument(help="For example Bitcoin.")],
) -> None:
    """Watch a coin from the next tick on, or correct its symbol and name."""
    from bitpredict.market.coins import Coin, checked

    coin = checked(Coin(coin_id, symbol, name))
    if before := _change(lambda coins: coins | {coin_id: coin}).get(coin_id):
        now = "nothing changed" if coin == before else f"it is {symbol}, {name} now"
        typer.echo(f"{coin_id} was there already as {before.symbol}, {before.name}; {now}")


@_coins.command("remove")
def remove(coin_id: CoinId) -> None:
    """Watch a coin no longer; its stored quotes stay."""
    from bitpredict.errors import BitPredictError

    def without(coins: "dict[str, Coin]") -> "dict[str, Coin]":
        if coin_id not in coins:
            raise BitPredictError(f"{coin_id} is not in the list; `bitpredict coins list` shows it")
        if len(coins) == 1:
            raise BitPredictError(f"{coin_id} is the last coin of the list; add another one first")
        return {each: coin for each, coin in coins.items() if each != coin_id}

    _change(without)


def _change(change: "Callable[[dict[str, Coin]], dict[str, Coin]]") -> "dict[str, Coin]":
    """Make the list what `change` makes of it; returns what it was."""
    from bitpredict.errors import SettingsError
    from bitpredict.market.coins import read_coins, write_coins
    from bitpredict.settings import load_settings

    settings = load_settings()
    before = {coin.coin_id: coin for coin in read_coins(settings.coins_file)}
    changed = change(before)
    try:
        write_coins(settings.own_coins_file, changed.values())
    except OSError as error:
        raise SettingsError(
            f"cannot write {settings.own_coins_file}: {error.strerror}; change its rights or set BITPREDICT_HOME"
        ) from error
    typer.echo(f"{len(changed)} coins in {settings.own_coins_file}")
    return before

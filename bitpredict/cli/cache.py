"""`bitpredict cache`: what is kept for the pages' sake, and forgetting it."""

from typing import Annotated

import typer

from bitpredict.cli.options import AsJson

app = typer.Typer()
_cache = typer.Typer(no_args_is_help=True, help="What is kept for the pages' sake, and forgetting it.")
app.add_typer(_cache, name="cache")


@_cache.command("stats")
def stats(as_json: AsJson = False) -> None:
    """Show each namespace with its limits, what it holds and how often it helped; exit with 1 while Redis is away."""
    from bitpredict.cli.output import cache_table, console
    from bitpredict.cli.records import to_json
    from bitpredict.settings import load_settings
    from bitpredict.storage.cache import open_cache

    settings = load_settings()
    cache = open_cache(settings)
    # Without Redis the figures would be those of this process, which has asked for nothing.
    usages = {space.name: cache.usage(space.name) if settings.redis_url else None for space in cache.spaces}
    figures = ("keys", "size", "hits", "misses", "evictions")
    rows = [
        {"namespace": space.name, "seconds": space.seconds, "most_keys": space.keys}
        | {name: getattr(usages[space.name], name, None) for name in figures}
        for space in cache.spaces
    ]
    if as_json:
        typer.echo(to_json(rows))
    else:
        console().print(cache_table(rows))
        own = "" if settings.redis_url else ": each process has its own cache, and shows its figures at /metrics"
        typer.echo(f"{cache.where}{own}")
    if settings.redis_url and None in usages.values():
        raise typer.Exit(1)


@_cache.command("clear")
def clear(
    namespace: Annotated[str, typer.Argument(help="price, news or sentiment; by default all.")] = "",
) -> None:
    """Forget what is kept, in every process: whoever asks next reads the database. Exit with 1 where they keep it."""
    from bitpredict.errors import StorageError
    from bitpredict.settings import load_settings
    from bitpredict.storage.cache import open_cache

    settings = load_settings()
    cache = open_cache(settings)
    for name in [namespace] if namespace else [space.name for space in cache.spaces]:
        cleared = cache.clear(name)
        if settings.redis_url and cache.usage(name) is None:
            raise StorageError(f"{cache.where}: start it or change BITPREDICT_REDIS_URL")
        if cleared is None:
            raise StorageError(
                f"{name}: other processes give what they keep until its time is over, {settings.home} cannot be "
                "written to tell them; change its rights, or start them again"
            )
        typer.echo(f"{name}: " + (f"{cleared} values" if settings.redis_url else "every process forgets its own"))

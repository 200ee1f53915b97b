"""`bitpredict sentiment`: what a text says, how well the models agree with people, and training one of them."""

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from bitpredict.cli.options import AsJson

TextColumn = Annotated[str, typer.Option("--text", help="The file's column of texts.")]
LabelColumn = Annotated[
    str, typer.Option("--label", help="The file's column of labels: -1, 0, 1 or negative, neutral, positive.")
]
LabelledFile = Annotated[Path, typer.Argument(help="A CSV file with a header, UTF-8.", show_default=False)]


class _TextFirst(TyperGroup):
    """A first argument that is no command's name is a text."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] != "--help":
            args = ["of", *args]
        return super().parse_args(ctx, args)


app = typer.Typer()
_sentiment = typer.Typer(cls=_TextFirst, no_args_is_help=True, help='What a text says: bitpredict sentiment "TEXT".')
app.add_typer(_sentiment, name="sentiment")


@_sentiment.command("of")
def of_command(
    texts: Annotated[list[str], typer.Argument(metavar="TEXT...", help="Headlines, each in quotes.")],
    as_json: AsJson = False,
) -> None:
    """Show what each text says and which model said so. `of` may be left out."""
    from bitpredict.cli.output import console
    from bitpredict.cli.records import to_json
    from bitpredict.cli.sentiment_tables import sentiment_records, sentiments_table
    from bitpredict.settings import load_settings
    from bitpredict.text.opening import open_models

    opened = open_models(load_settings())
    said = opened.chain().score(texts)
    if as_json:
        typer.echo(to_json(sentiment_records(texts, said)))
        return
    console().print(sentiments_table(texts, said))
    _tell_absent(opened.absent)


@_sentiment.command("evaluate")
def evaluate_command(
    file: LabelledFile, text: TextColumn = "text", label: LabelColumn = "label", as_json: AsJson = False
) -> None:
    """Show how well each model agrees with a labelled file; what is trained is judged on folds it has not seen."""
    from bitpredict.cli.output import console
    from bitpredict.cli.records import to_json
    from bitpredict.cli.sentiment_tables import evaluation_records, evaluations_table
    from bitpredict.settings import load_settings
    from bitpredict.text.comparison import compare
    from bitpredict.text.labelled import read_labelled

    results, absent = compare(read_labelled(file, text, label), load_settings())
    if as_json:
        typer.echo(to_json(evaluation_records(results)))
        return
    console().print(evaluations_table(results))
    _tell_absent(absent)


@_sentiment.command("train")
def train_command(file: LabelledFile, text: TextColumn = "text", label: LabelColumn = "label") -> None:
    """Train the linear classifier on a labelled file, show what it does on folds it has not seen, and store it."""
    from bitpredict.settings import load_settings
    from bitpredict.text.labelled import read_labelled
    from bitpredict.text.linear_training import train_and_store

    settings = load_settings()
    model, result = train_and_store(read_labelled(file, text, label), settings.linear_sentiment)
    folds = ", ".join(f"{fold:.3f}" for fold in result.folds)
    typer.echo(f"{model.version} learnt from {result.texts} texts: {settings.linear_sentiment}")
    typer.echo(f"macro-F1 on what it had not seen {result.macro_f1:.3f} (folds {folds})")


@_sentiment.command("download")
def download_command(
    revision: Annotated[
        str, typer.Option(help="The repository's commit to fetch: 40 hexadecimal digits.", show_default=False)
    ],
    repository: Annotated[str, typer.Option(help="An ONNX export of FinBERT on the hub.")] = "Xenova/finbert",
) -> None:
    """Fetch FinBERT (about 110 MB) at a pinned revision, each file checked against the hub's checksum."""
    from bitpredict.settings import load_settings
    from bitpredict.sources.finbert_hub import download
    from bitpredict.sources.http import HttpClient

    settings = load_settings()
    http = HttpClient("hub", timeout=settings.http_timeout_seconds, attempts=settings.http_attempts, deadline=3600.0)
    version = download(http, settings.hub_url, repository, revision, settings.finbert)
    typer.echo(f"{version} from {repository} at {revision}: {settings.finbert}")


def _tell_absent(absent: Any) -> None:
    for name, why in absent.items():
        typer.echo(f"without {name}: {why}", err=True)

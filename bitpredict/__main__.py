"""`python -m bitpredict`: the command line without its console script."""

from bitpredict.cli.main import run

run()

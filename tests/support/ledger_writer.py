"""Another process that writes `rows` forecasts in one call: `python -m tests.support.ledger_writer ROWS`."""

import sys

from bitpredict.settings import load_settings
from bitpredict.storage.database import connect
from bitpredict.storage.ledger import write_forecasts
from tests.support.made_rows import made_forecasts

if __name__ == "__main__":
    frame = made_forecasts(int(sys.argv[1]))
    engine = connect(load_settings())
    print("ready", flush=True)
    sys.stdin.readline()
    write_forecasts(engine, frame)

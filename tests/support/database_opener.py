"""Another process that opens, and upgrades, the database that the environment names."""

import sys

from bitpredict.settings import load_settings
from bitpredict.storage.database import open_database, schema_state, upgrade

if __name__ == "__main__":
    print("ready", flush=True)
    sys.stdin.readline()
    engine = open_database(load_settings())
    if not schema_state(engine).is_current:
        upgrade(engine)
    assert schema_state(engine).is_current

"""Loading the definitions against importing Dagster alone, each in fresh interpreters."""

import subprocess
import sys
import time

ROUNDS = 5


def main() -> None:
    """Print the ratio: lower is better."""
    times: dict[str, list[float]] = {"dagster": [], "bitpredict_assets.definitions": []}
    for _ in range(ROUNDS):
        for module, taken in times.items():
            start = time.perf_counter()
            subprocess.run([sys.executable, "-W", "ignore", "-c", f"import {module}"], check=True)
            taken.append(time.perf_counter() - start)
    alone, ours = (min(taken) for taken in times.values())
    print(f"import dagster: {alone:.2f} s; import bitpredict_assets.definitions: {ours:.2f} s")
    print(f"  {ours / alone:.2f} x import dagster (target at most 2.5)")


if __name__ == "__main__":
    main()

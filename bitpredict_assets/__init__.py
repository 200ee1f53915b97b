"""The platform as a Dagster asset graph: thin wrappers that call `bitpredict` and describe what they made."""

import warnings

# Dagster's version is pinned; a line an asset at every start says nothing.
warnings.filterwarnings("ignore", message="Parameter `backfill_policy` .* is currently in beta")

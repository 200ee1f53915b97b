"""The platform as a Dagster asset graph: thin wrappers that call `bitpredict` and describe what they made."""

"""News of many feeds."""

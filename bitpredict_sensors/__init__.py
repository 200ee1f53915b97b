"""Sensors that turn the live lane into partitions, and their pure cursor arithmetic."""

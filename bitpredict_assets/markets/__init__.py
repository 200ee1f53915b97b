"""Quotes of many coins."""

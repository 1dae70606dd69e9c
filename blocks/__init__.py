"""Prefect blocks: typed configuration and secrets that operators see and edit in the UI."""

"""Prefect flows: each one a runbook that runs."""

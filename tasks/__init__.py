"""Prefect tasks: each one retryable effect on one environment, named by its block."""

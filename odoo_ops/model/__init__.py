"""Frozen values: what an environment is, what a backup holds, what a check found."""

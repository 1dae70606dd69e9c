"""Decisions, pure: facts and the time come as arguments."""

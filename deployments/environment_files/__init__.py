"""Environment files: the reviewed source of what is registered in Prefect.

`catalog` gathers the entries of all files (`source` reads one and keeps its lines), `entries` reads each into
a value of the model (`references` follows the names of secrets, `wording` says what is wrong), `rules` compares
the environments with each other, and `loader` gives the whole or all mistakes at once.
"""

from deployments.environment_files.loader import Configuration, PlacedEnvironment, load

__all__ = ["Configuration", "PlacedEnvironment", "load"]

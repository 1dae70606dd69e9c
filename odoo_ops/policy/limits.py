"""The names of Prefect's concurrency limits, each of one holder: what makes them and what holds them agree here."""

NEW_REPOSITORY = "odoo-new-repository"  # of all environments: two of them may be given the same new one


def environment_limit(environment: str) -> str:
    """The limit that is held while a flow changes an environment, or reads what must not change meanwhile."""
    return f"odoo-environment-{environment}"


def releases_limit(environment: str) -> str:
    """The limit in which the releases to an environment queue."""
    return f"odoo-releases-{environment}"

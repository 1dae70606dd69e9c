"""Forges are told what became of a commit, as stand-ins take it that go by their pages."""

from typing import get_args

import pytest
from webhooks import COMMIT, TOKEN, StandInForge

from odoo_ops.adapters.forge import tell
from odoo_ops.errors import PermanentError, PreconditionFailed, RateLimited
from odoo_ops.model.webhooks import Push, QueuedRelease, Source, Told
from odoo_ops.policy.commit_status import commit_status

RULE = {"repository": "acme/addons", "branch": "main", "environments": ["production"]}
RELEASE = QueuedRelease(
    id=1,
    source="it",
    delivery="d",
    environment="production",
    push=Push(repository="acme/addons", ref="refs/heads/main", commit=COMMIT),
    state="pending",
    received_at=1,
)
# where each has its API, and how it calls the project there
PLACES = {
    "github": ("", "/repos/acme/addons"),
    "gitlab": ("/api/v4", "/projects/acme%2Faddons"),
    "gitea": ("/api/v1", "/repos/acme/addons"),
    "forgejo": ("/api/v1", "/repos/acme/addons"),
}


@pytest.mark.parametrize("by_ci", [False, True])
@pytest.mark.parametrize("forge", list(PLACES))
def test_forge_takes_every_state_of_a_release_and_no_other_token(forge: str, *, by_ci: bool) -> None:
    """Whether the forge sent the push itself, or CI did that has the commit from there."""
    base, project = PLACES[forge]
    with StandInForge.run(forge) as there:
        sender = {"forge": "generic", "status_forge": forge} if by_ci else {"forge": forge}
        fields = {"name": "it", **sender, "secret": "s" * 16, "api": f"{there.api}{base}", "rules": [RULE]}
        source = Source.model_validate({**fields, "token": TOKEN})
        for told in get_args(Told):
            tell(source, commit_status(source, RELEASE, told, "http://prefect/run"))
        assert {path for path, _ in there.told} == {f"{base}{project}/statuses/{COMMIT}"}
        assert (
            len({body["state"] for _, body in there.told}) == len(get_args(Told)) - 1
        )  # an unwell one is a success, too
        stranger = Source.model_validate({**fields, "token": "another-token"})
        with pytest.raises(PreconditionFailed, match="answers 401 .* a token that may write commit statuses"):
            tell(stranger, commit_status(stranger, RELEASE, "pending", ""))
        there.status = 422
        with pytest.raises(PermanentError, match="whether it still has the commit") as refused:
            tell(source, commit_status(source, RELEASE, "pending", ""))
        assert not isinstance(refused.value, PreconditionFailed), "no other token would mend it"
        there.status, there.headers = 429, {"Retry-After": "30"}
        with pytest.raises(RateLimited, match="asked again in 30 seconds"):
            tell(source, commit_status(source, RELEASE, "pending", ""))

"""The way in to an Odoo, as it can be tried from its host or its toolbox."""

from odoo_ops.adapters.public_site import PublicSite
from odoo_ops.model.provision import LocalCa, NoTls, Provisioning
from odoo_ops.model.runtimes import ComposeProject
from odoo_ops.model.sockets import TcpAddress
from odoo_ops.policy.provisioning import GEVENT_PORT, HTTP_PORT, HTTPS_PORT, NGINX_SERVICE, ODOO_PORT
from odoo_ops.project_files import TLS_CERTIFICATE
from odoo_ops.runtimes.certificates import AUTHORITY
from odoo_ops.runtimes.runtime import Runtime


def public_site(runtime: Runtime) -> PublicSite | None:
    """The address that the environment names; else nginx of a project that `provision` made; None: neither is there."""
    settings = runtime.environment
    if settings.odoo.public_url:
        return PublicSite(runtime.host, settings.odoo.public_url, settings.odoo.public_ca)
    if isinstance(settings.runtime, ComposeProject) and settings.provision:
        return _nginx(runtime, settings.runtime, settings.provision)
    return None


def past_nginx(runtime: Runtime, odoo: str) -> PublicSite:
    """The way of websockets to an Odoo of a project that `provision` made, whomever nginx lets in.

    `odoo`: its service, or one container of it, by the name that it has within the project's networks.
    """
    port = ODOO_PORT if runtime.environment.stage == "development" else GEVENT_PORT  # there it is the only process
    return PublicSite(runtime.host, f"http://{odoo}:{port}", None)


def _nginx(runtime: Runtime, project: ComposeProject, wanted: Provisioning) -> PublicSite:
    """Nginx over the project's own network, under its main domain: that need not lead here from a toolbox.

    Trusted is the project's own authority; of a certificate from elsewhere just the one in place, as its authority may
    be known to nobody here.
    """
    if isinstance(wanted.tls, NoTls):
        return PublicSite(runtime.host, wanted.url, None, server=TcpAddress(host=NGINX_SERVICE, port=HTTP_PORT))
    trusted = AUTHORITY if isinstance(wanted.tls, LocalCa) else TLS_CERTIFICATE
    authority = runtime.machine.call("read_text", path=f"{project.folder}/{trusted}")
    server = TcpAddress(host=NGINX_SERVICE, port=HTTPS_PORT)
    return PublicSite(runtime.host, wanted.url, authority, server=server)

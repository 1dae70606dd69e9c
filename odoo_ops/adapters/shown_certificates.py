"""The certificate that a server shows, whether anybody trusts it or not."""

import ssl

from odoo_ops.adapters.host import HostAdapter
from odoo_ops.adapters.local_ca import facts_of
from odoo_ops.adapters.public_site import connection_to
from odoo_ops.errors import TransientError
from odoo_ops.model.certificates import CertificateFacts
from odoo_ops.model.sockets import TcpAddress


def read_shown(host: HostAdapter, server: TcpAddress, domain: str) -> CertificateFacts:
    """What a server, as a host reaches it, shows to who asks for a domain. Raises TransientError when it shows none."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with (
            host.tunnel(server) as address,
            connection_to(address) as plain,
            context.wrap_socket(plain, server_hostname=domain) as secured,
        ):
            return facts_of(secured.getpeercert(binary_form=True) or b"")
    except (OSError, ValueError) as error:
        raise TransientError(
            f"{server.host}:{server.port} on {host.name} shows no certificate for {domain}: "
            f"{str(error) or type(error).__name__}. Next step: look at the logs of nginx."
        ) from error

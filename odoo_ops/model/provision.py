"""What the Docker Compose project of an Odoo is made of, and the files that make it."""

import ipaddress
import re
from collections.abc import Callable
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr, ValidationInfo, field_validator

from odoo_ops.model.base import Value
from odoo_ops.model.paths import AbsolutePath

_PINNED = re.compile(r"(.+@)?sha256:[0-9a-f]{64}")
_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")
_FOLDER = re.compile(r"[A-Za-z0-9._/ -]+")
_DOMAIN_CHARACTERS = 253
MAIL_CATCHER = "axllent/mailpit:v1.21"
LETS_ENCRYPT = "https://acme-v02.api.letsencrypt.org/directory"

Image = Annotated[str, Field(pattern=r"^[a-z0-9][A-Za-z0-9._/:-]*(@sha256:[0-9a-f]{64})?$")]
Port = Annotated[int, Field(ge=1, le=65535)]
Option = bool | int | float | str
Origin = Annotated[str, Field(pattern=r"^https?://[a-z0-9.-]+(:[0-9]+)?$")]


def is_pinned(image: str) -> bool:
    """Whether an image's name says its content, so that it is the same every day.

    By the digest in a registry (`odoo:19.0@sha256:…`), or by the id of one that was built on the host (`sha256:…`).
    """
    return bool(_PINNED.fullmatch(image))


def _domain(value: str) -> str:
    if _is_address(value):
        raise ValueError(f"{value!r} is an IP address; people reach it under a host name, and so is its certificate")
    if len(value) > _DOMAIN_CHARACTERS or not all(_LABEL.fullmatch(label) for label in value.split(".")):
        raise ValueError(
            f"{value!r} is not a host name (small letters, digits, dashes and dots; no http://, no port, no *)"
        )
    return value


def _is_address(value: str) -> bool:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return False
    return True


def _read_by(read: Callable[[str], object], what: str) -> AfterValidator:
    """Addresses as `ipaddress` reads them, but without a scope (fe80::1%eth0), behind which anything may stand."""

    def checked(value: str) -> str:
        try:
            return str(read(value.replace("%", " ")))
        except ValueError:
            raise ValueError(f"{value!r} is {what}") from None

    return AfterValidator(checked)


def _folder(value: str) -> str:
    if not _FOLDER.fullmatch(value):
        raise ValueError(f"{value!r} may hold only letters, digits, blanks and . _ / -")
    return value


def _some(domains: tuple[str, ...]) -> tuple[str, ...]:
    if not domains:
        raise ValueError("holds no host name; nobody would be served")
    if twice := sorted({domain for domain in domains if domains.count(domain) > 1}):
        raise ValueError(f"holds {', '.join(twice)} twice")
    return domains


# written into odoo.conf, where a comma parts folders, and into the compose file, where a colon does
AddonsFolder = Annotated[AbsolutePath, AfterValidator(_folder)]
# not `min_length`: beside a wrong name it would say that there is none
Domains = Annotated[tuple[Annotated[str, AfterValidator(_domain)], ...], AfterValidator(_some)]
IpAddress = Annotated[str, _read_by(ipaddress.ip_address, "not an IP address, such as 0.0.0.0 or 127.0.0.1")]
IpNetwork = Annotated[
    str,
    _read_by(
        ipaddress.ip_network,
        "neither an IP address nor a network of them, such as 203.0.113.7 or 203.0.113.0/24",
    ),
]


class Images(Value):
    """The images of a project's services: the official or usual ones, where none is named.

    Production takes only pinned ones: see `is_pinned`. A project keeps its major version of PostgreSQL: `provision`
    refuses another one on the data that is there.
    """

    odoo: Image = Field(
        description="As the official `odoo`, or made from it with your addons in it. Left out: `odoo` of the "
        "environment's version, which has none of yours."
    )
    postgres: Image = Field(default="postgres:17", description="As the official `postgres`, up to 17.")
    nginx: Image = Field(default="nginx:1.28", description="As the official `nginx`.")
    toolbox: Image = Field(
        default="odoo-ops-toolbox:17",
        description="Made from deployments/images/toolbox for the same version of PostgreSQL.",
    )
    mail: Image | None = Field(
        default=None,
        description="Catches all mail that Odoo sends, as `axllent/mailpit` does: SMTP on port 1025, pages on 8025, "
        "and `/mailpit readyz`, without which it never gets healthy. Left out: that in development, none "
        "elsewhere. Not for production.",
    )
    certbot: Image = Field(
        default="certbot/certbot:v4.2.0", description="As `certbot/certbot`, for `tls: {kind: acme, …}`."
    )
    pgbouncer: Image = Field(
        default="edoburu/pgbouncer:v1.24.1-p1", description="As `edoburu/pgbouncer`, for `provision.pgbouncer`."
    )

    @field_validator("certbot", "pgbouncer", mode="before")
    @classmethod
    def _as_left_out(cls, value: object, field: ValidationInfo) -> object:
        """Environments that were registered before there were defaults say that there is none."""
        return cls.model_fields[str(field.field_name)].default if value is None else value


class NoTls(Value):
    """Plain HTTP, on loopback alone."""

    kind: Literal["none"] = "none"


class CertificateFiles(Value):
    """A certificate that somebody else makes and renews. Each run puts its present state in place."""

    kind: Literal["files"] = "files"
    certificate: AbsolutePath = Field(description="On the host: the certificate and the chain behind it (PEM).")
    private_key_file: AbsolutePath = Field(description="On the host: its private key (PEM, without a passphrase).")


class LocalCa(Value):
    """A certificate of an authority of this project's own, which browsers must be told to trust. Not for production."""

    kind: Literal["local_ca"] = "local_ca"


class Acme(Value):
    """A certificate of an authority that speaks ACME and asks each domain over HTTP who it is (HTTP-01)."""

    kind: Literal["acme"] = "acme"
    email: str = Field(pattern=r"^[^@\s]+@[^@\s]+$", description="Whom the authority tells what concerns the account.")
    directory: str = Field(
        default=LETS_ENCRYPT, pattern=r"^https://[^\s/]+/\S*$", description="Where it is asked. Empty: Let's Encrypt."
    )
    ca_certificate: AbsolutePath | None = Field(
        default=None, description="On the host: whom to trust for the directory itself (PEM). Empty: the image's."
    )


Tls = Annotated[NoTls | CertificateFiles | LocalCa | Acme, Field(discriminator="kind")]


class PgBouncer(Value):
    """A pool of connections between Odoo and PostgreSQL. What works on the data goes past it."""

    pool: Literal["session", "transaction"] = Field(
        default="session",
        description="When a connection to PostgreSQL is free for others: when Odoo closes its own, or after each "
        "transaction. Odoo has settings for a session while it loads modules: only the first is as without a pool.",
    )


class HostFacts(Value):
    """What a machine has."""

    cores: int = Field(ge=1, description="Processors, as the operating system counts them.")
    memory_bytes: int = Field(ge=1, description="Memory.")


class Provisioning(Value):
    """How a project is set up on its host."""

    images: Images
    domains: Domains = Field(description="Host names under which people reach it; the first is its main one.")
    tls: Tls = Field(default=LocalCa(), description="Where its certificate comes from.")
    bind: IpAddress = Field(default="0.0.0.0", description="Address of the host on which it answers.")  # noqa: S104 - for its users
    http_port: Port = Field(default=80, description="Port for HTTP; with a certificate it only leads to HTTPS.")
    https_port: Port = Field(default=443, description="Port for HTTPS.")
    mail_port: Port = Field(default=8025, description="Port on loopback for the pages of the mail catcher.")
    expected_users: int = Field(ge=1, description="How many people work in it at the same time.")
    cores: int | None = Field(
        default=None,
        ge=1,
        description="Size it for so many processors; its containers may use more. Empty: all the host has.",
    )
    memory_bytes: int | None = Field(default=None, ge=1, description="Use so much memory. Empty: all the host has.")
    addons: tuple[AddonsFolder, ...] = Field(
        default=(), description="Folders of addons on the host; Odoo reads them at the same path."
    )
    pgbouncer: PgBouncer | None = Field(
        default=None,
        description="Put PgBouncer between Odoo and PostgreSQL. Empty: Odoo connects to PostgreSQL itself.",
    )
    odoo_options: dict[str, Option] = Field(
        default={},
        description="Options of odoo.conf that the project does not decide, such as `limit_time_real_cron: 1800`.",
    )
    postgres_options: dict[str, Option] = Field(
        default={},
        description="Settings of postgresql.conf that the project does not decide, or decides otherwise, such as "
        "`statement_timeout: 15min`. What PostgreSQL takes only when it starts waits for `restart`.",
    )
    body_limit_bytes: int = Field(default=128 * 2**20, ge=2**20, description="Largest upload.")
    cors_origins: tuple[Origin, ...] = Field(
        default=(),
        description="Other sites whose pages may call it, such as https://shop.example.com. "
        "No others may, whatever Odoo says.",
    )
    operator_networks: tuple[IpNetwork, ...] = Field(
        default=(),
        description="Addresses or networks whose people are led to Odoo, such as it is then, while a release tells "
        "everybody else to come back soon.",
    )
    trusted_proxies: tuple[IpNetwork, ...] = Field(
        default=(),
        description="Addresses or networks of a load balancer or CDN before it, whose word in X-Forwarded-For on who "
        "asks is taken.",
    )
    admin_password: SecretStr | None = Field(
        default=None,
        description="Password of Odoo's user `admin` in a new database. Needed outside development: Odoo's is `admin`.",
    )
    master_password: SecretStr | None = Field(
        default=None,
        description="Odoo's master password, of which Odoo gets a hash. Empty: no password opens its database manager.",
    )
    demo_data: bool = Field(default=False, description="A new database gets Odoo's demo data. Not for production.")

    @property
    def url(self) -> str:
        """Where people reach it, under its main domain."""
        bare = isinstance(self.tls, NoTls)
        scheme, port, usual = ("http", self.http_port, 80) if bare else ("https", self.https_port, 443)
        return f"{scheme}://{self.domains[0]}{'' if port == usual else f':{port}'}"

    def published(self, port: int) -> str:
        """A port of the host, with the address on which it answers."""
        return f"[{self.bind}]:{port}" if ":" in self.bind else f"{self.bind}:{port}"

    @property
    def ports(self) -> tuple[int, ...]:
        """Those of nginx, at its address of the host."""
        return (self.http_port,) if isinstance(self.tls, NoTls) else (self.http_port, self.https_port)

    @property
    def published_ports(self) -> tuple[str, ...]:
        """Addresses and ports of the host on which it answers."""
        mails = (f"127.0.0.1:{self.mail_port}",) if self.images.mail else ()
        return (*map(self.published, self.ports), *mails)

    def share_of(self, host: HostFacts) -> HostFacts:
        """What of a host the project is sized for."""
        return HostFacts(
            cores=self.cores or host.cores,
            memory_bytes=min(self.memory_bytes or host.memory_bytes, host.memory_bytes),
        )


class ProjectFile(Value):
    """One file of a project.

    Attributes:
        path: relative to the project's folder.
        mode: its permissions, such as 0o644.
        secret: its content and its changes are never shown.
    """

    path: str
    content: SecretStr
    mode: int
    secret: bool = False

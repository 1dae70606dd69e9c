"""Passwords as Odoo keeps them: of its users, and the master password of odoo.conf."""

from base64 import b64encode
from hashlib import pbkdf2_hmac, sha256

from pydantic import SecretStr

# as many as Odoo 18 and 19 ask for; with fewer they would hash it anew at the login
_ROUNDS = 600_000
_SALT_BYTES = 16


def hashed(password: SecretStr, salt: bytes) -> str:
    """A password as Odoo keeps it: PBKDF2 with SHA-512, in passlib's notation (its base64 has a dot for each plus)."""
    digest = pbkdf2_hmac("sha512", password.get_secret_value().encode(), salt, _ROUNDS)
    salt_text, digest_text = (b64encode(value, altchars=b"./").decode().rstrip("=") for value in (salt, digest))
    return f"$pbkdf2-sha512${_ROUNDS}${salt_text}${digest_text}"


def hashed_master_password(password: SecretStr, environment: str) -> str:
    """The master password of an environment, hashed: each time the same, so that a second run plans nothing."""
    return hashed(password, sha256(f"odoo-ops master password of {environment}".encode()).digest()[:_SALT_BYTES])

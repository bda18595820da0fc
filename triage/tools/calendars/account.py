"""What a service account of Google's signs to get a token (RFC 7523)."""

import base64
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Self

from triage.errors import InvalidSetting
from triage.model import Json

TOKENS = "https://oauth2.googleapis.com/token"
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
LIFETIME = timedelta(hours=1)
"""Of an assertion: the longest that Google takes."""


@dataclass(frozen=True, slots=True)
class Account:
    """A service account: who it is, where it gets its tokens, and how it signs."""

    email: str
    key_id: str
    url: str
    sign: Callable[[bytes], bytes]

    @classmethod
    def parse(cls, secret: str) -> Self:
        """From the JSON of its key; raises InvalidSetting, which does not show it."""
        try:
            fields = json.loads(secret)
            sign = _signer(str(fields["private_key"]))
            url = str(fields.get("token_uri") or TOKENS)
            return cls(str(fields["client_email"]), str(fields.get("private_key_id", "")), url, sign)
        except (ValueError, KeyError, TypeError, AttributeError):
            raise InvalidSetting("`service_account` is not the JSON of a service account's key") from None

    def form(self, scope: str, subject: str) -> dict[str, str]:
        """What is posted to get a token for this scope, to act for `subject` if that is not empty."""
        now = int(time.time())
        claims: Json = {"iss": self.email, "scope": scope, "aud": self.url, "iat": now}
        claims["exp"] = now + int(LIFETIME.total_seconds())
        return {"grant_type": GRANT, "assertion": self._signed({**claims, **({"sub": subject} if subject else {})})}

    def _signed(self, claims: Json) -> str:
        """A JSON Web Token by RS256 (RFC 7515)."""
        head = {"alg": "RS256", "typ": "JWT", "kid": self.key_id}
        body = f"{_text(_json(head))}.{_text(_json(claims))}"
        return f"{body}.{_text(self.sign(body.encode()))}"


def _signer(pem: str) -> Callable[[bytes], bytes]:
    """Signs with this RSA key; raises ValueError or TypeError if it is none."""
    # Here, so that only those who have a service account load it.
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import padding, rsa  # noqa: PLC0415

    key = serialization.load_pem_private_key(pem.encode(), password=None)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise TypeError("no RSA key")
    return lambda body: key.sign(body, padding.PKCS1v15(), hashes.SHA256())


def _json(value: Json) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _text(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()

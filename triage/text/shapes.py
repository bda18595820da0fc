"""Shapes of secrets that the detector library does not know, or is not sure enough of."""

from dataclasses import dataclass

import regex


@dataclass(frozen=True, slots=True)
class Shape:
    """A secret's shape: one of `hints` must stand in the lower-cased text for the pattern to be tried at all.

    The pattern's group `secret`, or else its whole match, is the secret. Every repetition is bounded or possessive.
    """

    name: str
    hints: tuple[str, ...]
    pattern: regex.Pattern[str]


def _shape(name: str, hint: str | tuple[str, ...], pattern: str) -> Shape:
    return Shape(name, (hint,) if isinstance(hint, str) else hint, regex.compile(pattern))


KEY_BLOCK = r"[A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
PLACEHOLDER = r"(?:null|none|nil|true|false|undefined|empty|string|text|password|passwd|input|redacted|x{3,}|\.{3})\b"
NAMES = r"(?:pass(?:word|wd|phrase)|pwd|secret|api[_-]?key|access[_-]?key|client[_-]?secret|auth[_-]?token)"
ASSIGNED = rf"(?i)(?<![A-Za-z]){NAMES}[\"']?\s{{0,4}}[:=]\s{{0,4}}"
NAME_HINTS = ("pass", "pwd", "secret", "apikey", "api_key", "api-key", "access_key", "accesskey", "access-key", "token")
PLAIN_VALUE = r"[^\s\"'<>(){}\[\];,&*$|`]"
SHAPES = (
    # A block whose end was cut off is masked as far as its lines look like one.
    _shape(
        "private key",
        "private key",
        rf"-----BEGIN {KEY_BLOCK}(?:(?:[^-]|-(?!----)){{0,20000}}+-----END {KEY_BLOCK}"
        r"|(?:[\s>|]|\\[nr]|[A-Za-z0-9+/=]{24,})*+)",
    ),
    _shape(
        "cookie",
        "cookie",
        r"(?i)\bcookie[\"']?\s{0,2}:\s{0,4}[\"']?(?P<secret>[\w!#$%*+.^`|~-]{1,128}=[^\r\n\"']{1,8192})",
    ),
    _shape(
        "authorization",
        "authorization",
        r"(?i)\bauthorization[\"']?\s{0,2}[:=]\s{0,4}[\"']?(?P<secret>"
        r"(?:digest|negotiate|ntlm|hawk|apikey|signature|aws4-hmac-sha256)\s[^\r\n]{8,4096}|[^\s\"']{16,4096})",
    ),
    _shape("JSON web token", "eyj", r"(?<![\w-])eyJ[\w-]{8,}+\.eyJ[\w-]{4,}+\.[\w-]*+"),
    _shape(
        "Slack webhook",
        "hooks.slack.com",
        r"hooks\.slack\.com/(?P<secret>(?:services|workflows|triggers)/[\w/+-]{16,200})",
    ),
    _shape("OpenAI key", "sk-", r"(?<![A-Za-z0-9])sk-(?:proj|svcacct|admin)-[\w-]{20,400}"),
    _shape("Google token", "ya29.", r"\bya29\.[\w-]{20,400}"),
    _shape("PyPI token", "pypi-", r"\bpypi-[\w-]{50,400}"),
    _shape("npm token", "_authtoken", r"(?i)_authtoken\s?=\s?(?P<secret>[^\s\"'$]{8,200})"),
    _shape("Discord bot token", ".", r"(?<![\w-])[MNO][\w-]{23,25}\.[\w-]{6}\.[\w-]{27,38}(?![\w-])"),
    _shape("Twilio key", "sk", r"\bSK[0-9a-f]{32}\b"),
    _shape("Mailgun key", "key-", r"\bkey-[0-9a-f]{32}\b"),
    _shape("Notion token", "ntn_", r"\bntn_[A-Za-z0-9]{40,60}\b"),
    _shape("Azure key", "key=", r"(?i)\b(?:account|sharedaccess)key=(?P<secret>[A-Za-z0-9+/]{40,100}={0,2})"),
    _shape("signature", "sig=", r"[?&;]sig=(?P<secret>[\w%+/=-]{20,200})"),
    _shape("password", "://", r"://[^\s/:@\"'<>]{0,100}:(?P<secret>[^\s/@\"'<>]{1,200})@"),
    # `password=letmein`: no space, so hardly prose and hardly code.
    _shape("password", "=", rf"(?i)(?<![A-Za-z]){NAMES}=(?P<secret>(?!{PLACEHOLDER}){PLAIN_VALUE}{{4,200}}+)(?!\()"),
    # `pwd: S3cret`: must look like one, since people write `password: wrong`; a path is a working directory.
    _shape(
        "password",
        NAME_HINTS,
        rf"{ASSIGNED}(?P<secret>(?![/~.]|[a-z]:\\|https?:)"
        rf"(?=[^\d\s]{{0,40}}\d)(?=[^A-Za-z\s]{{0,40}}[A-Za-z]){PLAIN_VALUE}{{6,200}}+)(?!\()",
    ),
    _shape(
        "password",
        NAME_HINTS,
        rf"{ASSIGNED}([\"'])(?P<secret>(?!{PLACEHOLDER})[^\"'\r\n]{{4,200}})\1",
    ),
)

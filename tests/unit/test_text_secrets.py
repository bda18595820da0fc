"""Which secrets are masked, what is left alone, and what it costs. No secret here was ever one."""

import time

import pytest

from triage.model import Report
from triage.text.secrets import mask, mask_report

A, B, HEX = "aZ3kQ9xLp2Rw", "Xy7TmB4vNc8D", "0a1b2c3d4e5f6789"
"""Stuff that looks random; the secrets are put together below, so that no scanner takes this file for a leak."""
LONG = 100_000
SOON = 0.5
"""Seconds of CPU that the worst text of full length may take."""
LINES = "\n".join((A + B) * 2 for _ in range(4))
DOTTED = f"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.{A}{B}{A}"
SECRETS = {
    "AKIAIOSFODNN7QWERTYU": "AWS access key id",
    f"ghp_{(A + B + A)}": "GitHub token",
    f"github_pat_{(A + B)[:22]}_{(A + B) * 2}{A[:11]}": "GitHub fine grained personal access token",
    f"glpat-{(A + B)[:20]}": "GitLab token",
    f"xoxb-123456789012-1234567890123-{A}{B}": "Slack token",
    f"sk_live_{A}{B}": "Stripe credential",
    f"AIza{(A + B) * 2}"[:39]: "Google API key",
    f"npm_{A}{B}{A}": "npm access token",
    f"sk-ant-api03-{((A + B) * 4)[:93]}AA": "Anthropic API key",
    f"sk-proj-{(A + B) * 3}": "OpenAI key",
    f"ya29.{(A + B) * 2}": "Google token",
    f"pypi-AgEI{(A + B) * 3}": "PyPI token",
    f"M{(A + B)[:23]}.{A[:6]}.{(A + B + A)[:27]}": "Discord bot token",
    f"SK{HEX * 2}": "Twilio key",
    f"key-{HEX * 2}": "Mailgun key",
    f"ntn_{(A + B) * 2}": "Notion token",
    f"SG.{(A + B)[:22]}.{((A + B) * 2)[:43]}": "sendgrid API key",
    f"hf_{(A + B + A)[:34]}": "huggingface token",
    DOTTED: "JSON web token",
}
"""A secret that stands alone, and what it is called."""
ASSIGNED = [
    ("aws_secret_access_key = ", f"{A}{B}{A}{B}"[:40], ""),
    ("Authorization: Bearer ", (A + B) * 2, "\nHost: x"),
    ("Authorization: Basic ", "dXNlcjpwYXNzd29yZDEyMw==", "\n"),
    ("Authorization: ", f'Digest username="bob", response="{HEX}"', "\n"),
    ("Authorization: ", (A + B) * 2, ""),
    ("Cookie: ", "sid=38afes7a8; theme=dark", "\nHost: x"),
    ("Set-Cookie: ", "sid=31d4d96e; Path=/; HttpOnly", "\n"),
    ("X-Api-Key: ", HEX * 2, ""),
    ("password=", "letmein", "&user=bob"),
    ("password=", "hunter2!", ""),
    ("DB_PASSWORD=", "pa55w0rd!!", ""),
    ("pwd: ", "S3cr3tPw", ""),
    ("secret: ", "abcd1234efgh", ""),
    ('{"password": "', "hunter2 and more", '"}'),
    ("'passwd' : '", "correct horse", "'"),
    ("https://bob:", "hunter2secret", "@intern.example/x"),
    ("postgres://app:", "s3cr3tpw", "@db:5432/prod"),
    ("redis://:", "Sup3rS3cret", "@10.0.0.1:6379/0"),
    ("Server=db;User Id=sa;Password=", "Passw0rd1", ";"),
    ("AccountName=a;AccountKey=", f"{((A + B) * 4)[:86]}==", ";EndpointSuffix=core.windows.net"),
    ("https://a.example/cb?access_token=", (A + B) * 2, "&x=1"),
    ("https://a.example/f?sv=1&sig=", f"{A}{B}%2B{A}%3D", "&x=1"),
    ("https://hooks.slack.com/", f"services/T0ABCDEFG/B0ABCDEFG/{A}{B}", ""),
    ("//npm.example/:_authToken=", f"{A}{B}", ""),
]
"""What stands before a secret, the secret, and what stands behind it: both must stay."""
HARMLESS = [
    "commit 0123456789abcdef0123456789abcdef01234567",
    "3f2504e0-4f89-11d3-9a0c-0305e82c3301",
    f"sha256:{HEX * 4}",
    f"data:image/png;base64,{(A + B) * 20}",
    "\tat com.example.Password$Reset.doIt(Reset.java:123)",
    "password: wrong. Please reset my password",
    "The secret: it never worked",
    "password = getPassword(request); password=getPassword(request)",
    "pwd: /home/user1/project1 pwd=$HOME",
    "password: null, secret=none, api_key=<your key>, password=********",
    "Unexpected token: expected identifier",
    "primary key: user_id, keyboard: QWERTY12",
    "Cookie: not sent any more; the cookies: all gone",
    "Authorization: failed for bob",
    "https://a.example/x:y@z and http://a.example:8080/@bob mail me at bob@b.example",
    "Mozilla/5.0 (X11; Linux x86_64; rv:60.0) Gecko/20100101 Firefox/60.0",
    "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
    "",
]


@pytest.mark.parametrize(("secret", "name"), SECRETS.items(), ids=SECRETS.values())
def test_known_keys_are_masked(secret: str, name: str) -> None:
    """A key of a known shape is replaced by its name, and the text around it stays."""
    shown = f"When I run\n[masked: {name}]\nit fails"
    assert mask(f"When I run\n{secret}\nit fails") == shown == mask(shown)


@pytest.mark.parametrize(("before", "secret", "after"), ASSIGNED)
def test_assigned_secrets_are_masked(before: str, secret: str, after: str) -> None:
    """What is assigned to a telling name or stands in a header or an address is masked, and only that."""
    shown = mask(f"see\n{before}{secret}{after}")
    assert shown.startswith(f"see\n{before}[masked: ") and shown.endswith(f"]{after}")
    assert secret not in shown
    assert mask(shown) == shown


@pytest.mark.parametrize("kind", ["RSA ", "OPENSSH ", "EC ", "ENCRYPTED ", ""])
def test_private_keys_are_masked(kind: str) -> None:
    """A block is masked whole, also when its end was cut off, when it is quoted, and when it is in JSON."""
    begin, end = f"-----BEGIN {kind}PRIVATE KEY-----", f"-----END {kind}PRIVATE KEY-----"
    headed = f"{begin}\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,{HEX}\n\n{LINES}\n{end}"
    quoted = "> " + f"{begin}\n{LINES}".replace("\n", "\n> ")
    escaped = f"{begin}\n{LINES}\n{end}".replace("\n", "\\n")
    for block in (f"{begin}\n{LINES}\n{end}", headed, f"{begin}\n{LINES}", quoted, escaped):
        shown = mask(f"see {block}\nI said.")
        assert A not in shown and "[masked: private key]" in shown and shown.endswith("I said.")


def test_pgp_keys_are_masked() -> None:
    """An OpenPGP block is a private key too."""
    shown = mask(f"-----BEGIN PGP PRIVATE KEY BLOCK-----\n\n{LINES}\n=abcd\n-----END PGP PRIVATE KEY BLOCK-----")
    assert shown == "[masked: private key]"


@pytest.mark.parametrize("text", HARMLESS)
def test_normal_text_is_left_alone(text: str) -> None:
    """Hashes, traces, images, code and prose about passwords come back as they are."""
    assert mask(f"x {text} x\n{text}\n") == f"x {text} x\n{text}\n"


def test_a_forged_mask_hides_nothing() -> None:
    """A secret that begins with what looks like a mask is masked with it."""
    assert "hunter2" not in mask("password=[masked: x]hunter2! and pwd: '[masked: x] hunter2'")


@pytest.mark.parametrize(
    "piece",
    [
        "eyJ",
        "eyJa.",
        "eyJ-",
        "eyJ" + "a" * 4_000 + " ",
        "eyJ" * 1_300 + ".",
        "a" * 4_090 + " ",
        "://:",
        "://a:b",
        "a@b:c@",
        "-----BEGIN ",
        "-----BEGIN RSA PRIVATE KEY-----\n",
        "-----BEGIN RSA PRIVATE KEY-----\n" + "A" * LONG,
        "password=",
        "password:    ",
        'password="',
        "pwd:1a",
        "cookie:a=",
        "authorization:digest ",
        "MMMMMMMMMMMMMMMMMMMMMMMM.",
        "AKIA",
        "sk-proj-",
        "hooks.slack.com/services/",
        "?sig=",
        "\\n",
        "[masked: ",
        "\n",
    ],
)
def test_the_worst_texts_are_masked_soon(piece: str) -> None:
    """No text of a report's full length keeps a processor busy."""
    text = (piece * (LONG // len(piece) + 1))[:LONG]
    started = time.process_time()
    mask(text)
    assert time.process_time() - started < SOON


def test_a_report_is_masked() -> None:
    """Every text of a report is cleaned and masked; what identifies it is not touched."""
    key = next(iter(SECRETS))
    given = Report(
        source="mail",
        source_id=f"id-{key}",
        title=f"leak {key}",
        body=f"see {key[:6]}\u200b{key[6:]}",
        reporter=f"bob {key}",
        url="https://bob:hunter2secret@a.example/?access_token=" + (A + B) * 2,
        labels=(f"l {key}", "\u200b", "ui"),
        priority=3,
    )
    shown = mask_report(given)
    masked = "[masked: AWS access key id]"
    assert (shown.title, shown.body, shown.reporter) == (f"leak {masked}", f"see {masked}", f"bob {masked}")
    assert shown.labels == (f"l {masked}", "ui")
    assert "hunter2" not in shown.url and A not in shown.url and "@a.example" in shown.url
    assert (shown.key, shown.source_id, shown.priority) == (given.key, given.source_id, 3)


def test_a_masked_report_stays_in_bounds() -> None:
    """A mask that is longer than its secret pushes no text over the model's bounds, and no title is left blank."""
    full = ("pwd=abcd " * LONG)[:LONG]
    given = Report(
        source="mail",
        source_id="1",
        title="\u200b\u00ad",
        body=full,
        reporter=full[:200],
        url=full[:2_000],
        labels=(full[:64],),
    )
    shown = mask_report(given)
    assert Report.model_validate(shown.model_dump()) == shown
    assert shown.title == "(no title)"
    assert "abcd" not in shown.body and shown.body.endswith("the report has them all]")

"""Where models may be: addresses are checked after the name was resolved, and nothing follows a redirect elsewhere."""

import socket
from collections.abc import Iterator, Sequence

import pytest
from pydantic import SecretStr

from triage import clock, errors
from triage.decide.llm.ask import Asker
from triage.decide.llm.door import Door
from triage.decide.llm.loop import EventLoop
from triage.decide.llm.settings import LlmSettings, ModelChoice, Provider
from triage.decide.llm.trouble import ModelBusy, ModelDenied
from triage.model import Report
from triage.testing.provider import ProviderServer
from triage.tools.egress import Egress
from triage.tools.names import Names, Place, system_look_up

REPORT = Report(source="demo", source_id="r-1", title="Save fails")
MODELS: dict[Provider, str] = {
    "openai": "gpt-5-mini",
    "anthropic": "claude-haiku-4-5",
    "google": "gemini-2.5-flash",
    "mistral": "mistral-small-latest",
    "ollama": "qwen9",
    "compatible": "some/model",
}
FREE = {"ollama:qwen9": {"input": 0, "output": 0}, "compatible:some/model": {"input": 1, "output": 2}}


@pytest.fixture
def provider() -> Iterator[ProviderServer]:
    """Run a provider on loopback."""
    with ProviderServer() as server:
        yield server


@pytest.fixture
def loop() -> Iterator[EventLoop]:
    """End the loop with the test."""
    loop = EventLoop()
    yield loop
    loop.stop()


def asker(loop: EventLoop, url: str, door: Door, name: Provider = "compatible") -> Asker:
    """An asker of the model at this address."""
    base = url if name in {"anthropic", "google", "mistral"} else f"{url}/v1"
    chosen = ModelChoice(provider=name, model=MODELS[name], base_url=base, api_key=SecretStr("sk-test"))
    return Asker(LlmSettings.model_validate({"model": chosen, "prices": FREE}), loop, door)


def ask(one: Asker) -> str:
    """Ask it once; the kind that it says."""
    one.check()
    opinion = one.ask(REPORT, ["bug", "question"], deadline=clock.now() + 10).opinion
    assert opinion is not None
    return opinion.kind


def named(address: str) -> Names:
    """A resolver that says of every name that it is there."""

    def look_up(_: str, port: int) -> Sequence[Place]:
        return system_look_up(address, port)

    return Names(look_up)


@pytest.mark.parametrize("name", MODELS)
def test_no_client_connects_to_our_own_network(provider: ProviderServer, loop: EventLoop, name: Provider) -> None:
    """Every provider's own client is refused a loopback address, in words that say what to set, and sends nothing."""
    with pytest.raises(ModelDenied, match=r"127\.0\.0\.1.* a loopback address.* add it to egress_allow"):
        ask(asker(loop, provider.url, Egress().addresses, name))
    assert provider.count == 0


@pytest.mark.parametrize("name", MODELS)
def test_what_is_allowed_is_asked(provider: ProviderServer, loop: EventLoop, name: Provider) -> None:
    """With an entry in `egress_allow` each of them answers."""
    assert ask(asker(loop, provider.url, Egress(["127.0.0.1"]).addresses, name)) == "bug"


@pytest.mark.parametrize("address", ["169.254.169.254", "10.1.2.3", "::1", "fd00:ec2::254"])
def test_a_public_name_at_a_private_address_is_refused(loop: EventLoop, address: str) -> None:
    """What counts is where a name leads, not how it is spelled."""
    with pytest.raises(ModelDenied, match=r"api\.example\.org is at .*egress_allow"):
        ask(asker(loop, "http://api.example.org", Egress(names=named(address)).addresses))


def test_the_checked_address_is_the_one_that_is_connected_to(provider: ProviderServer, loop: EventLoop) -> None:
    """The name is not resolved a second time: one that exists nowhere else is reached, with its own Host header."""
    url = provider.url.replace("127.0.0.1", "model.test")
    assert ask(asker(loop, url, Egress(["model.test"], names=named("127.0.0.1")).addresses)) == "bug"
    assert provider.heard[0].headers["host"].startswith("model.test:")


def test_the_next_address_is_tried(provider: ProviderServer, loop: EventLoop) -> None:
    """Of several addresses one that does not answer does not matter."""
    port = int(provider.url.rpartition(":")[2])

    def two(_: str, __: int, ___: float) -> list[str]:
        return ["127.0.0.2", "127.0.0.1"]

    assert ask(asker(loop, f"http://model.test:{port}", two)) == "bug"


def test_a_name_that_is_unknown_costs_nothing(loop: EventLoop) -> None:
    """Not resolved is not sent, and may be tried again."""

    def nobody(_: str, __: int, ___: float) -> list[str]:
        raise socket.gaierror("unknown")

    with pytest.raises(ModelBusy):
        ask(asker(loop, "http://model.test", nobody))


def test_doctor_says_it_before_anything_is_asked(provider: ProviderServer, loop: EventLoop) -> None:
    """A model on loopback without its entry is an invalid setting."""
    with pytest.raises(errors.InvalidSetting, match=r"ollama:qwen9.*add it to egress_allow"):
        asker(loop, provider.url, Egress().addresses, "ollama").check_places()
    asker(loop, provider.url, Egress(["127.0.0.1"]).addresses, "ollama").check_places()
    assert provider.count == 0


def test_a_proxy_of_the_environment_is_not_used(
    provider: ProviderServer, loop: EventLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy would decide where the bytes go."""
    for variable in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    assert ask(asker(loop, provider.url, Egress(["127.0.0.1"]).addresses)) == "bug"

"""The figures of one campaign, for people."""

from collections.abc import Mapping
from typing import Any

from triage.decide.prices import MICRO


def table(result: Mapping[str, Any]) -> str:
    """What was allowed and taken, what was paid for, and what was wrong, if anything."""
    asks, served = result["asks"], result["provider"]
    waves = dict.fromkeys(one["wave"] for one in result["scopes"])
    rows: list[tuple[str, object]] = [(f"most taken, limit: {wave}", _taken(result, wave)) for wave in waves]
    rows += [
        ("runs", f"{_told(result['statuses'])}; {result['kills']} kills in {result['seconds']:.0f} s"),
        ("decided by", _told(result["decided_by"])),
        ("refused by the budget of", _told(result["refused"])),
        ("attempts", _told(result["attempts"])),
        ("asks", f"{asks['asks']} reserved, {asks['asks'] - asks['unaccounted_asks']} settled"),
        ("settled", f"{dollars(asks['settled'])}, of that {dollars(asks['by_tokens'])} for told tokens"),
        ("unaccounted", f"{dollars(asks['unaccounted'])} of {asks['unaccounted_asks']} asks whose workers died"),
        ("the provider served", f"{served['requests']} requests, and may bill {dollars(served['billed'])}"),
        ("and did", _told(result["served"])),
        ("settled not at prices", asks["wrong"]),
        ("paid after the stage", result["paid_after_finish"]),
        ("answers paid twice", result["answered_twice"]),
        ("budgets seen above a limit", len(result["seen_passed"])),
    ]
    lines = [f"{name:<26} {value}" for name, value in rows]
    return "\n".join([*lines, *(f"WRONG: {words}" for words in result["violations"])])


def dollars(amount: int) -> str:
    """Micro-USD as dollars."""
    return f"${amount / MICRO:,.3f}"


def _taken(result: Mapping[str, Any], wave: str) -> str:
    mine = (one for one in result["scopes"] if one["wave"] == wave)
    return ", ".join(f"{one['scope']} {_amount(one, 'taken')} of {_amount(one, 'limit')}" for one in mine)


def _amount(one: Mapping[str, Any], which: str) -> str:
    return str(one[which]) if one["scope"] == "asks" else dollars(one[which])


def _told(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{number} {name}" for name, number in counts.items()) or "none"

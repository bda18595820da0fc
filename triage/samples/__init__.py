"""Invented bug reports for demonstrations and tests: 40 deliveries of 34 reports from six sources."""

from importlib import resources

from triage import model


def load() -> list[model.Report]:
    """Read the sample reports in the order of their delivery; six of them repeat an earlier one."""
    lines = resources.files(__name__).joinpath("reports.jsonl").read_text(encoding="utf-8").splitlines()
    return [model.Report.model_validate_json(line) for line in lines]

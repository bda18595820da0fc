"""Size budgets of the code: `python -m tests.budgets` prints the figures, and fails when one is passed."""

import ast
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path

LONGEST_FILE = 400
LONGEST_BODY = 50
MEDIAN_BODY = 8
NINTH_DECILE_BODY = 25
TASK_BODY = 3

Function = ast.FunctionDef | ast.AsyncFunctionDef


def sources() -> list[Path]:
    """Every source file of the product."""
    return [Path("celeryconfig.py"), *sorted(Path("triage").rglob("*.py")), *sorted(Path("workers").rglob("*.py"))]


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """Each function of a file with the lines of its body, without its docstring."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, Function):
            yield f"{path}:{node.lineno} {node.name}", body_lines(node)


def body_lines(node: Function) -> int:
    """Lines from the first statement after the docstring to the last."""
    body = node.body[1:] if ast.get_docstring(node) is not None else node.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def broken(paths: list[Path]) -> Iterator[str]:
    """Every budget that is passed, in words."""
    bodies = [found for path in paths for found in functions(path)]
    lengths = [length for _, length in bodies]
    median, decile = statistics.median(lengths), statistics.quantiles(lengths, n=10)[-1]
    print(f"{len(paths)} files, {len(lengths)} functions: body median {median:g}, ninth decile {decile:g} lines")
    yield from (f"{name}: {length} lines, at most {LONGEST_BODY}" for name, length in bodies if length > LONGEST_BODY)
    yield from (f"{path}: over {LONGEST_FILE} lines" for path in paths if lines(path) > LONGEST_FILE)
    tasks = functions(Path("workers/tasks.py"))
    yield from (f"{name}: a task has at most {TASK_BODY} lines" for name, length in tasks if length > TASK_BODY)
    if median > MEDIAN_BODY or decile > NINTH_DECILE_BODY:
        yield f"bodies: median at most {MEDIAN_BODY}, ninth decile at most {NINTH_DECILE_BODY}"


def lines(path: Path) -> int:
    """How long a file is."""
    return len(path.read_text().splitlines())


def main() -> int:
    """Print what is broken; the exit code says whether anything is."""
    found = list(broken(sources()))
    print(*found, sep="\n", end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

"""The faults of the mutation check: each is one slip, and the sample stays as long as the code."""

import ast

import pytest

from helpers.faults import Fault, draw, faults_of

SOURCE = """
def f(x: int = 3, *, strict: bool = True) -> float:
    'No fault is in a text 1 + 1.'
    if x < 0 and not g(x, axis=1):
        raise ValueError(f"no {x + 1}")
    h(x)
    return -x * 2.0
"""


def found(source: str = SOURCE) -> list[Fault]:
    return list(faults_of("m", ast.parse(source)))


def test_the_slips_of_a_function_are_listed() -> None:
    assert sorted((fault.was, fault.becomes) for fault in found()) == sorted(
        [
            ("3", "4"),
            ("True", "False"),
            ("if x < 0 and (not g(x, axis=1)):", "if not (x < 0 and (not g(x, axis=1))):"),
            ("x < 0 and (not g(x, axis=1))", "x < 0 or not g(x, axis=1)"),
            ("x < 0", "x <= 0"),
            ("0", "1"),
            ("not g(x, axis=1)", "g(x, axis=1)"),
            ("axis=1", "nothing"),
            ("1", "2"),
            ("h(x)", "nothing"),
            ("-x * 2.0", "-x / 2.0"),
            ("-x", "x"),
            ("2.0", "4.0"),
        ]
    )


@pytest.mark.parametrize("number", range(len(found())))
def test_a_committed_fault_changes_the_one_place(number: int) -> None:
    tree = ast.parse(SOURCE)
    before = ast.unparse(tree)
    list(faults_of("m", tree))[number].commit()
    after = ast.unparse(ast.fix_missing_locations(tree))
    assert after != before
    changed = set(before.splitlines()) ^ set(after.splitlines())
    assert 1 <= len(changed) <= 3


def test_an_edit_elsewhere_leaves_the_sample() -> None:
    sample = {fault.key for fault in draw(found(), 5, seed=1)}
    assert len(sample) == 5
    edited = SOURCE + "\n\ndef g(y):\n    return y\n"
    assert {fault.key for fault in draw(found(edited), 5, seed=1)} == sample
    assert {fault.key for fault in draw(found(), 5, seed=2)} != sample

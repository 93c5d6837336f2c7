"""Small faults of a program: what a slip could have written in one place of its syntax tree."""

import ast
import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

OPPOSITES: dict[type[ast.AST], type[ast.AST]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Div,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.And: ast.Or,
    ast.Or: ast.And,
}

UNSEEN = {"annotation", "returns", "decorator_list", "exc", "msg"}
"""Fields that are no behaviour worth a test: types, and the wording of errors."""


@dataclass(frozen=True)
class Fault:
    """One changed place of a module; ``key`` names it as long as its function stays the same."""

    module: str
    function: str
    line: int
    statement: str
    was: str
    becomes: str
    holder: Any
    index: int | None
    field: str
    replacement: ast.AST

    @property
    def key(self) -> tuple[str, ...]:
        """What names the fault, whatever line it stands in."""
        return self.module, self.function, self.statement, self.was, self.becomes

    def commit(self) -> None:
        """Put the fault into the tree it was found in."""
        if self.index is None:
            setattr(self.holder, self.field, self.replacement)
        else:
            getattr(self.holder, self.field)[self.index] = self.replacement


NOTHING = "nothing"


def variants(node: ast.AST) -> Iterator[ast.AST | tuple[ast.AST, str, str]]:  # noqa: C901 - a branch per kind of node
    """Yield what a slip could have written in a node's place (and how to say it, if not so)."""
    match node:
        case ast.Compare(left=left, ops=ops, comparators=values):
            for i, op in enumerate(ops):
                changed = [*ops[:i], OPPOSITES[type(op)](), *ops[i + 1 :]]
                yield ast.Compare(left, changed, values)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in OPPOSITES:
            yield ast.BinOp(left, OPPOSITES[type(op)](), right)
        case ast.AugAssign(target=target, op=op, value=value) if type(op) in OPPOSITES:
            yield ast.AugAssign(target, OPPOSITES[type(op)](), value)
        case ast.BoolOp(op=op, values=values):
            yield ast.BoolOp(OPPOSITES[type(op)](), values)
        case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=operand):
            yield operand
        case ast.Constant(value=bool(value)):
            yield ast.Constant(not value)
        case ast.Constant(value=int(value)):
            yield ast.Constant(value + 1)
        case ast.Constant(value=float(value)):
            yield ast.Constant(2 * value or 1.0)
        case ast.If(test=test, body=body, orelse=orelse):
            yield ast.If(ast.UnaryOp(ast.Not(), test), body, orelse)
        case ast.IfExp(test=test, body=body, orelse=orelse):
            yield ast.IfExp(ast.UnaryOp(ast.Not(), test), body, orelse)
        case ast.Call(func=func, args=args, keywords=keywords):
            # Without strict=True, zip() still pairs what the types say is of one length.
            for i, keyword in enumerate(keywords):
                if keyword.arg not in (None, "strict"):
                    call = ast.Call(func, args, [*keywords[:i], *keywords[i + 1 :]])
                    yield call, ast.unparse(keyword), NOTHING
        case ast.Expr(value=ast.Call()):
            yield ast.Pass(), _head(node), NOTHING


class Place(NamedTuple):
    """A node, where it hangs, and what it is part of."""

    node: ast.AST
    holder: ast.AST
    field: str
    number: int | None
    function: str
    statement: ast.AST


def places(
    holder: ast.AST, function: str = "", statement: ast.AST | None = None
) -> Iterator[Place]:
    """Yield every node below one, but for types, messages and texts."""
    for field, value in ast.iter_fields(holder):
        if field in UNSEEN:
            continue
        for index, node in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if not isinstance(node, ast.AST) or isinstance(node, ast.JoinedStr):
                continue
            inside = function
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                inside = f"{function}.{node.name}".lstrip(".")
            now = node if isinstance(node, ast.stmt) else statement
            if isinstance(node, ast.keyword) and node.arg == "strict":
                continue
            yield Place(node, holder, field, index, inside, now or node)
            yield from places(node, inside, now)


def faults_of(module: str, tree: ast.Module) -> Iterator[Fault]:
    """Yield all faults of a module, on its one tree: :meth:`Fault.commit` spoils it."""
    for place in places(tree):
        for variant in variants(place.node):
            if isinstance(variant, tuple):
                replacement, was, becomes = variant
            else:
                replacement, was, becomes = variant, _head(place.node), _head(variant)
            ast.copy_location(replacement, place.node)
            line = getattr(place.node, "lineno", 0)
            yield Fault(
                *(module, place.function, line, _head(place.statement), was, becomes),
                *(place.holder, place.number, place.field, replacement),
            )


def _head(node: ast.AST) -> str:
    """Write a node in one line: of what has a body, the line that opens it."""
    return ast.unparse(ast.fix_missing_locations(node)).split("\n", maxsplit=1)[0]


def draw(found: Iterable[Fault], size: int, seed: int) -> list[Fault]:
    """Draw faults: those whose digests are smallest, so that an edit elsewhere changes none."""
    seen: Counter[tuple[str, ...]] = Counter()
    digests = {}
    for fault in found:
        text = f"{seed} {seen[fault.key]} {fault.key}"
        digests[hashlib.sha256(text.encode()).hexdigest()] = fault
        seen[fault.key] += 1
    return [digests[digest] for digest in sorted(digests)[:size]]

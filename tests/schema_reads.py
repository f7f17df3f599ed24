"""Which keys of the recipe the code reads: attribute reads whose owner is known to be a part of the schema.

The owner's type is followed by simple means: annotated parameters and fields (`settings: Split`), names that a part
of the recipe was assigned to, and chains such as `recipe.evaluate.patience`. A name or an attribute called `recipe`
is a Recipe, and `self.keys` of a method what its class is made for.
"""

from __future__ import annotations

import ast
from typing import get_args

from pydantic import BaseModel

from whet.recipe import schema
from whet.recipe.methods import KINDS as METHODS
from whet.recipe.sections import compare as comparison
from whet.recipe.sections import goal, keep, rewards

Types = frozenset[type[BaseModel]]
Reads = set[tuple[str, str]]
NONE: Types = frozenset()
PARTS: dict[str, Types] = {
    name: frozenset({value})
    for module in (schema, rewards, comparison, keep, goal)
    for name, value in vars(module).items()
    if isinstance(value, type) and issubclass(value, schema.Strict) and value is not schema.Strict
}
PARTS |= {
    kind.__name__: frozenset({kind})
    for method in METHODS
    for kind in method.__mro__
    if issubclass(kind, schema.Strict) and kind is not schema.Strict
}
KINDS = frozenset(kind for kinds in PARTS.values() for kind in kinds)


def models_in(annotation: object) -> Types:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return frozenset({annotation})
    return frozenset(model for inner in get_args(annotation) for model in models_in(inner))


class Reader(ast.NodeVisitor):
    """Collects (class, key) for every attribute read in one module."""

    def __init__(self) -> None:
        self.parts = dict(PARTS)
        """Classes of the schema under the names that this module gives them; type variables under their bounds."""
        self.scopes: list[dict[str, Types]] = [{}]
        self.own: dict[str, Types] = {}
        """Types of `self.NAME`."""
        self.reads: Reads = set()

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        if (node.module or "").startswith("whet.recipe."):
            self.parts |= {alias.asname or alias.name: PARTS.get(alias.name, NONE) for alias in node.names}

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        self.scopes.append({argument.arg: self.annotated(argument.annotation) for argument in arguments})
        self.generic_visit(node)
        self.scopes.pop()

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        outer, self.own = self.own, {"keys": self.of_bases(node)}
        for inner in ast.walk(node):  # fields first: a method may use what a later one assigns
            if isinstance(inner, ast.FunctionDef):
                self.scopes.append({a.arg: self.annotated(a.annotation) for a in inner.args.args})
                for assign in (n for n in ast.walk(inner) if isinstance(n, ast.Assign)):
                    self.bind(assign.targets[0], assign.value)
                self.scopes.pop()
            elif isinstance(inner, ast.AnnAssign) and isinstance(inner.target, ast.Name):
                self.own[inner.target.id] = self.annotated(inner.annotation)
        self.generic_visit(node)
        self.own = outer

    def of_bases(self, node: ast.ClassDef) -> Types:
        """What a method keeps in `self.keys`: `class DpoMethod(Method[Dpo])`."""
        given = (self.annotated(base.slice) for base in node.bases if isinstance(base, ast.Subscript))
        return frozenset().union(*given)

    def visit_Assign(self, node: ast.Assign) -> None:
        self.generic_visit(node)
        if isinstance(node.value, ast.Call) and isinstance(node.targets[0], ast.Name):  # Keys = TypeVar(..., bound=Dpo)
            bounds = (self.annotated(one.value) for one in node.value.keywords if one.arg == "bound")
            self.parts.update((node.targets[0].id, found) for found in bounds if found)
        for target in node.targets:
            self.bind(target, node.value)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if isinstance(node.ctx, ast.Load):
            for model in self.type_of(node.value):
                if node.attr in model.model_fields:  # read through a base: read for every class that inherits it
                    self.reads |= {(kind.__name__, node.attr) for kind in KINDS if issubclass(kind, model)}
                elif model is schema.Columns and node.attr == "model_dump":  # columns are read role by role
                    self.reads |= {(model.__name__, role) for role in model.model_fields}
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        """`getattr(release, "for")`: a key that is a word of Python's."""
        if isinstance(node.func, ast.Name) and node.func.id == "getattr" and isinstance(node.args[1], ast.Constant):
            owners = [model for model in self.type_of(node.args[0]) if node.args[1].value in model.model_fields]
            self.reads |= {(model.__name__, str(node.args[1].value)) for model in owners}
        self.generic_visit(node)

    def annotated(self, annotation: ast.expr | None) -> Types:
        names = [n.id for n in ast.walk(annotation) if isinstance(n, ast.Name)] if annotation else []
        return frozenset().union(*(self.parts.get(name, NONE) for name in names))

    def bind(self, target: ast.expr, value: ast.expr) -> None:
        if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple) and len(target.elts) == len(value.elts):
            for one, other in zip(target.elts, value.elts, strict=True):
                self.bind(one, other)
        elif isinstance(target, ast.Name):
            self.scopes[-1][target.id] = self.type_of(value)
        elif isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name) and target.value.id == "self":
            self.own[target.attr] = self.type_of(value)

    def type_of(self, node: ast.expr) -> Types:
        if isinstance(node, ast.Name):
            known = next((scope[node.id] for scope in reversed(self.scopes) if scope.get(node.id)), NONE)
            return known or (PARTS["Recipe"] if node.id == "recipe" else NONE)
        if isinstance(node, ast.Attribute):
            if isinstance(node.value, ast.Name) and node.value.id == "self" and self.own.get(node.attr):
                return self.own[node.attr]
            owners = [model for model in self.type_of(node.value) if node.attr in model.model_fields]
            inner = frozenset().union(*(models_in(model.model_fields[node.attr].annotation) for model in owners))
            return inner or (PARTS["Recipe"] if node.attr == "recipe" else NONE)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "TypeVar":
            return frozenset().union(*(self.annotated(one.value) for one in node.keywords if one.arg == "bound"))
        return NONE


def reads(tree: ast.Module) -> Reads:
    reader = Reader()
    reader.visit(tree)
    return reader.reads


def keys() -> Reads:
    """Every (class, key) of the schema but the fixed word that tells the kinds apart (which the class itself tells)."""
    return {
        (name, key)
        for name, models in PARTS.items()
        for model in models
        for key, field in model.model_fields.items()
        if not any(issubclass(kind, model) and kind is not model for kind in KINDS)  # its keys are its heirs' keys
        and not (key == "kind" and len(get_args(field.annotation)) == 1)
    }


ONLY_REFUSES = ("conflicts", "why_not")
"""What a method says of a key there does nothing but refuse another."""


def answers(tree: ast.Module) -> Reads:
    """(class, key) for the keys of its own that a method looks at when it answers for itself."""
    found: Reads = set()
    for node in (one for one in tree.body if isinstance(one, ast.ClassDef)):
        heirs = [kind for model in PARTS.get(node.name, NONE) for kind in KINDS if issubclass(kind, model)]
        parts = [one for one in node.body if isinstance(one, ast.FunctionDef) and one.name not in ONLY_REFUSES]
        read = [
            inner.attr
            for one in parts
            for inner in ast.walk(one)
            if isinstance(inner, ast.Attribute) and isinstance(inner.value, ast.Name) and inner.value.id == "self"
        ]
        found |= {(kind.__name__, key) for kind in heirs for key in read if key in kind.model_fields}
    return found

"""Reads a file of ours and names every way past the gate (design.md section 2, "One gate").

Only mailer/models/ and mailer/access.py may reach tables without a scope. Everybody else asks the gate, which
hands out frozen values and single objects, so that a page cannot walk from one region into another. Words are
looked for in the whole text, comments too: a line that is commented out today is tried out tomorrow.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

ASK_THE_GATE = "ask mailer/access.py for it; if it has no such question yet, add one there"
USE_A_FORM = "use forms.Form with plain fields, and fill their choices from the gate"
PUT_SQL_IN_MODELS = "write a named function in mailer/models/ and call it from an action"

#: Words that may not even stand in a comment.
WORDS = {
    "unscoped": ASK_THE_GATE,
    "_default_manager": ASK_THE_GATE,
    "_base_manager": ASK_THE_GATE,
}
#: Names that may be neither imported nor used.
NAMES = {
    "get_object_or_404": ASK_THE_GATE,
    "get_list_or_404": ASK_THE_GATE,
    "aget_object_or_404": ASK_THE_GATE,
    "aget_list_or_404": ASK_THE_GATE,
    "get_model": ASK_THE_GATE,
    "get_models": ASK_THE_GATE,
    "ModelForm": USE_A_FORM,
    "ModelChoiceField": USE_A_FORM,
    "ModelMultipleChoiceField": USE_A_FORM,
    "modelform_factory": USE_A_FORM,
    "modelformset_factory": USE_A_FORM,
    "inlineformset_factory": USE_A_FORM,
    "RawSQL": PUT_SQL_IN_MODELS,
    "ListView": ASK_THE_GATE,
    "DetailView": ASK_THE_GATE,
    "CreateView": USE_A_FORM,
    "UpdateView": USE_A_FORM,
    "DeleteView": USE_A_FORM,
}
#: Methods that may not be called on anything.
CALLS = {"raw": PUT_SQL_IN_MODELS, "cursor": PUT_SQL_IN_MODELS, "extra": PUT_SQL_IN_MODELS}
#: What may be had from django.db: what speaks of a whole transaction, not of a table.
FROM_DJANGO_DB = frozenset(
    {"transaction", "close_old_connections", "DatabaseError", "IntegrityError", "OperationalError"}
)
#: Modules that go to the tables by themselves.
MODULES = {
    "django.contrib.admin": "the Django admin is not mounted: it goes straight to the tables",
    "django.core.serializers": "say in a function of mailer/reports.py what is handed out",
    "django.views.generic.list": ASK_THE_GATE,
    "django.views.generic.detail": ASK_THE_GATE,
    "django.views.generic.edit": USE_A_FORM,
    "django.forms.models": USE_A_FORM,
}


@dataclass(frozen=True, slots=True)
class Trespass:
    """A line that goes past the gate, and what to do instead."""

    line: int
    what: str
    instead: str

    def at(self, file: str) -> str:
        """The complaint as a person would follow it."""
        return f"{file}:{self.line}: {self.what} goes past the gate: {self.instead}."


def trespasses(source: str) -> list[Trespass]:
    """Every way past the gate in the source, by line."""
    nodes = list(ast.walk(ast.parse(source)))
    found = {*_words(source), *(each for node in nodes for each in (*_of_use(node), *_of_imports(node)))}
    return sorted(found, key=lambda each: (each.line, each.what))


def _words(source: str) -> Iterator[Trespass]:
    for number, line in enumerate(source.splitlines(), 1):
        for word, instead in WORDS.items():
            if re.search(rf"(?<![A-Za-z0-9]){word}(?![A-Za-z0-9])", line):
                yield Trespass(number, word, instead)


def _of_use(node: ast.AST) -> Iterator[Trespass]:
    match node:
        case ast.Attribute(attr="objects") if not _is_user(node.value):
            yield Trespass(node.lineno, ".objects", ASK_THE_GATE)
        case ast.Attribute(attr=name) | ast.Name(id=name) if name in NAMES:
            yield Trespass(node.lineno, name, NAMES[name])
        case ast.Call(func=ast.Attribute(attr=name)) if name in CALLS:
            yield Trespass(node.lineno, f".{name}(", CALLS[name])
        case ast.Call(func=ast.Name(id="getattr"), args=[_, ast.Constant(value=str(name)), *_]):
            if name in {"objects", *NAMES, *CALLS}:
                yield Trespass(node.lineno, f"getattr {name!r}", ASK_THE_GATE)
        case ast.Call(args=[ast.Constant(value=str(name)), *_]) if re.match(r"mailer\.models\b", name):
            yield Trespass(node.lineno, f"a late import of {name!r}", ASK_THE_GATE)


def _of_imports(node: ast.AST) -> Iterator[Trespass]:
    match node:
        case ast.Import(names=names):
            for alias in names:
                yield from _of_import(node.lineno, alias.name, None)
        case ast.ImportFrom(module=str(module), names=names):
            for alias in names:
                yield from _of_import(node.lineno, module, alias.name)


def _of_import(line: int, module: str, name: str | None) -> Iterator[Trespass]:
    whole = f"{module}.{name}" if name else module
    if name in NAMES:
        yield Trespass(line, name, NAMES[name])
    for banned, instead in MODULES.items():
        if whole == banned or whole.startswith(f"{banned}."):
            yield Trespass(line, banned, instead)
    in_db = whole == "django.db" or whole.startswith("django.db.")
    if in_db and not (module == "django.db" and name in FROM_DJANGO_DB):
        yield Trespass(line, whole, PUT_SQL_IN_MODELS)


def _is_user(node: ast.expr) -> bool:
    """User keeps `objects`, because sign-in libraries ask for it; users are no members' data."""
    return (isinstance(node, ast.Name) and node.id == "User") or (
        isinstance(node, ast.Attribute) and node.attr == "User"
    )

"""Nothing but the tables' own room and the gate reaches a table; every forbidden way is shown red once."""

from pathlib import Path

import pytest

from tests.house.gate import trespasses

PROJECT = Path(__file__).parent.parent.parent
PACKAGE = PROJECT / "mailer"
#: The benchmarks are a laboratory: they open databases of their own, and the raw peers beside ours.
INSIDE = ("models", "migrations", "bench")


def outside_the_gate() -> list[Path]:
    files = sorted(PACKAGE.rglob("*.py"))
    return [
        file for file in files if file.relative_to(PACKAGE).parts[0] not in INSIDE and file != PACKAGE / "access.py"
    ]


@pytest.mark.parametrize("file", outside_the_gate(), ids=lambda file: file.relative_to(PROJECT).as_posix())
def test_no_file_goes_past_the_gate(file: Path) -> None:
    found = trespasses(file.read_text(encoding="utf-8"))
    name = file.relative_to(PROJECT).as_posix()
    assert not found, "\n" + "\n".join(trespass.at(name) for trespass in found)


@pytest.mark.parametrize(
    ("source", "what"),
    [
        ("Member.unscoped.all()", "unscoped"),
        ("# Member.unscoped.all()", "unscoped"),
        ("'''Ask Member.unscoped.'''", "unscoped"),
        ("manager = 'unscoped'", "unscoped"),
        ("Member._default_manager.get(pk=1)", "_default_manager"),
        ("type(member)._base_manager.get(pk=1)", "_base_manager"),
        ("getattr(Member, '_base_manager')", "_base_manager"),
        ("Member.objects.get(pk=1)", ".objects"),
        ("models.Member.objects.all()", ".objects"),
        ("get_user_model().objects.all()", ".objects"),
        ("getattr(Member, 'objects')", "getattr 'objects'"),
        ("getattr(Member, 'raw', None)", "getattr 'raw'"),
        ("from django.shortcuts import get_object_or_404", "get_object_or_404"),
        ("from django.shortcuts import get_list_or_404 as find", "get_list_or_404"),
        ("shortcuts.get_object_or_404(Member, pk=1)", "get_object_or_404"),
        ("from django.forms import ModelForm", "ModelForm"),
        ("class Page(forms.ModelForm): pass", "ModelForm"),
        ("field = forms.ModelChoiceField(rows)", "ModelChoiceField"),
        ("field = forms.ModelMultipleChoiceField(rows)", "ModelMultipleChoiceField"),
        ("forms.modelform_factory(Member)", "modelform_factory"),
        ("import django.forms.models", "django.forms.models"),
        ("from django.apps import apps\napps.get_model('mailer', 'Member')", "get_model"),
        ("apps.get_models()", "get_models"),
        ("rows.raw('SELECT 1')", ".raw("),
        ("rows.extra(where=['1=1'])", ".extra("),
        ("link.cursor()", ".cursor("),
        ("from django.db import connection", "django.db.connection"),
        ("from django.db import connections, transaction", "django.db.connections"),
        ("from django.db import models", "django.db.models"),
        ("from django.db.models import Q", "django.db.models.Q"),
        ("from django.db.models.expressions import RawSQL", "RawSQL"),
        ("from django.db.transaction import get_connection", "django.db.transaction.get_connection"),
        ("import django.db", "django.db"),
        ("from django import db", "django.db"),
        ("from django.contrib import admin", "django.contrib.admin"),
        ("import django.contrib.admin.sites", "django.contrib.admin"),
        ("from django.contrib.admin import site", "django.contrib.admin"),
        ("from django.core import serializers", "django.core.serializers"),
        ("from django.views.generic.list import ListView", "django.views.generic.list"),
        ("from django.views.generic import ListView, DetailView", "ListView"),
        ("class Edit(generic.UpdateView): pass", "UpdateView"),
        ("importlib.import_module('mailer.models')", "a late import of 'mailer.models'"),
        ("import_string('mailer.models.member.Member')", "a late import of 'mailer.models.member.Member'"),
    ],
)
def test_each_way_past_the_gate_is_red(source: str, what: str) -> None:
    found = trespasses(source)
    assert what in [trespass.what for trespass in found]
    shown = found[0].at("mailer/web/page.py")
    assert shown.startswith(f"mailer/web/page.py:{found[0].line}: ")
    assert len(shown.split(": ")) >= 3, "the complaint says what to do"


@pytest.mark.parametrize(
    "source",
    [
        "User.objects.get(email=email)",
        "models.User.objects.filter(is_active=True)",
        "from django.db import IntegrityError, OperationalError, transaction",
        "from django.db import close_old_connections",
        "with transaction.atomic(): pass",
        "from django import forms",
        "from django.views.generic import TemplateView",
        "from mailer.access import members",
        "cursor = position\nraw = page.raw",
        "an_unscopedness = 1",
    ],
)
def test_what_is_allowed_is_green(source: str) -> None:
    assert trespasses(source) == []


def test_the_line_that_is_named_is_the_line() -> None:
    assert [trespass.line for trespass in trespasses("x = 1\n\n# unscoped\nMember.objects.all()\n")] == [3, 4]


def test_the_rooms_that_are_left_out_are_the_tables_the_gate_and_the_laboratory() -> None:
    left_out = {file.relative_to(PACKAGE).parts[0] for file in set(PACKAGE.rglob("*.py")) - set(outside_the_gate())}
    assert left_out == {"models", "migrations", "bench", "access.py"}

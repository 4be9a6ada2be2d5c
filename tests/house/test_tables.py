"""The side doors between tables are closed: no reverse relation leads past the gate."""

from django.apps import apps

from mailer.models.base import Table


def test_no_table_can_be_walked_backwards() -> None:
    open_doors = [
        f"{model.__name__}.{field.name}"
        for model in apps.get_app_config("mailer").get_models()
        for field in model._meta.get_fields()
        if field.is_relation and not field.auto_created and field.remote_field.related_name != "+"
    ]
    assert open_doors == [], 'give each of these related_name="+"'


def test_every_table_but_the_users_has_only_the_unscoped_manager() -> None:
    others = {
        model.__name__
        for model in apps.get_app_config("mailer").get_models()
        if not issubclass(model, Table) or [manager.name for manager in model._meta.managers] != ["unscoped"]
    }
    assert others == {"User"}

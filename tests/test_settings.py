"""What Django is told: the promises that pages, cookies and databases rest on."""

from dataclasses import replace

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client

from mailer.config.sections import Database
from mailer.settings import CONFIG, _database


def test_every_answer_is_strict_about_what_a_browser_may_do() -> None:
    answer = Client().get("/no-such-page", headers={"host": "news.example.org"}, secure=True)
    assert answer.status_code == 404
    policy = dict(part.split(" ", 1) for part in answer["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == policy["base-uri"] == policy["frame-ancestors"] == "'none'"
    assert set(policy.values()) == {"'none'", "'self'"}
    assert answer["Referrer-Policy"] == "no-referrer"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Strict-Transport-Security"].startswith("max-age=")
    assert not answer.cookies


def test_no_address_is_redirected_to_another_spelling() -> None:
    for path in ("/no-such-page", "/./no-such-page", "/no-such-page/"):
        assert Client().get(path, headers={"host": "news.example.org"}).status_code == 404


def test_a_host_that_is_not_ours_is_refused() -> None:
    assert Client().get("/", headers={"host": "elsewhere.example.net"}).status_code == 400


def test_django_itself_mails_nobody() -> None:
    assert settings.INSTALLED_APPS == ["mailer", "django.contrib.staticfiles"]
    assert CONFIG.site.production is False
    # The test runner puts its own outbox here; what the product says is in the module.
    from mailer import settings as own

    assert own.EMAIL_BACKEND == "django.core.mail.backends.dummy.EmailBackend"


@pytest.mark.django_db
def test_sqlite_is_used_as_a_server_would_use_it() -> None:
    if connection.vendor != "sqlite":
        assert connection.settings_dict["OPTIONS"]["application_name"] == "mailer"
        return
    with connection.cursor() as cursor:
        answers = {
            name: cursor.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }
    assert answers == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}
    assert connection.settings_dict["OPTIONS"]["transaction_mode"] == "IMMEDIATE"


def test_a_postgresql_address_becomes_a_connection_that_outlives_a_request() -> None:
    url = "postgresql://mailer:p%40ss@db.example.org:5433/news?sslmode=require"
    found = _database(replace(CONFIG, database=Database(url)))
    assert found == {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": "news",
        "USER": "mailer",
        "PASSWORD": "p@ss",
        "HOST": "db.example.org",
        "PORT": 5433,
        "CONN_MAX_AGE": 600,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {"application_name": "mailer", "connect_timeout": 3, "sslmode": "require"},
    }
    socket = _database(replace(CONFIG, database=Database("postgresql:///news?host=/run/postgresql")))
    assert (socket["HOST"], socket["PORT"], socket["USER"]) == ("/run/postgresql", "", "")

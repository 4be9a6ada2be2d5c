"""The whole address plan on one page. `tests/web/test_matrix.py` holds a row for every line."""

from django.conf import settings
from django.urls import URLPattern, URLResolver, include, path

from mailer.web import health, hooks, leaving

urlpatterns: list[URLPattern | URLResolver] = [
    path("", health.front, name="front"),
    path("health", health.health, name="health"),
    path("state", health.state_page, name="state"),
    # The address in test letters and examples (`House.example_leave_url`): it changes nothing (standards U16).
    path("u/example", leaving.example_page, name="example"),
    # The address in every letter: GET shows a button, POST leaves (RFC 8058).
    path("u/<str:token>", leaving.leave_page, name="leave"),
    path("back/<str:token>", leaving.undo_page, name="undo"),
]
# Only the provider that is configured is heard.
if settings.CONFIG.bounces.provider:
    urlpatterns.append(
        path(
            f"hooks/{settings.CONFIG.bounces.provider}",
            hooks.listener(settings.CONFIG.bounces.provider, settings.CONFIG.bounces.webhook_secret),
            name="hooks",
        )
    )
handler400 = "mailer.web.errors.bad_request"
handler403 = "mailer.web.errors.forbidden"
handler404 = "mailer.web.errors.not_found"
handler500 = "mailer.web.errors.broken"

if settings.DEMO:
    urlpatterns.append(path("demo/", include("mailer.demo.urls")))

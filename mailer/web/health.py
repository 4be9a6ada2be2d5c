"""Pages without data: what this place is; whether letters leave, for people and for machines (issue 3, "Control")."""

from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe

from mailer.actions.show_state import PublicState, public_state
from mailer.core.alarm import AlarmKind
from mailer.core.schedule import describe
from mailer.web.door import house, now, page, private


@require_safe
def front(request: HttpRequest) -> HttpResponse:
    """Whose site this is, and how to reach them."""
    return page(request, "front.html")


@require_safe
def health(request: HttpRequest) -> HttpResponse:  # noqa: ARG001
    """For whoever watches the machine: 200 while nothing needs a person, else 503 and the kinds of alarm."""
    state = _state()
    kinds = [AlarmKind.DATABASE_AWAY] if state is None else list(state.kinds)
    return private(JsonResponse({"ok": not kinds, "alarms": kinds}, status=503 if kinds else 200))


@require_safe
def state_page(request: HttpRequest) -> HttpResponse:
    """For people: does sending work, and since when does it not."""
    state = _state()
    since = state.stopped_since if state else None
    context = {
        "works": state is not None and state.works,
        "since": describe(since, house().config.organisation.time_zone) if since else "",
        "needs_a_person": state is None or bool(state.kinds),
    }
    return page(request, "state.html", context)


def _state() -> PublicState | None:
    """None: the database does not answer."""
    try:
        return public_state(house(), now())
    except DatabaseError:
        return None

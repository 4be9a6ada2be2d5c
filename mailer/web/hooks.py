"""Where a mail provider tells what became of letters: one address, for the one provider that is configured (B3, U9).

Anymail knows what each provider sends and how it proves who it is: by a password in the address, or by a signature. No
cookie and no form of ours is concerned, so there is no CSRF check. Whatever a stranger sends that cannot be read is
answered with 400; 500 stays for what goes wrong on our side, and makes the provider come again.
"""

import logging
from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils.module_loading import import_string
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from mailer.actions.hear_provider import act_on_event
from mailer.core.configkind import Provider
from mailer.core.providerevent import ProviderEvent
from mailer.web.door import draw_handle, house, now, private
from mailer.web.errors import bad_request

_LOG = logging.getLogger("mailer.web")
#: The name in the webhook's address, before the password.
USER = "mailer"
_VIEWS = {
    Provider.BREVO: "anymail.webhooks.brevo.BrevoTrackingWebhookView",
    Provider.MAILGUN: "anymail.webhooks.mailgun.MailgunTrackingWebhookView",
    Provider.MAILJET: "anymail.webhooks.mailjet.MailjetTrackingWebhookView",
    Provider.POSTMARK: "anymail.webhooks.postmark.PostmarkTrackingWebhookView",
    Provider.RESEND: "anymail.webhooks.resend.ResendTrackingWebhookView",
}


def listener(provider: Provider, secret: str) -> Callable[[HttpRequest], HttpResponse]:
    """The page that hears this provider; one who does not know the secret is not heard."""
    reader = import_string(_VIEWS[provider])
    proof = {"webhook_signing_key": secret} if provider is Provider.MAILGUN else {"webhook_secret": f"{USER}:{secret}"}

    @csrf_exempt
    @require_http_methods(["HEAD", "POST"])
    def hear(request: HttpRequest) -> HttpResponse:
        if request.method == "HEAD":  # some ask so whether the address is there
            return private(HttpResponse())
        try:
            events = _read(reader(**proof), request)
        except Exception as error:  # noqa: BLE001 - what a stranger's octets make anymail raise has no end
            _LOG.warning("a webhook of %s was not understood: %s", provider, type(error).__name__)
            return bad_request(request)
        for event in events:
            act_on_event(house(), _told(provider, event), now(), draw_handle)
        return private(HttpResponse())

    return hear


def _read(view: Any, request: HttpRequest) -> list[Any]:
    view.run_validators(request)
    return list(view.parse_events(request))


def _told(provider: Provider, event: Any) -> ProviderEvent:
    return ProviderEvent(
        provider,
        event.event_type,
        recipient=event.recipient if isinstance(event.recipient, str) else "",
        event_id=str(event.event_id or ""),
        payload=event.esp_event,
    )

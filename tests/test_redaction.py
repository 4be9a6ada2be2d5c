"""No token reaches a log, whoever writes it and whether in a message, an argument or a traceback."""

import io
import logging
import logging.config

import pytest
from django.conf import settings

from mailer.core.token import MARKER, Keyring, Purpose
from mailer.redaction import RedactTokens

TOKEN = Keyring({0: b"k" * 32}).sign(Purpose.LEAVE, 77)


@pytest.fixture
def log() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def logger(log: io.StringIO) -> logging.Logger:
    handler = logging.StreamHandler(log)
    handler.addFilter(RedactTokens())
    logger = logging.Logger("somebody.else")
    logger.addHandler(handler)
    return logger


def test_a_token_is_redacted_in_message_and_arguments(logger: logging.Logger, log: io.StringIO) -> None:
    logger.warning(f"GET /u/{TOKEN}")
    logger.warning("GET /u/%s from %s", TOKEN, "127.0.0.1")
    assert log.getvalue() == f"GET /u/{MARKER}\nGET /u/{MARKER} from 127.0.0.1\n"


def test_a_token_is_redacted_in_a_traceback(logger: logging.Logger, log: io.StringIO) -> None:
    try:
        _ = {}[TOKEN]
    except LookupError:
        logger.exception("failed")
    assert TOKEN not in log.getvalue()
    assert f"KeyError: '{MARKER}'" in log.getvalue()


def test_what_holds_no_token_is_logged_as_it_is(logger: logging.Logger, log: io.StringIO) -> None:
    logger.info("100%% of %d", 3)
    assert log.getvalue() == "100% of 3\n"


def test_every_handler_of_the_site_has_the_filter_and_no_logger_goes_past_it() -> None:
    assert all("redact" in handler["filters"] for handler in settings.LOGGING["handlers"].values())
    for logger in settings.LOGGING["loggers"].values():
        assert logger["handlers"] == []
        assert logger["propagate"]

"""No token in any log: whoever holds one can leave in somebody's name (standards U10).

The filter sits on the handler, so that every logger's records pass it, those of libraries too.
"""

import logging

_FORMATTER = logging.Formatter()


class RedactTokens(logging.Filter):
    """Replaces tokens in the message of a record and in its traceback; it never drops a record."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Redact what a handler will print."""
        # Looked up late: logging is configured before anything else of ours is imported.
        from mailer.core.token import redact  # noqa: PLC0415

        record.msg, record.args = redact(record.getMessage()), ()
        if record.exc_info and not record.exc_text:
            record.exc_text = _FORMATTER.formatException(record.exc_info)
        if record.exc_text:
            record.exc_text = redact(record.exc_text)
        return True

"""The family of refusals: every one says in plain words what is wrong and what to do."""


class MailerError(Exception):
    """A refusal with a reason for a person; commands end with status 1 and print it."""

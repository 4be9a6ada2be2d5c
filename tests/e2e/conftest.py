"""The office of the stories, for tests of whole processes."""

from tests.actions.conftest import office

__all__ = ("office",)

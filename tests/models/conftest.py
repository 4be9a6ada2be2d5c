"""The office of the stories, for tests that need rows as a sending makes them."""

from tests.actions.conftest import office

__all__ = ("office",)

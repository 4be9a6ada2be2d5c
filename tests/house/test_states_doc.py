"""docs/states.md says what the tables say."""

from tests.states_doc import DOCUMENT, document


def test_the_page_of_states_is_made_from_the_tables() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == document(), "run: .venv/bin/python -m tests.states_doc"

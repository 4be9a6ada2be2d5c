"""An issue: one piece of writing for one list, and the states it goes through (design.md section 4)."""

from enum import StrEnum

from mailer.core.states import Machine, Transition


class IssueState(StrEnum):
    """Where a piece of writing stands."""

    DRAFT = "draft"
    SUBMITTED = "submitted"
    APPROVED = "approved"
    ARCHIVED = "archived"


_S = IssueState

ISSUE = Machine(
    "issue",
    (_S.DRAFT,),
    (
        Transition(_S.DRAFT, _S.SUBMITTED, "its writer asks for approval"),
        Transition(_S.DRAFT, _S.APPROVED, "the list asks for no approval, or the approver wrote it"),
        Transition(_S.SUBMITTED, _S.APPROVED, "somebody entitled approves this revision and this audience"),
        Transition(_S.SUBMITTED, _S.DRAFT, "it is sent back, or edited"),
        Transition(_S.APPROVED, _S.DRAFT, "any edit voids the approval"),
        Transition(_S.APPROVED, _S.ARCHIVED, "all its mailings are done"),
    ),
)

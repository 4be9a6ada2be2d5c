"""`mailer members`: the secretary's file comes in, one member is looked at, a consent is proved."""

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from mailer.actions.import_members import Imported, import_members
from mailer.actions.prove_consent import prove
from mailer.actions.show_member import card
from mailer.commands.desk import Desk
from mailer.commands.shell import draw_handle, draw_subject
from mailer.core.changeset import Changed, FieldChange, New, Undecided
from mailer.core.membermatch import IN_WORDS

_WITHHELD = {
    "left": "they left after it was given",
    "suppressed": "they asked us to write no more, or to be forgotten",
}


def import_file(desk: Desk, *, file: Path, dry_run: bool) -> None:
    """Read a file and do what it says, or show what that would be."""
    with desk.progress("Writing members") as progress:
        done = import_members(
            desk.actor,
            desk.house,
            file.read_bytes(),
            now=desk.now,
            draw=draw_handle,
            draw_subject=draw_subject,
            dry_run=dry_run,
            progress=progress,
        )
    view = _View(desk, done)
    if dry_run:
        view.show_changes()
    view.show_what_waits()
    view.sum_up(dry_run=dry_run)
    desk.answer({"file": str(file), "dry_run": dry_run, **view.to_json()})


class _View:
    """One import, as tables and as JSON."""

    def __init__(self, desk: Desk, done: Imported) -> None:
        self._desk = desk
        self._file, self._changes = done.file, done.changes
        self._complaints = sorted((*done.file.complaints, *done.changes.complaints), key=lambda each: each.line)
        self._regions = {number: region.slug for number, region in desk.house.library.regions.by_number.items()}

    def show_changes(self) -> None:
        """Every change, field by field."""
        rows = [
            *(row for new in self._changes.new for row in self._new_rows(new)),
            *(row for changed in self._changes.changed for row in self._changed_rows(changed)),
        ]
        self._desk.table("What would change", ("#line", "who", "what", "before", "after"), rows)

    def show_what_waits(self) -> None:
        """All that a person has to look at, by line of the file."""
        desk, changes = self._desk, self._changes
        desk.table(
            "To mend in the file",
            ("#line", "column", "what", "what to do"),
            [(c.line, c.column, c.what, c.todo) for c in self._complaints],
        )
        desk.table(
            "Waiting for you to decide",
            ("#line", "who", "about", "what", "what to do"),
            [(u.row.line, u.row.name or u.row.number or "", self._stream(u.stream), *IN_WORDS[u.doubt])
             for u in changes.undecided],
        )  # fmt: skip
        desk.table(
            "Consents that count for nothing",
            ("#line", "who", "about", "why"),
            [(w.row.line, w.row.name or w.row.number or "", self._stream(w.stream), _WITHHELD[w.reason])
             for w in changes.withheld],
        )  # fmt: skip
        if self._file.unknown_columns:
            desk.say(f"Columns nobody knows, whose cells were not used: {', '.join(self._file.unknown_columns)}")

    def sum_up(self, *, dry_run: bool) -> None:
        """The counts."""
        counts, may = self._counts(), "would be " if dry_run else ""
        self._desk.say(
            f"{len(self._file.rows)} rows ({self._file.encoding}): {counts['new']} {may}new, {counts['changed']}"
            f" {may}changed, {counts['unchanged']} unchanged, {len(self._changes.undecided)} undecided,"
            f" {len(self._changes.withheld)} consents withheld, {len(self._complaints)} complaints."
        )
        if dry_run:
            self._desk.say("Nothing was written.")

    def to_json(self) -> dict[str, object]:
        """The documented shape, without file and dry_run."""
        changes = self._changes
        return {
            "encoding": self._file.encoding,
            "rows": len(self._file.rows),
            **self._counts(),
            "undecided": [_undecided(each, self._stream(each.stream)) for each in changes.undecided],
            "withheld": [
                {"line": each.row.line, "stream": self._stream(each.stream), "reason": each.reason}
                for each in changes.withheld
            ],
            "complaints": [asdict(each) for each in self._complaints],
            "unknown_columns": list(self._file.unknown_columns),
            "changes": [
                dict(zip(("line", "who", "what", "before", "after"), row, strict=True))
                for each in changes.changed
                for row in self._changed_rows(each)
            ],
        }

    def _counts(self) -> dict[str, int]:
        changes = self._changes
        return {"new": len(changes.new), "changed": len(changes.changed), "unchanged": len(changes.unchanged)}

    def _new_rows(self, new: New) -> Iterable[tuple[object, ...]]:
        row = new.row
        who = row.name or ""
        yield row.line, who, "new", "", new.standing
        facts = (
            ("number", row.number),
            ("e-mail", row.address.text if row.address else None),
            ("regions", row.regions),
            ("telephone", row.telephone),
            ("postal address", row.postal_address),
            ("language", row.language),
        )
        yield from ((row.line, who, name, "", self._shown(value)) for name, value in facts if value)
        yield from ((row.line, who, self._stream(c.stream), "", f"consent of {c.given}") for c in new.consents)
        yield from ((row.line, who, self._stream(d.stream), "", f"left on {d.on}") for d in new.departures)

    def _changed_rows(self, changed: Changed) -> Iterable[tuple[object, ...]]:
        line, who = changed.row.line, changed.member.name
        yield from ((line, who, *self._field(change)) for change in changed.fields)
        yield from ((line, who, self._stream(c.stream), "", f"consent of {c.given}") for c in changed.consents)
        yield from ((line, who, self._stream(d.stream), "", f"left on {d.on}") for d in changed.departures)

    def _field(self, change: FieldChange) -> tuple[str, str, str]:
        return change.column.value, self._shown(change.before), self._shown(change.after)

    def _shown(self, value: object) -> str:
        if isinstance(value, frozenset):
            return ", ".join(sorted(self._regions.get(number, str(number)) for number in value))
        return "" if value is None else str(value)

    def _stream(self, number: int | None) -> str:
        stream = self._desk.house.library.streams.get(number or 0)
        return stream.title if stream else ""


def _undecided(each: Undecided, stream: str) -> dict[str, object]:
    what, todo = IN_WORDS[each.doubt]
    return {
        "line": each.row.line,
        "doubt": each.doubt,
        "what": what,
        "todo": todo,
        "member": each.member,
        "stream": stream or None,
    }


def show(desk: Desk, *, who: str) -> None:
    """One member, as far as the actor may see."""
    found = card(desk.actor, desk.house, who, desk.now)
    facts = (
        ("number", found.number or ""),
        ("name", found.name),
        ("e-mail", found.email or "none: gets printed letters"),
        ("standing", found.standing),
        ("regions", ", ".join(found.regions)),
        ("telephone", found.telephone),
        ("postal address", found.postal_address),
        ("language", found.language),
        ("since", found.since.date()),
        ("must not be written to", found.suppressed),
        ("mailbox", found.undeliverable),
    )
    desk.table("", ("what", "is"), [fact for fact in facts if fact[1]])
    desk.table("", ("list", "state", "since"), [(s.title, s.state, s.since.date()) for s in found.streams])
    desk.answer(asdict(found))


def proof(desk: Desk, *, who: str) -> int:
    """What a regulator, or the person, may ask for; status 1 if a line no longer proves what it says."""
    found = prove(desk.actor, desk.house, who, desk.now)
    desk.say(f"{found.member}: {len(found.lines)} lines in the consent ledger, as {found.subject}")
    for line in found.lines:
        desk.say(f"\n{line.number}. {line.kind.upper()} {line.title}, {line.at:%Y-%m-%d %H:%M} UTC, by {line.channel}")
        desk.say(f"   entered {line.recorded_at:%Y-%m-%d %H:%M} UTC by {line.entered_by}")
        desk.say(f"   Article {line.article9}, PECR: {line.pecr}")
        if line.wording is not None:
            desk.say(f"   wording {line.wording_version} of {line.controller}: {line.wording}")
        if line.kind != "withdrawn":
            desk.say(f"   evidence: {line.evidence if line.evidence is not None else '(erased)'}: {line.evidence_says}")
        desk.say(f"   in the sealed chain: {'yes' if line.sealed else 'not yet sealed'}")
    desk.say(f"\n{found.chain_says}")
    desk.answer(asdict(found))
    return 0 if found.holds else 1

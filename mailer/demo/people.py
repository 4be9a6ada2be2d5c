"""The demo's people: two hundred invented members, as the file that `mailer members import` would get, and
who is who.

The same seed casts the same people. A role is what makes a person worth watching; everyone else consented to
the newsletter, most of them to local notices too, and simply gets their letters.
"""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from enum import StrEnum
from itertools import chain
from random import Random

from mailer.demo.names import DOMAINS, FAMILY, GIVEN, PLACES, STREET_KINDS, STREETS, spelt
from mailer.demo.server import Behaviour

MEMBERS = 200
NEWSLETTER = "chairs-newsletter"
NOTICES = "local-notices"
#: Who sees everything, and whose eyes the pages borrow.
CHAIR = "anne@example.org"


class Role(StrEnum):
    """What makes a person worth watching."""

    LEAVES = "leaves half-way, by the link"
    ODD_NAME = "has a name that software stumbles over"
    NO_CONSENT = "never consented"
    NO_EVIDENCE = "is said to have consented, without evidence"
    LEFT_EARLIER = "left the newsletter earlier"
    LEFT_NOTICES = "left the local notices earlier"
    HOUSEHOLD = "shares a mailbox"
    NO_EMAIL = "has no e-mail"
    CLAIMED = "says they are a member; nobody has confirmed it"
    TWO_REGIONS = "belongs to two regions"
    BEHAVES = "has a mailbox with a will of its own"


#: How many of each; LEAVES and ODD_NAME are named below.
_HOW_MANY: Mapping[Role, int] = {
    Role.NO_CONSENT: 14,
    Role.NO_EVIDENCE: 4,
    Role.LEFT_EARLIER: 8,
    Role.LEFT_NOTICES: 5,
    Role.NO_EMAIL: 10,
    Role.CLAIMED: 3,
    Role.TWO_REGIONS: 4,
}
#: Nobody's server defers for ever: the story would not end.
_BEHAVIOURS: Mapping[Behaviour, int] = {
    Behaviour.REFUSE: 3,
    Behaviour.REFUSE_FULL: 2,
    Behaviour.DEFER: 3,
    Behaviour.BOUNCE_LATER: 3,
    Behaviour.DELAY: 1,
    Behaviour.AWAY: 2,
    Behaviour.COMPLAIN: 1,
}
_HOUSEHOLDS = (2, 2, 2, 2, 2, 2, 3, 3)

_LEAVER = "Róisín D'Arcy"
#: Where she lives: inside the region that the local notice is for.
_LEAVERS_REGION = "norfolk"
#: Accents, apostrophes, other alphabets, right to left, a comma, and marks that a template must not obey.
_ODD_NAMES: Mapping[str, str] = {
    "Zoë Ångström-Hughes": "zoe.ah",
    "Seán Ó Súilleabháin": "sean.o.s",
    "Siân ap Rhys": "sian.rhys",
    "Łucja Żółkiewska": "lucja.z",
    "Nguyễn Thị Bảo Trân": "baotran",
    "Σοφία Παπαδάκη": "sofia.p",
    "Оксана Шевчук": "oksana.sh",
    "مريم الحسيني": "maryam.h",
    "דוד כהן": "david.k",
    "陳美玲": "meiling.chan",
    "Thomas Ashby, the younger": "tom.ashby",
    "Max {{ member.name }} Braceworth": "max.b",
    "Ada <b>Bold</b> {% raw %}": "ada.bold",
    "=SUM(A1) Sumner": "sumner",
}


@dataclass(frozen=True, slots=True)
class Given:
    """A consent, or a departure from it."""

    on: date
    channel: str
    evidence: str
    left: date | None = None


@dataclass(frozen=True, slots=True)
class Person:
    """One of the cast, as the file has them; `consents` by list slug, `roles` are why they are here."""

    number: str
    name: str
    address: str
    standing: str
    regions: tuple[str, ...]
    telephone: str
    postal_address: str
    language: str = "en"
    consents: Mapping[str, Given] = field(default_factory=dict)
    roles: frozenset[Role] = frozenset()


@dataclass(frozen=True, slots=True)
class Cast:
    """The people, in the order of the file, and what the demo's mail server does with letters to some of
    them."""

    people: tuple[Person, ...]
    behaviours: Mapping[str, Behaviour]

    @property
    def leaver(self) -> Person:
        """The one who leaves while the newsletter runs."""
        return self.playing(Role.LEAVES)[0]

    @property
    def households(self) -> tuple[tuple[Person, ...], ...]:
        """Those who share a mailbox, together."""
        by_address: dict[str, list[Person]] = {}
        for person in self.playing(Role.HOUSEHOLD):
            by_address.setdefault(person.address, []).append(person)
        return tuple(map(tuple, by_address.values()))

    @property
    def csv(self) -> str:
        """The file that the secretary would import."""
        out = io.StringIO(newline="")
        writer = csv.writer(out)
        writer.writerow(_HEADER)
        writer.writerows(map(_cells, self.people))
        return out.getvalue()

    def playing(self, role: Role) -> tuple[Person, ...]:
        """The people with a role."""
        return tuple(person for person in self.people if role in person.roles)


def cast(random: Random, today: date) -> Cast:
    """Cast the people; `today` is the day of the demo, before which everyone consented."""
    people = list(_everyone(random, today))
    # Each special person has one role, so that what happens to them has one reason.
    free = [place for place, person in enumerate(people) if not person.roles]
    random.shuffle(free)
    for role, how_many in _HOW_MANY.items():
        for place in (free.pop() for _ in range(how_many)):
            people[place] = _play(role, people[place], today)
    for size in _HOUSEHOLDS:
        places = [free.pop() for _ in range(size)]
        for place, person in zip(places, _household([people[place] for place in places]), strict=True):
            people[place] = person
    behaviours: dict[str, Behaviour] = {}
    for behaviour in chain.from_iterable([kind] * how_many for kind, how_many in _BEHAVIOURS.items()):
        place = free.pop()
        people[place] = replace(people[place], roles=frozenset({Role.BEHAVES}))
        behaviours[people[place].address] = behaviour
    return Cast(tuple(people), behaviours)


def _everyone(random: Random, today: date) -> Iterator[Person]:
    """The people before they get their roles; those whose names matter have them already."""
    named = {_LEAVER: "roisin", **_ODD_NAMES}
    names = random.sample([f"{given} {family}" for given in GIVEN for family in FAMILY], MEMBERS - len(named))
    crowd = [*named, *names]
    random.shuffle(crowd)
    regions = random.choices(PLACES, weights=[weight for _, weight, _, _ in PLACES], k=MEMBERS)
    home = next(place for place in PLACES if place[0] == _LEAVERS_REGION)
    for index, (name, place) in enumerate(zip(crowd, regions, strict=True)):
        region, _, towns, dialling = home if name == _LEAVER else place
        role = Role.LEAVES if name == _LEAVER else Role.ODD_NAME
        both = name in named or random.random() < 0.75
        yield Person(
            number=str(1001 + index),
            name=name,
            address=f"{named.get(name) or spelt(name)}@{random.choice(DOMAINS)}",
            standing="member" if random.random() < 0.8 else "supporter",
            regions=(region,),
            telephone=f"{dialling}{random.randrange(1000):03}",
            postal_address=_postal_address(random, towns),
            language=random.choices(("en", "cy"), weights=(97, 3))[0],
            consents={slug: _consent(random, slug, today) for slug in (NEWSLETTER, *([NOTICES] * both))},
            roles=frozenset({role}) if name in named else frozenset(),
        )


def _postal_address(random: Random, towns: Sequence[str]) -> str:
    street = f"{random.choice(STREETS)} {random.choice(STREET_KINDS)}"
    return f"{random.randint(1, 140)} {street}\n{random.choice(towns)}"


def _consent(random: Random, slug: str, today: date) -> Given:
    on = today - timedelta(days=random.randint(40, 900))
    channel, evidence = random.choice(
        (
            ("paper form", f"form {random.randint(100, 999)}, folder {on.year}"),
            ("web form", f"confirmed by click, entry {random.randint(10_000, 99_999)}"),
            (
                "event",
                f"sheet {random.randint(1, 12)} of the {'annual' if slug == NEWSLETTER else 'local'} meeting",
            ),
            ("telephone", f"asked for it by telephone, call noted by Sima on {on:%d/%m/%Y}"),
        )
    )
    return Given(on, channel, evidence)


def _play(role: Role, person: Person, today: date) -> Person:
    """The person in a role."""
    consents, news = person.consents, person.consents[NEWSLETTER]
    left = today - timedelta(days=30)
    if role is Role.NO_CONSENT:
        consents = {}
    elif role is Role.NO_EVIDENCE:
        consents = {slug: replace(given, evidence="") for slug, given in consents.items()}
    elif role is Role.LEFT_EARLIER:
        consents = {**consents, NEWSLETTER: replace(news, left=left)}
    elif role is Role.LEFT_NOTICES:
        consents = {**consents, NOTICES: replace(consents.get(NOTICES, news), left=left)}
    second = "norfolk" if "london" in person.regions else "london"
    return replace(
        person,
        address="" if role is Role.NO_EMAIL else person.address,
        standing="claimed" if role is Role.CLAIMED else person.standing,
        regions=(*person.regions, second) if role is Role.TWO_REGIONS else person.regions,
        consents=consents,
        roles=frozenset({role}),
    )


def _household(people: Sequence[Person]) -> Iterator[Person]:
    """People under one roof: one family name, one mailbox, one door; what each consented to stays their
    own."""
    first = people[0]
    family = first.name.rpartition(" ")[2]
    names: set[str] = set()
    for person in people:
        name = f"{person.name.partition(' ')[0]} {family}"
        # Two of one first name keep their own family names: nobody could tell them apart at one mailbox.
        name = person.name if name in names else name
        names.add(name)
        yield replace(
            person,
            name=name,
            address=f"{spelt(family)}s.at.{first.postal_address.partition(' ')[0]}@{DOMAINS[0]}",
            regions=first.regions,
            telephone=first.telephone,
            postal_address=first.postal_address,
            language=first.language,
            roles=frozenset({Role.HOUSEHOLD}),
        )


_HEADER = (
    "number",
    "name",
    "e-mail",
    "standing",
    "regions",
    "telephone",
    "postal address",
    "language",
    *(
        f"{slug} {part}"
        for slug in (NEWSLETTER, NOTICES)
        for part in ("consent date", "consent channel", "consent wording", "consent evidence", "left date")
    ),
)


def _cells(person: Person) -> Iterator[str]:
    yield from (person.number, person.name, person.address, person.standing, "; ".join(person.regions))
    yield from (person.telephone, person.postal_address, person.language)
    for slug in (NEWSLETTER, NOTICES):
        if given := person.consents.get(slug):
            left = given.left.isoformat() if given.left else ""
            yield from (given.on.isoformat(), given.channel, "1", given.evidence, left)
        else:
            yield from ("", "", "", "", "")

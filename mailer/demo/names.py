"""What the demo's people are made of: names as they are heard in Britain, streets, towns, and how letters are
spelt.

All invented: names are joined by chance, streets and house numbers do not match, telephone numbers are from
the ranges that Ofcom keeps free for drama.
"""

import unicodedata
from collections.abc import Mapping


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


GIVEN = _words("""
    Abena Adaeze Agnieszka Aisha Alasdair Alice Amara Anjali Arthur Ayodele Beatriz Bronwen Callum Carys
    Chidi Chloé Claire Craig Daisy Deepak Delroy Derek Dilys Dominika Eilidh Elif Emeka Esther Fatima
    Femi Fergus Fiona Gareth Gita Gwen Hamish Harpreet Hassan Hüseyin Imani Imran Ines Ioana Isla Jacek
    Jamila Joan João Joyce Kamal Kateryna Keira Keith Kofi Kwame Leila Lorna Lubna Magda Malcolm
    Małgorzata Marcus Marlon Maureen Megan Mehmet Mei Mohammed Nadia Nasreen Ngozi Niamh Nikhil Olwen
    Oscar Padraig Parveen Pearl Piotr Priya Rhiannon Rohan Rosa Ruby Sadia Sanjay Saoirse Shanice Sheila
    Siobhán Sunita Tariq Thandiwe Theo Tobias Tomasz Una Usha Victor Wanda Winston Yasmin Yewande Yusuf
    Zainab Zofia
""")

FAMILY = _words("""
    Abdi Achebe Adeyemi Ahmed Akhtar Allsop Appiah Ashworth Bailey Balogun Banerjee Barlow Begum Bielak
    Boateng Braithwaite Campbell Castro Chaudhry Chowdhury Clarke Coleman Costa Cruickshank Dąbrowski
    Dauda Desai Dhillon Donnelly Edwards Eze Farooq Ferreira Fitzgerald Forsyth Fraser Gallagher Gill
    Grant Greenhalgh Haque Hargreaves Hewitt Hughes Hussain Iyer Jabłoński Jenkins Joshi Kaczmarek
    Kapoor Kaur Kelly Khatun Kowalczyk Kumar Lam Lloyd MacLeod Malik Mazur McAllister McKenzie Mensah
    Mistry Morgan Moyo Müller Nair Ndlovu Nowak Obi Ogden O'Brien Okafor Olsen Osei Özdemir Parry Patel
    Pereira Pickles Popescu Price Rahman Ramsbottom Reddy Rees Robson Santos Sesay Sharma Shaw Siddiqui
    Sokołowska Stainthorpe Sutcliffe Szabó Thapa Thistlewood Tran Uddin Verma Walcott Walsh Wiśniewska
    Wójcik Wong Yildiz Zaman
""")

STREETS = _words("""
    Almond Barley Canal Chapel Cobbler's Cooper Copper Dovecote Factory Ferry Foundry Granary Hazel Kiln
    Lantern Linen Malthouse Market Mill Orchard Quarry Ropewalk Saddler's Station Tanner's Terrace
    Viaduct Weaver's
""")

STREET_KINDS = ("Street", "Road", "Lane", "Close", "Row", "Gardens")

#: Region, how many of a hundred live there, towns, and the drama range of its telephone numbers.
PLACES: tuple[tuple[str, int, tuple[str, ...], str], ...] = (
    ("london", 28, ("Walthamstow", "Peckham", "Brent", "Lewisham", "Hackney", "Ealing"), "020 7946 0"),
    ("norfolk", 7, ("Norwich", "Great Yarmouth", "Thetford"), "01632 960"),
    ("suffolk", 5, ("Ipswich", "Lowestoft"), "01632 960"),
    ("essex", 7, ("Chelmsford", "Colchester", "Harlow"), "01632 960"),
    ("cambridgeshire", 7, ("Cambridge", "Peterborough", "Ely"), "01632 960"),
    ("east-of-england", 2, ("Luton", "Stevenage"), "01632 960"),
    ("west-midlands", 17, ("Birmingham", "Coventry", "Wolverhampton", "Walsall"), "0121 496 0"),
    ("north-west", 16, ("Manchester", "Oldham", "Preston", "Bootle", "Rochdale"), "0161 496 0"),
    ("north-east", 11, ("Gateshead", "Sunderland", "Middlesbrough", "Durham"), "0191 498 0"),
)

DOMAINS = ("example.org", "example.net", "example.com")

#: Letters that do not come apart into a plain letter and a mark.
_SPELT: Mapping[int, str] = str.maketrans(
    {"ł": "l", "ø": "o", "ß": "ss", "æ": "ae", "ð": "d", "þ": "th", "\u0131": "i"}
)


def spelt(name: str) -> str:
    """A name as people spell it in an address: plain lower-case letters, dots between words."""
    letters = unicodedata.normalize("NFKD", name.lower().translate(_SPELT))
    kept = "".join(c for c in letters if (c.isascii() and c.isalnum()) or c in " -")
    return ".".join(kept.replace("-", " ").split())

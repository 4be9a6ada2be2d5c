"""Whose a mail domain is, as far as its name tells (standards D7, F19; RFC 7489 section 3.2).

The public suffix list is large and changes weekly; these rules serve a warning to the person who writes
config.toml, not a decision about a letter, so a short table does.
"""

#: Second-level labels under which a country's registry sells names: the organisation is the label before.
_SHARED_SECOND_LEVEL = frozenset({"ac", "co", "com", "gov", "ltd", "me", "net", "nhs", "org", "plc", "police", "sch"})

_PROVIDERS = """
    aim.com aol.com blueyonder.co.uk btinternet.com btopenworld.com email.com fastmail.com fastmail.fm
    freenet.de gmail.com googlemail.com hey.com icloud.com inbox.com laposte.net libero.it live.co.uk live.com
    mac.com mail.com mail.ru mailbox.org me.com msn.com ntlworld.com orange.fr outlook.com pm.me posteo.de
    posteo.net proton.me protonmail.com qq.com rediffmail.com rocketmail.com sky.com t-online.de talk21.com
    talktalk.net tiscali.co.uk tuta.com tutanota.com virgin.net virginmedia.com wanadoo.fr web.de ymail.com
    zoho.com zohomail.eu
"""
#: Where anyone may have an address: these domains ask others to refuse what they did not send.
_FREEMAIL = frozenset(_PROVIDERS.split())
#: The same under whatever country: yahoo.co.uk, gmx.net, hotmail.fr.
_FREEMAIL_BRANDS = frozenset({"gmx", "hotmail", "yahoo", "yandex"})


def organisational(domain: str) -> str:
    """The part of the name that one organisation registered: `example.org.uk` of `news.example.org.uk`."""
    labels = domain.lower().rstrip(".").split(".")
    shared = len(labels) > 2 and len(labels[-1]) == 2 and labels[-2] in _SHARED_SECOND_LEVEL
    return ".".join(labels[-3 if shared else -2 :])


def same_organisation(one: str, other: str) -> bool:
    """Do both belong together, as DMARC's relaxed alignment asks?"""
    return organisational(one) == organisational(other)


def is_freemail(domain: str) -> bool:
    """Is it a provider's domain, in which nobody but the provider may send?"""
    base = organisational(domain)
    return base in _FREEMAIL or base.split(".")[0] in _FREEMAIL_BRANDS

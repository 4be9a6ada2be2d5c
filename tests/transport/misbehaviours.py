"""The named ways in which a mail server misbehaves; docs/adding-a-misbehaviour.md says how to add one."""

from dataclasses import replace

from mailer.core.reply import Step
from tests.transport.deeds import Deed, Misbehaviour, Moment, Then, reply


def _at(step: Step, deed: Deed) -> Misbehaviour:
    return lambda moment, proper: deed if moment.step is step else proper


def only_at(step: Step, misbehaviour: Misbehaviour) -> Misbehaviour:
    """Keeps another misbehaviour to one step."""
    return lambda moment, proper: misbehaviour(moment, proper) if moment.step is step else proper


def once(misbehaviour: Misbehaviour) -> Misbehaviour:
    """Keeps another misbehaviour to the first time that its step is reached."""
    return lambda moment, proper: misbehaviour(moment, proper) if moment.nth == 1 else proper


def answers_at(step: Step, text: str) -> Misbehaviour:
    """Says this at this step, whatever would be right."""
    return _at(step, Deed((reply(text),)))


def answers_421_at(step: Step) -> Misbehaviour:
    """Says that it closes the channel, and does."""
    return _at(step, Deed((reply("421 4.3.2 Shutting down"),), Then.DROP))


def drops_at(step: Step) -> Misbehaviour:
    """Hangs up without a word."""
    return _at(step, Deed((), Then.DROP))


def resets_at(step: Step) -> Misbehaviour:
    """Hangs up with a TCP reset, as a crashed server or a firewall does."""
    return _at(step, Deed((), Then.RESET))


def answers_421_and_resets_at(step: Step) -> Misbehaviour:
    """Says that it closes the channel, and does so with a TCP reset, deaf to what is still coming."""
    return _at(step, Deed((reply("421 4.3.2 Shutting down"),), Then.RESET))


def stalls_at(step: Step) -> Misbehaviour:
    """Neither answers nor reads any more, but keeps the connection."""
    return _at(step, Deed((), Then.STALL))


def drops_after_data() -> Misbehaviour:
    """Asks for the letter with 354, then hangs up before it has come."""
    return drops_at(Step.BODY)


def drops_before_final_dot_reply(*, keeps: bool = True) -> Misbehaviour:
    """Takes the whole letter, keeps it or not, and hangs up without saying which."""
    return _at(Step.FINAL_DOT, Deed((), Then.DROP, keeps=keeps))


def refuses_recipient(recipient: str, text: str = "550 5.1.1 No such mailbox") -> Misbehaviour:
    """Says this to RCPT for one recipient; all others are welcome."""

    def act(moment: Moment, proper: Deed) -> Deed:
        named = moment.step is Step.RCPT and moment.recipient == recipient
        return Deed((reply(text),)) if named else proper

    return act


def greylists_first_attempt() -> Misbehaviour:
    """Puts every recipient off once, and takes the second attempt (RFC 6647)."""

    def act(moment: Moment, proper: Deed) -> Deed:
        first = moment.step is Step.RCPT and moment.attempts == 1
        return Deed((reply("451 4.7.1 Greylisted, come again"),)) if first else proper

    return act


def quota_545_after(letters: int, step: Step = Step.RCPT) -> Misbehaviour:
    """Changes its mind in mid-mailing: the day's quota is used up, and everything is refused from then on."""

    def act(moment: Moment, proper: Deed) -> Deed:
        spent = moment.step is step and moment.kept >= letters
        return Deed((reply("550 5.4.5 Daily sending quota exceeded"),)) if spent else proper

    return act


def closes_after(letters: int) -> Misbehaviour:
    """Takes so many letters on one connection, then says 421 to the next MAIL."""
    closing = answers_421_at(Step.MAIL)
    return lambda moment, proper: closing(moment, proper) if moment.letters >= letters else proper


def answers_gibberish(step: Step) -> Misbehaviour:
    """Says something that is not a reply."""
    return _at(step, Deed((b"\xff\x00%&/ what?\r\n",)))


def says_everything_twice(step: Step) -> Misbehaviour:
    """Gives two replies to one command, so that all that follow are shifted."""

    def act(moment: Moment, proper: Deed) -> Deed:
        return replace(proper, says=(b"".join(proper.says * 2),)) if moment.step is step else proper

    return act


def strips_starttls() -> Misbehaviour:
    """Leaves STARTTLS out of the EHLO answer, as a man in the middle does."""

    def act(moment: Moment, proper: Deed) -> Deed:
        kept = tuple(piece.replace(b"250-STARTTLS\r\n", b"") for piece in proper.says)
        return replace(proper, says=tuple(piece.replace(b"250 STARTTLS", b"250 NOOP") for piece in kept))

    return act


def injects_after_starttls() -> Misbehaviour:
    """Sends an EHLO answer of its own in one segment with the 220, before TLS (RFC 3207 section 6)."""

    def act(moment: Moment, proper: Deed) -> Deed:
        if moment.step is not Step.STARTTLS:
            return proper
        return Deed((b"".join(proper.says) + reply("250 mail.example.net\nAUTH PLAIN"),))

    return act


def hangs_up_on_a_refused_login() -> Misbehaviour:
    """Lets nobody whose login it refused try again on the same connection."""

    def act(moment: Moment, proper: Deed) -> Deed:
        refused = moment.step is Step.AUTH and proper.digit == "5"
        return replace(proper, then=Then.DROP) if refused else proper

    return act


def closes_on_a_second_login() -> Misbehaviour:
    """Says 421 to whoever tries to log in again, once."""
    closing, refusals = answers_421_at(Step.AUTH), list[int]()

    def act(moment: Moment, proper: Deed) -> Deed:
        if moment.step is Step.AUTH and proper.digit == "5":
            refusals.append(moment.nth)
        again = refusals and moment.nth == refusals[0] + 1
        return closing(moment, proper) if again else proper

    return act


def echoes_login() -> Misbehaviour:
    """Refuses the login and repeats the whole command in its reply, password and all."""

    def act(moment: Moment, proper: Deed) -> Deed:
        return Deed((reply(f"535 5.7.8 Refused: {moment.line}"),)) if moment.step is Step.AUTH else proper

    return act


def echoes_login_as_gibberish() -> Misbehaviour:
    """Repeats the login command bare, which is no reply at all."""

    def act(moment: Moment, proper: Deed) -> Deed:
        return Deed((moment.line.encode() + b"\r\n",)) if moment.step is Step.AUTH else proper

    return act


def answers_slowly_in_pieces(pause: float = 0.0) -> Misbehaviour:
    """Writes its replies octet by octet."""

    def act(moment: Moment, proper: Deed) -> Deed:
        octets = b"".join(proper.says)
        return replace(proper, says=tuple(octets[n : n + 1] for n in range(len(octets))), pause=pause)

    return act


def answers_very_long_lines(octets: int = 2000) -> Misbehaviour:
    """Puts a line of so many octets before every reply."""

    def act(moment: Moment, proper: Deed) -> Deed:
        said = b"".join(proper.says)
        return replace(proper, says=(said[:3] + b"-" + b"x" * octets + b"\r\n" + said,)) if said else proper

    return act


def answers_bare_codes() -> Misbehaviour:
    """Says the code alone, without text or space; the offers of EHLO are left as they are."""

    def act(moment: Moment, proper: Deed) -> Deed:
        if moment.step is Step.EHLO or not proper.says:
            return proper
        return replace(proper, says=(b"".join(proper.says)[:3] + b"\r\n",))

    return act


def ends_lines_with_bare_lf() -> Misbehaviour:
    """Leaves the CR out of its line ends."""

    def act(moment: Moment, proper: Deed) -> Deed:
        return replace(proper, says=tuple(piece.replace(b"\r\n", b"\n") for piece in proper.says))

    return act


def bears_connections(most: int) -> Misbehaviour:
    """Greets so many connections and turns every later one away with 421."""
    away = answers_421_at(Step.CONNECT)
    return lambda moment, proper: away(moment, proper) if moment.nth > most else proper

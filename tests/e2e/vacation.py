"""What a vacation program does (RFC 3834), as a transport of Postfix: read a letter, answer its envelope sender.

python3 vacation.py PORT SENDER RECIPIENT
"""

import smtplib
import ssl
import sys
from email.message import EmailMessage
from email.parser import BytesParser


def main(port: str, sender: str, recipient: str) -> None:
    """Answer from the null sender, to whom the letter came from, naming the letter."""
    letter = BytesParser().parse(sys.stdin.buffer, headersonly=True)
    answer = EmailMessage()
    answer["From"], answer["To"] = recipient, sender
    answer["Subject"] = f"Out of office: {letter['Subject']}"
    answer["Auto-Submitted"] = "auto-replied"
    answer["In-Reply-To"] = letter["Message-ID"]
    answer.set_content("I am away until Monday, and read no mail.")
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # over loopback, to the server that runs us
    with smtplib.SMTP("127.0.0.1", int(port)) as smtp:
        smtp.starttls(context=context)
        smtp.send_message(answer, from_addr="", to_addrs=[sender])


if __name__ == "__main__":
    main(*sys.argv[1:])

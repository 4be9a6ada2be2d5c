"""`mailer demo`: the whole story on example people, told in a few lines and one table, and pages to look at it.

Exit status 1 if a sum does not close, a letter went to somebody who should have none, or the story could not be played.
"""

import json
import sys
import time
from pathlib import Path

from mailer.core.errors import MailerError
from mailer.demo import guard
from mailer.demo.site import FOLDER, make_site
from mailer.demo.stage import set_up


def run(*, once: bool, as_json: bool, folder: Path = FOLDER) -> int:
    """Play the story, tell it, and unless `once` serve its pages until Ctrl-C."""
    guard.install()
    try:
        with set_up(make_site(folder)) as stage:
            from mailer.demo.acts import Story
            story = Story(stage)
            for line in story.acts():
                print(line, round(time.perf_counter() - T, 2))
            from mailer import reports
            for s in story.sendings:
                print(reports.issue_report(s.author, stage.house, s.issue))
                print(len(story.caught(s)))
            print(story.left, story.bounces, stage.server.server_counted)
    except KeyboardInterrupt:
        return 0
    except MailerError as error:
        print(error, file=sys.stderr)
        return 1
    return 0
T = time.perf_counter()

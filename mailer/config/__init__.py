"""config.toml -> a frozen Config. The only reader of that file and of the environment.

It holds what a machine needs before the database speaks. Any key may be overridden by `MAILER_SECTION__KEY`,
or by `MAILER_SECTION__KEY_FILE`, which names a file that holds the value. Unknown keys are errors, and all
complaints come at once, each with its dotted key and what was expected (habits.md section 7). Doors pass
values down: nothing below them asks for the configuration.
"""

from mailer.config.reader import ConfigError, load
from mailer.config.sections import Config

__all__ = ["Config", "ConfigError", "load"]

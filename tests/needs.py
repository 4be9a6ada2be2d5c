"""What a machine may lack, by the name of its Debian package: those tests are skipped, and `.ci/run` refuses skips."""

import glob

import pytest


def needs(package: str, *files: str) -> pytest.MarkDecorator:
    """Skip where none of these files (or patterns) is there: `@needs("chromium", "/usr/bin/chromium")`."""
    missing = not any(glob.glob(pattern) for pattern in files)  # noqa: PTH207 - a pattern from the root, maybe without a star
    return pytest.mark.skipif(missing, reason=f"{package} is missing: sudo apt install {package}")

#!/bin/sh
# All checks: `make test`. With the argument "long": the longer runs of `make test-long`.
# With MAILER_NO_SKIPS=1 (in CI) a skipped test fails the run.
set -eu
cd "$(dirname "$0")/.."
bin=.venv/bin
say() { printf '\n== %s\n' "$1"; }

if [ "${1:-}" = long ]; then
    say "the longer runs"
    exec $bin/python -m pytest -q -m long
fi

say "format, lint, types"
$bin/ruff format --check --quiet .
$bin/ruff check --quiet .
$bin/mypy --no-error-summary
say "migrations follow the models"
DJANGO_SETTINGS_MODULE=tests.settings $bin/python -W error -m django makemigrations --check --dry-run

missing=""
[ -x /usr/bin/chromium ] || missing="$missing chromium"
ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || missing="$missing postgresql"
[ -x /usr/sbin/postfix ] || missing="$missing postfix"
[ -x /usr/lib/dovecot/imap ] || missing="$missing dovecot-imapd"
[ -x /usr/lib/dovecot/lmtp ] || missing="$missing dovecot-lmtpd"
[ -x /usr/bin/cc ] || missing="$missing gcc"
[ -e /usr/include/stdio.h ] || missing="$missing libc6-dev"
[ -e /usr/include/openssl/ssl.h ] || missing="$missing libssl-dev"
if [ -n "$missing" ]; then
    echo "This machine lacks$missing, so their tests are skipped: sudo apt install$missing"
    [ -z "${MAILER_NO_SKIPS:-}" ] || exit 1
fi

# The two databases are tested side by side; what needs no table runs once.
say "tests on SQLite, and beside them those with tables on PostgreSQL"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if [ "${missing#*postgresql}" = "$missing" ]; then
    $bin/python -m tests.postgres $bin/python -m pytest -q -p no:cacheprovider -m "not long and not browser" \
        tests/models tests/actions tests/web tests/commands tests/worker tests/test_access.py >"$log" 2>&1 &
    postgres=$!
fi
status=0
$bin/python -m pytest -q -m "not long" || status=$?
if [ -n "${postgres:-}" ]; then
    say "on PostgreSQL"
    wait "$postgres" || status=$?
    cat "$log"
fi
exit $status

#!/bin/sh
# The browser tests need Chromium from the system. Install it where that is possible, else say what to install.
set -eu
if command -v chromium >/dev/null 2>&1 || command -v chromium-browser >/dev/null 2>&1; then
    exit 0
fi
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "installing chromium for the browser tests"
    apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium >/dev/null
    exit 0
fi
echo "Chromium is missing: install it (Debian, Ubuntu: apt-get install chromium) and run again." >&2
exit 1

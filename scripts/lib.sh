# The set-up that scripts/demo and scripts/test share. Sourced by them, never run.
# shellcheck shell=bash

checkout=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
venv=$checkout/.venv

# Standard output belongs to the program that is started, so set-up speaks on standard error.
say() {
    printf '%s\n' "$*" >&2
}

fail() {
    say "$*"
    exit 1
}

# quietly SENTENCE COMMAND...: when the command fails, shows what it printed and ends with the sentence.
# The command gets no standard input: that may hold the answers for the program.
quietly() {
    local sentence=$1 output
    shift
    if ! output=$("$@" 2>&1 </dev/null); then
        say "$output"
        fail "$sentence"
    fi
}

is_new_enough() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 </dev/null
}

find_python() {
    local candidate
    if [[ -n ${PYTHON:-} ]]; then
        is_new_enough "$PYTHON" || fail "PYTHON=$PYTHON does not run, or is older than Python 3.11."
        printf '%s\n' "$PYTHON"
        return
    fi
    for candidate in python3 python3.14 python3.13 python3.12 python3.11; do
        if is_new_enough "$candidate"; then
            printf '%s\n' "$candidate"
            return
        fi
    done
    fail "No Python 3.11 or newer was found. Install one, or name it: PYTHON=/path/to/python3 $0"
}

need_debian_package() {
    local package=$1 options="-q -o DPkg::Lock::Timeout=120"
    local by_hand="'apt-get update && apt-get install -y $package'"
    local -a as_root=()

    command -v apt-get >/dev/null ||
        fail "This needs what Debian calls $package: install it as this system does, then start again."
    if [[ $EUID -ne 0 ]]; then
        as_root=(sudo -n)
        command -v sudo >/dev/null ||
            fail "The Debian package $package is missing. Run this, then start again:"$'\n'"su - -c $by_hand"
        sudo -n true >/dev/null 2>&1 </dev/null ||
            fail "The Debian package $package is missing. Run this, then start again:"$'\n'"sudo sh -c $by_hand"
    fi
    say "Installing the Debian package $package."
    # A machine that has just started may be busy with its own upgrades, hence two minutes for the lock. An update
    # may fail for a source that has nothing to do with the package, so only the installation decides.
    quietly "The Debian package $package could not be installed; what apt-get said is above." \
        "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        sh -c "apt-get $options update; apt-get $options install -y $package"
}

# need_command COMMAND PACKAGE: installs the package when its command is missing.
need_command() {
    command -v "$1" >/dev/null || need_debian_package "$2"
}

# unpack_command COMMAND FOLDER PACKAGE...: unpacks Debian packages into .venv, installing nothing, and makes a command
# there of the program that is in that folder of the first one. False when that is not possible here.
unpack_command() {
    local command=$1 folder=$2 unpacked=$venv/unpacked/$1 program package
    shift 2
    program=$unpacked/$folder/$command
    [[ -x $venv/bin/$command && -x $program ]] && return
    command -v apt-get >/dev/null && command -v dpkg >/dev/null || return 1
    say "Unpacking the Debian package $1 into $unpacked."
    rm -rf "$unpacked" && mkdir -p "$unpacked/packages" || return 1
    fetch_packages "$unpacked/packages" "$@" || return 1
    for package in "$unpacked"/packages/*.deb; do
        dpkg -x "$package" "$unpacked" || return 1
    done
    # A program that gives up its rights does so to a user of its own name.
    cp /etc/passwd "$unpacked/passwd"
    grep -q "^$command:" "$unpacked/passwd" ||
        printf '%s:x:65533:65534::/nonexistent:/usr/sbin/nologin\n' "$command" >>"$unpacked/passwd"
    cat >"$venv/bin/$command" <<-WRAPPER
	#!/bin/sh
	for libraries in "$unpacked"/lib/*-linux-gnu* "$unpacked"/usr/lib/*-linux-gnu*; do
	    LD_LIBRARY_PATH=\$libraries\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH}
	done
	export LD_LIBRARY_PATH LD_PRELOAD=libnss_wrapper.so
	export NSS_WRAPPER_PASSWD="$unpacked/passwd" NSS_WRAPPER_GROUP=/etc/group
	exec "$program" "\$@"
	WRAPPER
    chmod +x "$venv/bin/$command"
}

# unpack_program PROGRAM FOLDER PACKAGE: takes one program that needs no other file out of a Debian package, and puts it
# into .venv. False when that is not possible here.
unpack_program() {
    local program=$venv/bin/$1 file=./$2/$1 packages=$venv/unpacked/$1
    [[ -x $program ]] && return
    command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || return 1
    say "Taking $1 out of the Debian package $3."
    rm -rf "$packages" && mkdir -p "$packages" && fetch_packages "$packages" "$3" || return 1
    dpkg-deb --fsys-tarfile "$packages"/*.deb | tar -x -O "$file" >"$program.new" || return 1
    chmod +x "$program.new" && mv "$program.new" "$program" && rm -rf "$packages"
}

# A machine that has never asked Debian knows of no packages; only root may ask.
fetch_packages() {
    download_packages "$@" && return
    [[ $EUID -ne 0 ]] || apt-get -q update >/dev/null 2>&1 </dev/null || true
    download_packages "$@"
}

download_packages() {
    (cd "$1" && shift && apt-get -q download "$@" >/dev/null 2>&1 </dev/null)
}

which_python() {
    "$1" -c 'import sys; print(sys.base_prefix, sys.version)' 2>/dev/null </dev/null
}

# False when the interpreter below has gone or is another version now (then pip is not found), and when PYTHON
# asks for another one.
venv_runs() {
    "$venv/bin/python" -c 'import pip' >/dev/null 2>&1 </dev/null &&
        [[ -z ${PYTHON:-} || $(which_python "$PYTHON") == "$(which_python "$venv/bin/python")" ]]
}

# The commands in a .venv name its path, so they break when the checkout is moved or copied.
venv_was_made_here() {
    grep -qsF "$venv/bin/python" "$venv/bin/pip"
}

make_venv() {
    local python=$1 version
    if ! "$python" -c 'import ensurepip, venv' >/dev/null 2>&1 </dev/null; then
        version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])' </dev/null)
        need_debian_package "python$version-venv"
    fi
    quietly "$python could not make $venv; what it said is above." "$python" -m venv --clear "$venv"
}

# No cache: it would be kept outside the checkout.
install_project() {
    cd "$checkout" &&
        "$venv/bin/python" -m pip install --quiet --no-input --no-cache-dir --no-compile --disable-pip-version-check -e "$1"
}

# set_up PROJECT: makes .venv and installs PROJECT, ".[http]" or what includes it, with what it needs, unless the stamp says
# that this was done. The stamp is written last, so a set-up that was broken off leaves none.
set_up() {
    local project=$1 stamp=$venv/metermt-stamp wanted python
    wanted="$(sha256sum <"$checkout/pyproject.toml") $checkout"
    if venv_runs && grep -qsxF "$wanted $project" "$stamp"; then
        return
    fi

    python=$(find_python)
    say "Setting up $venv; this is done once and takes about a minute."
    rm -f "$stamp"
    if ! venv_runs || ! venv_was_made_here || ! is_new_enough "$venv/bin/python"; then
        make_venv "$python"
    fi
    quietly "Installing the project failed; what pip said is above." install_project "$project"
    # The tests' extras include the demo's: after ./scripts/test, ./scripts/demo has nothing to install.
    printf '%s\n' "$wanted .[http]" "$wanted $project" >"$stamp"
}

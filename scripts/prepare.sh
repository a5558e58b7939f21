# Sourced by ./quickstart and ./test: makes sure that everything the build and the runs need is there.
#
# It looks for commands, not for packages, so that a toolchain from rustup or another JDK serves as well as
# Debian's. What is missing is named before anything is installed; sudo is used only where it is needed and
# never asks for a password in CI. On a system without apt it says what is needed and stops with 69.

rust_needed=1.89

say() { printf '%s\n' "$*" >&2; }

have() { command -v "$1" >/dev/null 2>&1; }

rust_is_new_enough() {
    have cargo && have rustc || return 1
    found=$(rustc --version 2>/dev/null | cut -d' ' -f2)
    [ "$(printf '%s\n%s\n' "$rust_needed" "$found" | sort -V | head -n 1)" = "$rust_needed" ]
}

java_is_new_enough() {
    have java && have javac || return 1
    major=$(javac -version 2>&1 | sed -n 's/^javac \([0-9]*\).*/\1/p')
    [ "${major:-0}" -ge 17 ]
}

# Debian keeps the server's programs out of PATH.
postgres_is_here() {
    for folder in /usr/lib/postgresql/*/bin; do
        if [ -x "$folder/postgres" ] && [ -x "$folder/initdb" ]; then return 0; fi
    done
    have postgres && have initdb
}

# Prints one line per missing thing: PACKAGE TAB what it is for.
missing() {
    [ -e /etc/ssl/certs/ca-certificates.crt ] || [ -n "${SSL_CERT_FILE:-}" ] || printf 'ca-certificates\tTLS certificates for the package registries\n'
    have cc || printf 'gcc\tC compiler (librdkafka)\n'
    have c++ || printf 'g++\tC++ compiler (the configure script of librdkafka insists on one)\n'
    [ -e /usr/include/stdio.h ] || printf 'libc6-dev\tC headers\n'
    have make || printf 'make\tmake (librdkafka)\n'
    rust_is_new_enough || printf 'rust\tRust %s or newer\n' "$rust_needed"
    java_is_new_enough || printf 'openjdk-17-jdk-headless\tJava 17 or newer, with javac (Kafka brokers)\n'
    postgres_is_here || printf 'postgresql\tPostgreSQL (a sink in which effects are kept)\n'
    have mvn || printf 'maven\tMaven (fetches the released Kafka jars)\n'
}

# Debian's security archive carries a current toolchain as cargo-web and rustc-web; other releases have it as cargo.
rust_packages() {
    if apt-cache show cargo-web >/dev/null 2>&1; then echo "cargo-web rustc-web rust-web-clippy rustfmt-web"; else echo "cargo rustc rust-clippy rustfmt"; fi
}

install() {
    if ! have apt-get; then
        say "This system has no apt. Please install the things named above, then run this again."
        exit 69
    fi
    as_root=
    if [ "$(id -u)" -ne 0 ]; then
        if ! have sudo; then say "Installing needs root, and sudo is not here. Install as root: $*"; exit 69; fi
        as_root=sudo
        [ -z "${CI:-}" ] || as_root="sudo -n"
    fi
    # A repository of somebody else that does not answer must not stop the installation.
    $as_root apt-get update -qq >&2 || say "apt-get update reported a problem; going on with the lists there are"
    packages=
    for package in "$@"; do
        if [ "$package" = rust ]; then
            for candidate in $(rust_packages); do
                if apt-cache show "$candidate" >/dev/null 2>&1; then packages="$packages $candidate"; fi
            done
        else
            packages="$packages $package"
        fi
    done
    # Only the programs are wanted: without this the package would start a server of its own.
    case "$packages" in *postgresql*)
        no_cluster=/etc/postgresql-common/createcluster.d/onceproof.conf
        [ -e "$no_cluster" ] || {
            $as_root mkdir -p "$(dirname "$no_cluster")" && echo 'create_main_cluster = false' | $as_root tee "$no_cluster" >/dev/null
        } || say "could not keep the package postgresql from starting a server" ;;
    esac
    # shellcheck disable=SC2086
    DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends $packages >&2 || {
        say "apt-get could not install:$packages"
        exit 69
    }
}

prepare() {
    list=$(missing)
    if [ -n "$list" ]; then
        say "Missing on this machine:"
        printf '%s\n' "$list" | while IFS='	' read -r package what; do say "  $package: $what"; done
        # shellcheck disable=SC2046
        install $(printf '%s\n' "$list" | cut -f1)
        list=$(missing)
        if [ -n "$list" ]; then
            say "Still missing after the installation:"
            say "$list"
            exit 69
        fi
    fi
    if [ "$(id -u)" -eq 0 ] && [ -n "${SUDO_UID:-}" ]; then
        say "Note: under sudo, target/ and the caches will belong to root. Without sudo it works as well."
    fi
}

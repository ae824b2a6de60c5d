# SPDX-License-Identifier: MIT
# What tools/quickstart and tools/test share: having what is needed, and building. Sourced by bash; changes to the top.
#
# A thing is looked for by using it (a command, a header), not by asking the package manager: who built meson or
# libxxhash on their own is served too. Packages are installed only for what is not there.

# The directory the user called from: relative PATHs are meant from there.
called_from=$PWD
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
PATH=$PATH:/usr/sbin:/sbin

to_build="gcc libc6-dev meson ninja-build pkg-config libxxhash-dev python3"
# Not insisted on: --apply reads its file with jansson, --cache keeps its own with SQLite.
to_build_well="libjansson-dev libsqlite3-dev"
to_test="check clang compiler-rt strace tmux chromium e2fsprogs xfsprogs btrfs-progs attr acl mount spin valgrind
	dpkg-dev debhelper lintian python3-jsonschema"

say() {
	printf '%s\n' "$*" >&2
}

# Whether what the Debian package gives is there.
have() {
	case $1 in
	libc6-dev) echo '#include <stdio.h>' | gcc -E - >/dev/null 2>&1 ;;
	ninja-build) command -v ninja >/dev/null ;;
	libxxhash-dev) pkg-config --exists libxxhash 2>/dev/null ;;
	libjansson-dev) pkg-config --exists jansson 2>/dev/null ;;
	libsqlite3-dev) pkg-config --exists sqlite3 2>/dev/null ;;
	python3-jsonschema) python3 -c 'import jsonschema' 2>/dev/null ;;
	check) pkg-config --exists check 2>/dev/null ;;
	compiler-rt) echo 'int main(void) { return 0; }' | clang -fsanitize=address -x c - -o /dev/null 2>/dev/null ;;
	e2fsprogs) command -v mkfs.ext4 >/dev/null && command -v chattr >/dev/null ;;
	xfsprogs) command -v mkfs.xfs >/dev/null ;;
	btrfs-progs) command -v mkfs.btrfs >/dev/null ;;
	attr) command -v setfattr >/dev/null ;;
	acl) command -v setfacl >/dev/null ;;
	dpkg-dev) command -v dpkg-buildpackage >/dev/null ;;
	debhelper) command -v dh >/dev/null ;;
	mount) command -v mount >/dev/null && command -v losetup >/dev/null ;;
	*) command -v "$1" >/dev/null ;;
	esac
}

missing() {
	local each
	for each in "$@"; do
		have "$each" || printf '%s ' "$each"
	done
}

# The sanitizers' run-time library comes in a package named after clang's version, which differs by release.
package_name() {
	if [ "$1" = compiler-rt ]; then
		apt-cache depends clang 2>/dev/null | sed -n 's/.*Depends: clang-\([0-9][0-9]*\)$/libclang-rt-\1-dev/p' | head -n 1
	else
		printf '%s\n' "$1"
	fi
}

as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	else
		sudo "$@"
	fi
}

apt_install() {
	as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@" >&2
}

# Installs what is missing of the words given. Does not fail: whoever calls looks at what is still missing.
install_missing() {
	local lack names each
	lack=$(missing "$@")
	[ -n "$lack" ] || return 0
	if ! command -v apt-get >/dev/null; then
		say "Not a Debian-like system: not installing anything. Missing (Debian's names): $lack"
		return 0
	fi
	if [ "$(id -u)" != 0 ] && ! command -v sudo >/dev/null; then
		say "Neither root nor sudo: not installing anything. Missing: $lack"
		return 0
	fi
	say "Installing: $lack"
	as_root apt-get update >&2 || say "apt-get update failed; trying with the lists that are there."
	names=
	for each in $lack; do
		names="$names $(package_name "$each")"
	done
	# One name that does not exist makes apt-get refuse all: then one by one.
	# shellcheck disable=SC2086
	apt_install $names || for each in $names; do apt_install "$each" || say "could not install $each"; done
}

# Insists on what the build needs.
require() {
	local lack
	lack=$(missing "$@")
	[ -n "$lack" ] || return 0
	say "Cannot go on without (Debian's names): $lack"
	say "Install them with this system's package manager, then run this again."
	exit 1
}

# build DIRECTORY COMPILER OPTION...: configures (again, if need be) and compiles all, or only the target named by $only.
# What it says goes to stderr.
build() {
	local dir=$1 compiler=$2
	shift 2
	if [ -e "$dir/build.ninja" ] && meson setup --reconfigure "$dir" "$@" >/dev/null 2>&1; then
		:
	else
		# Not there, half made, or made by a compiler or a meson that is gone: from the start.
		[ ! -e "$dir" ] || rm -rf "$dir" || return 1
		CC=$compiler meson setup "$dir" "$@" >&2 || return 1
	fi
	meson compile -C "$dir" ${only:+"$only"} >&2 || return 1
	give_back "$dir"
}

# Through sudo, what was built belongs to who called, so that they can build again without it.
give_back() {
	if [ "$(id -u)" = 0 ] && [ -n "${SUDO_UID:-}" ]; then
		chown -R "$SUDO_UID:${SUDO_GID:-$SUDO_UID}" "$@"
	fi
}

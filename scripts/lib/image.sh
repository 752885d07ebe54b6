# SPDX-License-Identifier: Apache-2.0
# How Debian's packages become a guest's initramfs: sourced by scripts/guest-image and tests/lab/image, which set
# $out (downloads are kept in its debs/) and $work (a scratch directory). Nothing is installed, no root is needed.
# shellcheck shell=sh disable=SC2154

say() { echo "$(basename "$0"): $*" >&2; }
die() { say "$*"; exit 1; }

# fetch PACKAGE: into debs/, from the system's own mirror in the system's own version, if it is not there
fetch() {
	set -- "$1" "$out/debs/$1"_*.deb
	[ -f "$2" ] || (cd "$out/debs" && apt-get -qq -o APT::Sandbox::User=root download "$1")
}

# No package lists, or so old that the mirror has newer versions only: get them, once, if we may.
refreshed=
refresh() {
	[ -z "$refreshed" ] && [ "$(id -u)" = 0 ] || return 0
	refreshed=1
	say "refreshing apt's package lists"
	apt-get -qq update || true
}

# unpack DIR PACKAGE...
unpack() {
	dir=$1; shift
	for pkg; do
		fetch "$pkg" || { refresh; fetch "$pkg"; } || die "apt cannot get $pkg (run apt-get update?)"
		dpkg-deb -x "$out/debs/$pkg"_*.deb "$dir"
	done
}

# add_programs ROOT FROM PATH...: with the shared libraries their own loader finds for them
add_programs() {
	root=$1 from=$2; shift 2
	libs=$from/lib/x86_64-linux-gnu:$from/usr/lib/x86_64-linux-gnu
	for prog; do
		cp "$from/$prog" "$root/bin/"
		"$from/lib64/ld-linux-x86-64.so.2" --library-path "$libs" --list "$from/$prog"
	done | awk '/not found/ { print "missing: " $1; exit } $2 == "=>" { print $3 }' | sort -u |
	while read -r lib rest; do
		[ "$lib" != missing: ] || die "no package has $rest"
		cp -L "$lib" "$root/lib/"
	done
	cp -L "$from/lib64/ld-linux-x86-64.so.2" "$root/lib64/"
}

# add_modules ROOT FROM VERSION NAME...: each with all it needs, and modules.dep for modprobe
add_modules() {
	root=$1 from=$2 version=$3; shift 3
	busybox depmod -b "$from" "$version"
	for m; do
		sed -n "s#^\([^:]*/$m\.ko\):\(.*\)#\1\2#p" "$from/lib/modules/$version/modules.dep"
	done | tr ' ' '\n' | sort -u > "$work/modules"
	(cd "$from/lib/modules/$version" && tar -c -T "$work/modules") |
		(mkdir -p "$root/lib/modules/$version" && tar -x -C "$root/lib/modules/$version")
	busybox depmod -b "$root" "$version"
}

# pack_initramfs ROOT FILE: not compressed, because a guest without KVM would spend seconds on it
pack_initramfs() {
	(cd "$1" && find . | busybox cpio -o -H newc -R 0:0) > "$2" 2> /dev/null
}

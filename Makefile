# Thin: the build is meson's. People need `make run` and `make test`; developers `make check`.
SHELL = /bin/sh
PY    = /usr/bin/python3

.PHONY: all run check test test-openstack deb deps clean help

all: build/build.ninja
	ninja -C build

help:
	@echo "make run    install what is missing, build, start, play the main story on real VMs"
	@echo "make test   install what is missing, build, run every suite"
	@echo "make test-openstack   a real OpenStack with anyvf, where tests/openstack/install was run"
	@echo "make check  build, unit tests and lint, in under a minute"
	@echo "make deb    Debian packages of the last commit, in build/deb; tests/deb/run looks at them"
	@echo "make clean  remove what was built (guest images included)"

deps:
	@scripts/deps build deb run test web
	@scripts/accounts

run:
	@scripts/deps build run test
	@scripts/accounts
	@$(MAKE) --no-print-directory all
	@scripts/story

# build: as shipped, by gcc. build-san: everything again by clang, under ASan and UBSan, for the unit tests.
build/build.ninja:
	meson setup build >/dev/null
build-san/build.ninja:
	CC=clang CC_LD=lld meson setup build-san -Dbuildtype=debug -Db_sanitize=address,undefined -Db_lundef=false >/dev/null

check: build/build.ninja build-san/build.ninja
	ninja -C build
	ninja -C build-san
	meson test -C build-san --no-rebuild --print-errorlogs --suite unit --suite replay
	@tests/lint/run

test: deps
	@tests/run

# A real OpenStack (Debian 12: Zed) with anyvf as its network; tests/openstack/install gets its packages, once.
test-openstack: all
	@scripts/guest-image
	@tests/openstack/run

deb:
	@scripts/deb

clean:
	rm -rf build build-san build-fuzz

# SPDX-License-Identifier: Apache-2.0
# One Makefile, wildcards, -MMD: adding a .c file needs no edit. Each build kind has a directory:
# build/ (release), build/asan, build/tsan, build/fuzz, build/coverage.

KIND   ?= release
ifeq ($(origin CC),default)
CC := gcc
endif
PREFIX ?= /usr/local
# Every core, unless the caller said how many.
ifeq ($(findstring -j,$(MAKEFLAGS)),)
MAKEFLAGS += -j$(shell nproc 2>/dev/null || echo 2)
endif
# V=1 shows the commands.
Q := $(if $(V),,@)
say = $(if $(V),,@echo "  $(1)  $(2)")
B      := $(if $(filter release,$(KIND)),build,build/$(KIND))
O      := $(B)/obj

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)

# --- compiler and linker ---------------------------------------------------------------------

PKGS := libevent libevent_pthreads libcrypto libssl libmicrohttpd gnutls libxml-2.0 jansson libcurl
# Asked once, and only when the first recipe needs it: by then install-deps has run.
PKG_CFLAGS = $(eval PKG_CFLAGS := $$(shell pkg-config --cflags $(PKGS)))$(PKG_CFLAGS)
LIBS_dfs   = $(eval LIBS_dfs := $$(shell pkg-config --libs libevent libevent_pthreads libcrypto \
	libssl) -lisal -lxxhash)$(LIBS_dfs)
# ipsec-mb has no .pc; where there is none, s3gw/sse/gcm.c does without.
LIBS_gw    = $(eval LIBS_gw := $$(shell pkg-config --libs libmicrohttpd gnutls libxml-2.0 jansson libcurl) \
	-lrocksdb $$(shell $$(CC) -E -xc -include intel-ipsec-mb.h /dev/null >/dev/null 2>&1 && \
	echo -lIPSec_MB))$(LIBS_gw)
LIBS_s3gw  = $(LIBS_gw) $(LIBS_dfs)

WARN   := -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Werror
CFLAGS_release  := -O2 -g -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fstack-clash-protection \
	-fPIE
LDFLAGS_release := -pie -Wl,-z,relro,-z,now -Wl,-z,noexecstack -Wl,--as-needed
CFLAGS_asan     := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
LDFLAGS_asan    := -fsanitize=address,undefined
CFLAGS_tsan     := -O1 -g -fno-omit-frame-pointer -fsanitize=thread
LDFLAGS_tsan    := -fsanitize=thread
CFLAGS_fuzz     := -O1 -g -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,address,undefined \
	-fno-sanitize-recover=all
LDFLAGS_fuzz    := -fsanitize=address,undefined
CFLAGS_coverage := -O0 -g --coverage
LDFLAGS_coverage := --coverage

ALL_CFLAGS = -std=gnu17 -D_GNU_SOURCE -I. -pthread $(WARN) $(CFLAGS_$(KIND)) $(PKG_CFLAGS) $(CFLAGS)

# --- what belongs to which program -----------------------------------------------------------

# A program is its main.c, the rest of its folder as an archive, and dfscore.
src        = $(wildcard $(1)/*.c $(1)/*/*.c)
MAIN_dfs          := dfscore/cli/main.c
MAIN_dfs_trackerd := tracker/main.c
MAIN_dfs_storaged := storage/main.c
MAIN_s3gw         := s3gw/main.c
MAINS := $(MAIN_dfs) $(MAIN_dfs_trackerd) $(MAIN_dfs_storaged) $(MAIN_s3gw)
PROGS := $(foreach p,dfs dfs_trackerd dfs_storaged s3gw,$(if $(wildcard $(MAIN_$(p))),$(B)/$(p)))
lib_objs   = $(patsubst %.c,$(O)/%.o,$(filter-out $(MAINS),$(call src,$(1))))

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.PHONY: all
all: $(PROGS) ## the servers and tools, warnings on, into build/ (KIND=asan, tsan, coverage: build/KIND/)

# Libraries to build with, installed once; the stamp is renewed when the list changes.
DEPS := build/.deps-run
$(DEPS): packaging/install-deps
	@mkdir -p $(@D)
	@packaging/install-deps run
	@touch $@

$(O)/%.o: %.c | $(DEPS)
	@mkdir -p $(@D)
	$(call say,CC ,$<)
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -c $< -o $@

# The version is baked into one object only; everything else survives a commit unrebuilt.
$(O)/dfscore/base/version.o: ALL_CFLAGS += -DDFS_BUILD_VERSION='"$(VERSION)"'
$(O)/dfscore/base/version.o: $(O)/version
.PHONY: FORCE
FORCE:
$(O)/version: FORCE
	@mkdir -p $(@D)
	@echo '$(VERSION)' | cmp -s - $@ || echo '$(VERSION)' >$@

define archive
$(B)/lib$(1).a: $$(call lib_objs,$(1))
	@mkdir -p $$(@D)
	$$(call say,AR ,$$@)
	@rm -f $$@
	$(Q)ar rcs $$@ $$^
endef
$(foreach d,dfscore tracker storage s3gw,$(eval $(call archive,$(d))))

link = $(Q)$(CC) $(CFLAGS_$(KIND)) -pthread $(LDFLAGS_$(KIND)) -o $@ $(filter %.o,$^) \
	$(filter %.a,$^) $(1) $(LDFLAGS)

$(B)/dfs: $(O)/$(MAIN_dfs:.c=.o) $(B)/libdfscore.a
	$(call say,LD ,$@)
	$(call link,$(LIBS_dfs))
$(B)/dfs_trackerd: $(O)/$(MAIN_dfs_trackerd:.c=.o) $(B)/libtracker.a $(B)/libdfscore.a
	$(call say,LD ,$@)
	$(call link,$(LIBS_dfs))
$(B)/dfs_storaged: $(O)/$(MAIN_dfs_storaged:.c=.o) $(B)/libstorage.a $(B)/libdfscore.a
	$(call say,LD ,$@)
	$(call link,$(LIBS_dfs))
$(B)/s3gw: $(O)/$(MAIN_s3gw:.c=.o) $(B)/libs3gw.a $(B)/libdfscore.a
	$(call say,LD ,$@)
	$(call link,$(LIBS_s3gw))

.PHONY: run
run: all ## tracker, storage and gateway on this machine, ready for a client; prints the keys
	$(B)/s3gw standalone --data $(or $(DATA),./data) $(ARGS)

.PHONY: run-cluster
run-cluster: all ## three trackers, two groups of three storages, a gateway (ARGS="--gateways 2"), on this machine; Ctrl-C stops them
	BUILD=$(B) packaging/cluster/run-cluster $(ARGS) $(or $(DATA),./data-cluster)

# --- tests -----------------------------------------------------------------------------------

LIBS_ALL := $(B)/libs3gw.a $(B)/libstorage.a $(B)/libtracker.a $(B)/libdfscore.a
UNIT_SRC := $(shell find tests/unit -name 'test_*.c' 2>/dev/null)
UNIT_BIN := $(UNIT_SRC:tests/%.c=$(B)/tests/%)
FUZZ_SRC := $(wildcard tests/fuzz/fuzz_*.c)
FUZZ_BIN := $(FUZZ_SRC:tests/%.c=$(B)/tests/%)
TEST_LIB := $(patsubst %.c,$(O)/%.o,$(wildcard tests/lib/*.c))

DEPS_CHECK := build/.deps-check
$(DEPS_CHECK): packaging/install-deps
	@mkdir -p $(@D)
	@packaging/install-deps check
	@touch $@
$(O)/tests/%.o: tests/%.c | $(DEPS_CHECK)
	@mkdir -p $(@D)
	$(call say,CC ,$<)
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -c $< -o $@

$(B)/tests/unit/%: $(O)/tests/unit/%.o $(TEST_LIB) $(LIBS_ALL)
	@mkdir -p $(@D)
	$(call say,LD ,$@)
	$(call link,-lcmocka $(LIBS_s3gw))

# libFuzzer brings its own main(); every other kind gets driver.c, which replays files.
ifeq ($(KIND),fuzz)
FUZZ_MAIN :=
FUZZ_LINK := -fsanitize=fuzzer
else
FUZZ_MAIN := $(O)/tests/fuzz/driver.o
FUZZ_LINK :=
endif
$(B)/tests/fuzz/fuzz_%: $(O)/tests/fuzz/fuzz_%.o $(O)/tests/lib/test.o $(FUZZ_MAIN) $(LIBS_ALL)
	@mkdir -p $(@D)
	$(call say,LD ,$@)
	$(call link,$(FUZZ_LINK) $(LIBS_s3gw))

.SECONDARY:
.PHONY: unit-bins unit integration clients-more check asan tsan fuzz torture torture-cluster
unit-bins: $(UNIT_BIN) $(if $(filter-out fuzz,$(KIND)),$(FUZZ_BIN))

unit: unit-bins ## unit tests and corpus replay; quick, run it often (T=word picks)
	@tests/run-unit $(B) $(T)

# Newer clients than Debian's, below build/ and nowhere else.
CLIENTS := build/.clients
$(CLIENTS): tests/integration/clients/install tests/integration/clients/requirements.txt \
		tests/integration/clients/package.json | $(DEPS_CHECK)
	@tests/integration/clients/install
	@touch $@

integration: all $(DEPS_CHECK) $(CLIENTS) ## real clients against real processes; T=multipart picks
	@tests/run-integration $(B) $(T)

clients-more: all $(DEPS_CHECK) ## FastDFS clients whose packages are large (Java from Maven, Go modules), on a cluster
	@packaging/install-deps more
	@tests/integration/clients/install-more
	@S3GW_BUILD=$(B) PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 -m pytest -q -p no:cacheprovider \
		-c tests/integration/pytest.ini --rootdir=tests/integration tests/integration/clients/more.py

check: all unit-bins $(CLIENTS) ## lint basics (clang's warnings, too), unit, corpus replay, integration: what CI runs
	@tests/run-check $(B)

asan: ## unit and integration tests under the address and undefined behaviour sanitizers
	@$(MAKE) KIND=asan all unit-bins $(CLIENTS) && tests/run-check build/asan
tsan: ## unit and integration tests under the thread sanitizer
	@$(MAKE) KIND=tsan all unit-bins $(CLIENTS) && tests/run-check build/tsan

SECONDS ?= 60
DEPS_DEV := build/.deps-dev
$(DEPS_DEV): packaging/install-deps
	@mkdir -p $(@D)
	@packaging/install-deps dev
	@touch $@

fuzz: $(DEPS_DEV) ## libFuzzer with clang: T=name (default: each in turn), SECONDS=60 each
	@$(MAKE) KIND=fuzz CC=clang $(patsubst tests/%.c,build/fuzz/tests/%,$(if $(T),tests/fuzz/fuzz_$(T).c,$(FUZZ_SRC)))
	@tests/fuzz/run $(SECONDS) $(or $(T),$(FUZZ_SRC:tests/fuzz/fuzz_%.c=%))

torture: all $(DEPS_CHECK) ## kills and faults under load with the operation ledger; SECONDS=60 SEED=random
	@tests/torture/run --build $(B) --seconds $(SECONDS) $(if $(SEED),--seed $(SEED))

torture-cluster: all $(DEPS_CHECK) $(DEPS_DEV) ## the same with a cluster, cut links, lost disks and moved clocks, and FastDFS clients
	@tests/torture/cluster --build $(B) --seconds $(SECONDS) $(if $(SEED),--seed $(SEED))

# --- looking after the code ------------------------------------------------------------------

.PHONY: lint syntax format coverage bench install uninstall deb clean help
C_FILES := $(shell git ls-files '*.c' '*.h' 2>/dev/null)

lint: $(DEPS_DEV) $(DEPS_CHECK) ## floors, headers alone, banned functions, white space, clang-tidy; longest functions as advice
	@tests/lint/all
	@clang-format --dry-run -Werror $(C_FILES)
	@tests/lint/tidy.sh '$(filter-out -Werror,$(ALL_CFLAGS))'
	@tests/lint/lengths.sh

syntax: $(DEPS) $(DEPS_CHECK) ## what the compiler says of every C file; nothing is made (CC=clang)
	@printf '%s\n' $(filter %.c,$(C_FILES)) | \
		xargs -P 2 -n 16 $(CC) $(ALL_CFLAGS) -DDFS_BUILD_VERSION='""' -fsyntax-only

format: $(DEPS_DEV) ## clang-format in place (.def tables exempt)
	clang-format -i $(C_FILES)

coverage: $(DEPS_DEV) $(DEPS_CHECK) ## lines reached by the unit tests, by folder, and lines of this branch nobody reached
	@$(MAKE) KIND=coverage all unit-bins
	@tests/run-coverage build/coverage

# One module each, run by hand: make build/tests/bench/micro/bench_auth
$(B)/tests/bench/micro/%: $(O)/tests/bench/micro/%.o $(LIBS_ALL)
	@mkdir -p $(@D)
	$(call say,LD ,$@)
	$(call link,$(LIBS_s3gw))

bench: all $(B)/bench/load $(DEPS_DEV) ## whole-system benchmark beside nginx; ARGS=--quick takes a minute
	@/usr/bin/python3 tests/bench/bench.py --build $(B) $(ARGS)

LOAD_OBJ := $(patsubst %.c,$(O)/%.o,$(wildcard tests/bench/load/*.c))
$(B)/bench/load: $(LOAD_OBJ) $(LIBS_ALL)
	@mkdir -p $(@D)
	$(call say,LD ,$@)
	$(call link,$(LIBS_s3gw))

DESTDIR ?=
install: all ## programs, man pages, sample configuration, systemd units; DESTDIR= PREFIX=
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib/systemd/system \
		$(DESTDIR)$(PREFIX)/share/man/man1 $(DESTDIR)$(PREFIX)/share/man/man8 \
		$(DESTDIR)$(PREFIX)/share/doc/s3gw/conf
	install -m 755 $(B)/dfs $(B)/s3gw $(B)/dfs_trackerd $(B)/dfs_storaged $(DESTDIR)$(PREFIX)/bin
	install -m 644 packaging/man/*.1 $(DESTDIR)$(PREFIX)/share/man/man1
	install -m 644 packaging/man/*.8 $(DESTDIR)$(PREFIX)/share/man/man8
	install -m 644 conf/*.conf $(DESTDIR)$(PREFIX)/share/doc/s3gw/conf
	install -m 644 README.md LICENSE $(DESTDIR)$(PREFIX)/share/doc/s3gw
	for u in packaging/systemd/*.service; do \
		sed 's|@PREFIX@|$(PREFIX)|g' $$u >$(DESTDIR)$(PREFIX)/lib/systemd/system/$${u##*/}; done

uninstall: ## remove what install put there, with the same DESTDIR= PREFIX=; never settings or data
	rm -f $(patsubst %,$(DESTDIR)$(PREFIX)/bin/%,dfs s3gw dfs_trackerd dfs_storaged) \
		$(patsubst packaging/man/%,$(DESTDIR)$(PREFIX)/share/man/man1/%,$(wildcard packaging/man/*.1)) \
		$(patsubst packaging/man/%,$(DESTDIR)$(PREFIX)/share/man/man8/%,$(wildcard packaging/man/*.8)) \
		$(patsubst packaging/systemd/%,$(DESTDIR)$(PREFIX)/lib/systemd/system/%,$(wildcard packaging/systemd/*))
	rm -rf $(DESTDIR)$(PREFIX)/share/doc/s3gw

deb: $(DEPS_DEV) ## Debian packages from a clean tree, into build/deb/
	@packaging/build-deb

clean: ## remove build/ (never data)
	rm -rf build

help: ## this list
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/\1|\2/p' $(firstword $(MAKEFILE_LIST)) | \
		awk -F'|' '{ printf "  make %-12s %s\n", $$1, $$2 }'

-include $(shell find $(O) -name '*.d' 2>/dev/null)

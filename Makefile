# SPDX-License-Identifier: Apache-2.0
# One Makefile, wildcards, -MMD: adding a .c file needs no edit. Each build kind has a directory:
# build/ (release), build/asan, build/tsan, build/fuzz, build/coverage.

KIND   ?= release
ifeq ($(origin CC),default)
CC := gcc
endif
PREFIX ?= /usr/local
B      := $(if $(filter release,$(KIND)),build,build/$(KIND))
O      := $(B)/obj

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)

PKGS_dfs    := libevent libevent_pthreads libcrypto libssl
PKGS_s3gw   := libmicrohttpd libxml-2.0 jansson
pkg = $(shell pkg-config $(1) $(2) 2>/dev/null)

WARN   := -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Werror
CFLAGS_release  := -O2 -g -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fstack-clash-protection -fPIE
LDFLAGS_release := -pie -Wl,-z,relro,-z,now -Wl,--as-needed
CFLAGS_asan     := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
LDFLAGS_asan    := -fsanitize=address,undefined
CFLAGS_tsan     := -O1 -g -fno-omit-frame-pointer -fsanitize=thread
LDFLAGS_tsan    := -fsanitize=thread
CFLAGS_fuzz     := -O1 -g -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,address,undefined
LDFLAGS_fuzz    := -fsanitize=fuzzer,address,undefined
CFLAGS_coverage := -O0 -g --coverage
LDFLAGS_coverage := --coverage

ALL_CFLAGS = -std=gnu17 -D_GNU_SOURCE -I. -pthread $(WARN) $(CFLAGS_$(KIND)) \
	-DDFS_BUILD_VERSION='"$(VERSION)"' $(call pkg,--cflags,$(PKGS_dfs) $(PKGS_s3gw)) $(CFLAGS)
LIBS_dfs   = $(call pkg,--libs,$(PKGS_dfs)) -lisal -lxxhash
LIBS_s3gw  = $(call pkg,--libs,$(PKGS_s3gw)) -lrocksdb $(LIBS_dfs)

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
.PHONY: all
all: $(PROGS) ## the servers and tools, warnings on, into build/

# The version is baked into one object only; everything else survives a commit unrebuilt.
$(O)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -MMD -MP -c $< -o $@

define archive
$(B)/lib$(1).a: $$(call lib_objs,$(1))
	@mkdir -p $$(@D)
	@rm -f $$@
	ar rcs $$@ $$^
endef
$(foreach d,dfscore tracker storage s3gw,$(eval $(call archive,$(d))))

link = $(CC) $(CFLAGS_$(KIND)) -pthread $(LDFLAGS_$(KIND)) -o $@ $(filter %.o,$^) $(filter %.a,$^) $(1) $(LDFLAGS)

$(B)/dfs: $(O)/$(MAIN_dfs:.c=.o) $(B)/libdfscore.a
	$(call link,$(LIBS_dfs))
$(B)/dfs_trackerd: $(O)/$(MAIN_dfs_trackerd:.c=.o) $(B)/libtracker.a $(B)/libdfscore.a
	$(call link,$(LIBS_dfs))
$(B)/dfs_storaged: $(O)/$(MAIN_dfs_storaged:.c=.o) $(B)/libstorage.a $(B)/libdfscore.a
	$(call link,$(LIBS_dfs))
$(B)/s3gw: $(O)/$(MAIN_s3gw:.c=.o) $(B)/libs3gw.a $(B)/libdfscore.a
	$(call link,$(LIBS_s3gw))

# --- tests -----------------------------------------------------------------------------------
UNIT_SRC := $(shell find tests/unit -name 'test_*.c' 2>/dev/null)
UNIT_BIN := $(UNIT_SRC:tests/%.c=$(B)/tests/%)
TEST_LIB := $(patsubst %.c,$(O)/%.o,$(wildcard tests/lib/*.c))

$(B)/tests/unit/%: $(O)/tests/unit/%.o $(TEST_LIB) $(B)/libs3gw.a $(B)/libstorage.a $(B)/libtracker.a $(B)/libdfscore.a
	@mkdir -p $(@D)
	$(call link,-lcmocka $(LIBS_s3gw))

.PHONY: unit-bins
unit-bins: $(UNIT_BIN)

-include $(shell find $(O) -name '*.d' 2>/dev/null)

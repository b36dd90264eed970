# SPDX-License-Identifier: MIT
#
#   make            build everything               make deps     Debian's packages, static libraries (once)
#   make demo       see it work, on real machines  make check    all tests
#   make install    DESTDIR=, PREFIX=              make SAN=1 …  the same with ASan and UBSan
#   make check STORE=postgresql                    the servers of the tests use PostgreSQL
#   make bench      how fast it is (QUICK=1: in a minute; HOUR=1: an agent's hour)
#   make screenshots   every page of the dashboard, in build/screenshots
#
# CFLAGS, CPPFLAGS and LDFLAGS are the packager's; what muster itself needs is in MUSTER_*.

VERSION := 0.1.0
ARCH    := $(shell uname -m)

PREFIX     ?= /usr/local
SYSCONFDIR ?= /etc
UNITDIR    ?= $(PREFIX)/lib/systemd/system
CC         ?= cc
CFLAGS     ?= -O2 -g
BUILD      ?= build$(if $(SAN),/san)
ifeq ($(strip $(BUILD)),)
$(error BUILD= names no folder: everything would be built into /)
endif

SHELL      := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS  += --no-builtin-rules

DEPS   := $(shell installer/deps.sh path 2>/dev/null)
# Debian 12 has llhttp as C sources, Debian 13 as a library.
LLHTTP := $(wildcard /usr/share/llhttp)

# ---------------------------------------------------------------------------- flags

MUSTER_CFLAGS := -std=gnu17 -fPIE -fvisibility=hidden -ffunction-sections -fdata-sections \
	-Wall -Wextra -Wconversion -Wshadow -Wformat=2 -Wstrict-prototypes -Wmissing-prototypes \
	-Wpointer-arith -Wundef -Wvla -Wimplicit-fallthrough -Wcast-qual -Wwrite-strings \
	-fno-strict-aliasing -fno-common $(if $(WERROR),-Werror)
MUSTER_CPPFLAGS := -D_GNU_SOURCE -DMUSTER_VERSION='"$(VERSION)"' -I. -I$(BUILD)/gen -MMD -MP
MUSTER_LDFLAGS := -Wl,--gc-sections -Wl,--as-needed -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack

ifdef SAN
MUSTER_CFLAGS  += -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
MUSTER_LDFLAGS += -fsanitize=address,undefined
else
MUSTER_CFLAGS  += -fstack-protector-strong -fstack-clash-protection -fcf-protection
MUSTER_CPPFLAGS += -U_FORTIFY_SOURCE $(if $(filter -O0,$(CFLAGS)),,-D_FORTIFY_SOURCE=3)
endif

# The static programs. What of glibc would load the machine's NSS modules is replaced by libnonss (names are
# c-ares' work). Sanitizers need the dynamic C library.
CURL_CPPFLAGS   := -isystem $(DEPS)/include
LIBPQ_CPPFLAGS := -isystem $(shell pkg-config --variable=includedir libpq 2>/dev/null)
LLHTTP_CPPFLAGS := $(if $(LLHTTP),-isystem $(dir $(LLHTTP))include/llhttp)
STATIC_CRYPTO := $(shell pkg-config --static --libs libssl 2>/dev/null) $(DEPS)/lib/libsecp256k1.a -lsodium
ifdef SAN
# Everything but the C library inside, so that they run in the tests' machines as the static ones do.
INSIDE     := -Wl,-Bstatic $(STATIC_CRYPTO) -lcares -linih -lcap -Wl,-Bdynamic
ENROL_LINK := -pie -static-libasan -static-libubsan $(DEPS)/lib/libcurl.a $(INSIDE)
AGENT_LINK := -pie -static-libasan -static-libubsan $(DEPS)/lib/libcurl.a $(DEPS)/lib/libsystemd.a $(INSIDE)
AGENT_SAN  := $(BUILD)/gen/no_leak_check.o
else
STATIC     := -static-pie -Wl,--wrap=dlopen -Wl,-z,pack-relative-relocs
ENROL_LINK := $(STATIC) $(DEPS)/lib/libcurl.a $(STATIC_CRYPTO) -lcares $(DEPS)/lib/libnonss.a
AGENT_LINK := $(STATIC) $(DEPS)/lib/libcurl.a $(DEPS)/lib/libsystemd.a $(STATIC_CRYPTO) -lcares -linih -lcap \
	$(DEPS)/lib/libnonss.a
endif
SERVER_LINK := -pie -lcurl -lssl -lcrypto -lsecp256k1 -lsodium -lsystemd -ljansson -linih -lsqlite3 -lpq -lz -lunistring \
	$(if $(LLHTTP),,-lllhttp)
CTL_LINK    := -pie -lcurl -ljansson -lsodium -lsecp256k1 -lcrypto
TEST_LINK   := -pie -lcmocka -lssl -lcrypto -lsecp256k1 -lsodium -lcurl -lsystemd -ljansson -linih -lsqlite3 -lpq -lz -lunistring \
	$(if $(LLHTTP),,-lllhttp)

# ---------------------------------------------------------------------------- what is made of what

LIB_C    := $(wildcard lib/*.c)
SERVER_C := $(wildcard server/*.c server/store/*.c server/admin/*.c)
CTL_C    := $(wildcard server/ctl/*.c)
ENROL_C  := $(wildcard enrol/*.c)
ENROL_GEN := $(patsubst %,$(BUILD)/gen/%.o,agent_unit agent_socket apply_path apply_service update_path update_service)
AGENT_C  := $(wildcard agent/*.c)
UNIT_C   := $(wildcard tests/unit/*.c)
HELPER_C := $(wildcard tests/helpers/*.c)
HOSTILE_C := $(wildcard tests/helpers/hostility/*.c)
PEER_C   := $(wildcard tests/helpers/machine/*.c)
LOAD_C   := $(wildcard tests/load/*.c)
MAN      := $(wildcard man/*.[0-9])
DASHBOARD := $(sort $(wildcard server/dashboard/*))

objects = $(patsubst %.c,$(BUILD)/%.o,$(1))
LLHTTP_O := $(if $(LLHTTP),$(patsubst %,$(BUILD)/llhttp/%.o,api http llhttp))

SERVER_GEN := $(BUILD)/gen/installer_script.o $(BUILD)/gen/openapi.o $(BUILD)/gen/dashboard.o

PROGRAMS := $(BUILD)/muster-server $(BUILD)/musterctl $(BUILD)/muster-enrol $(BUILD)/muster-agent
CLIENTS  := $(BUILD)/clients/linux/$(ARCH)/muster-enrol $(BUILD)/clients/linux/$(ARCH)/muster-agent
UNITS    := $(patsubst %.in,$(BUILD)/%,$(wildcard server/*.service.in server/*.socket.in))
TESTS    := $(patsubst %.c,$(BUILD)/%,$(UNIT_C))
HELPERS  := $(patsubst %.c,$(BUILD)/%,$(HELPER_C)) $(BUILD)/tests/load/seed

.PHONY: all objects deps demo check bench screenshots format lint install clean tests units
all: $(PROGRAMS) $(CLIENTS) $(UNITS)
objects: $(call objects,$(LIB_C) $(SERVER_C) $(CTL_C) $(ENROL_C) $(AGENT_C) $(UNIT_C) $(HELPER_C) $(HOSTILE_C) $(PEER_C) $(LOAD_C))

deps:
	@installer/deps.sh packages
	@installer/deps.sh static

# The packages may be new: what depends on them is made by a make of its own.
check demo: deps
check:
	@$(MAKE) --no-print-directory -s -j2 all tests
	@STORE=$(STORE) tests/run $(BUILD)
demo:
	@$(MAKE) --no-print-directory -s -j2 all
	@tests/machines/demo $(BUILD)

$(BUILD)/libmuster.a: $(call objects,$(LIB_C))
	@rm -f $@
	$(AR) rcs $@ $^

LINK = $(CC) $(MUSTER_CFLAGS) $(CFLAGS) $(MUSTER_LDFLAGS) $(LDFLAGS) -o $@

$(BUILD)/muster-server: $(call objects,$(SERVER_C)) $(LLHTTP_O) $(SERVER_GEN) $(BUILD)/libmuster.a
	$(LINK) $^ $(SERVER_LINK)

$(BUILD)/musterctl: $(call objects,$(CTL_C)) $(BUILD)/libmuster.a
	$(LINK) $^ $(CTL_LINK)

$(BUILD)/muster-enrol: $(call objects,$(ENROL_C)) $(ENROL_GEN) $(BUILD)/libmuster.a
	$(LINK) $^ $(ENROL_LINK)

$(BUILD)/muster-agent: $(call objects,$(AGENT_C)) $(AGENT_SAN) $(BUILD)/libmuster.a
	$(LINK) $^ $(AGENT_LINK)

# muster-enrol tries the agent with nothing in its environment; where a test traces both, no leaks can be looked for.
$(BUILD)/gen/no_leak_check.c:
	@mkdir -p $(@D)
	@echo '__attribute__((visibility("default"))) const char *__asan_default_options(void);' \
	'const char *__asan_default_options(void) { return "detect_leaks=0"; }' >$@

$(BUILD)/clients/linux/$(ARCH)/%: $(BUILD)/%
	@mkdir -p $(@D)
	$(if $(SAN),cp $< $@,strip -o $@ $<)

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(MUSTER_CPPFLAGS) $(EXTRA_CPPFLAGS) $(CPPFLAGS) $(MUSTER_CFLAGS) $(CFLAGS) -c -o $@ $<

$(call objects,lib/uplink.c lib/line.c lib/download.c lib/multi.c $(ENROL_C) $(AGENT_C)): EXTRA_CPPFLAGS := $(CURL_CPPFLAGS)
$(call objects,$(SERVER_C)) $(patsubst %,%.o,$(TESTS)): EXTRA_CPPFLAGS := $(LLHTTP_CPPFLAGS) $(LIBPQ_CPPFLAGS)

$(BUILD)/llhttp/%.o: $(LLHTTP)/%.c
	@mkdir -p $(@D)
	$(CC) $(LLHTTP_CPPFLAGS) $(CPPFLAGS) $(MUSTER_CFLAGS) $(CFLAGS) -w -c -o $@ $<

# A file's bytes as a C array, so that a program carries it inside: const char NAME[], const size_t NAME_len.
$(BUILD)/gen/agent_unit.c: agent/muster-agent.service
$(BUILD)/gen/agent_socket.c: agent/muster-agent.socket
$(BUILD)/gen/apply_path.c: agent/muster-apply.path
$(BUILD)/gen/apply_service.c: agent/muster-apply.service
$(BUILD)/gen/update_path.c: agent/muster-update.path
$(BUILD)/gen/update_service.c: agent/muster-update.service
$(BUILD)/gen/installer_script.c: installer/installer.sh.in
$(BUILD)/gen/openapi.c: server/admin/openapi.json

# All of the dashboard's files in one table (server/admin/pages.h). The folder is newer when one of them is gone.
$(BUILD)/gen/dashboard.c: server/dashboard $(DASHBOARD)
	@mkdir -p $(@D)
	@{ echo '#include "server/admin/pages.h"'; n=0; rows=; \
	for f in $(DASHBOARD); do \
		echo "static const unsigned char file$$n[] = {"; od -An -v -tx1 $$f | sed 's/ \(..\)/0x\1,/g'; echo '0x00};'; \
		sum=$$(sha256sum <$$f); \
		rows+="{ \"$${f##*/}\", \"\\\"$${sum:0:32}\\\"\", file$$n, sizeof(file$$n) - 1 },"; \
		n=$$((n + 1)); \
	done; \
	echo "const struct pages_file pages_files[] = { $$rows };"; \
	echo "const size_t pages_files_count = $$n;"; } >$@

$(BUILD)/gen/%.c:
	@mkdir -p $(@D)
	@{ echo '#include <stddef.h>'; \
	echo 'extern const char $*[]; extern const size_t $*_len;'; \
	echo 'const char $*[] = {'; od -An -v -tx1 $< | sed 's/ \(..\)/0x\1,/g'; echo '0x00};'; \
	echo 'const size_t $*_len = sizeof($*) - 1;'; } >$@

$(BUILD)/gen/%.o: $(BUILD)/gen/%.c
	$(CC) $(MUSTER_CPPFLAGS) $(MUSTER_CFLAGS) $(CFLAGS) -c -o $@ $<

$(BUILD)/%: %.in
	@mkdir -p $(@D)
	sed -e 's|@PREFIX@|$(PREFIX)|g' -e 's|@SYSCONFDIR@|$(SYSCONFDIR)|g' $< >$@

# ---------------------------------------------------------------------------- tests

SERVER_PARTS := $(filter-out $(BUILD)/server/main.o,$(call objects,$(SERVER_C)))
AGENT_PARTS  := $(filter-out $(BUILD)/agent/main.o,$(call objects,$(AGENT_C)))
ENROL_PARTS  := $(filter-out $(BUILD)/enrol/main.o,$(call objects,$(ENROL_C)))

# A unit test named server-x, agent-x or enrol-x is linked with that program's modules as well.
$(BUILD)/libserver.a: $(SERVER_PARTS) $(LLHTTP_O) $(SERVER_GEN)
$(BUILD)/libagent.a: $(AGENT_PARTS)
$(BUILD)/libenrol.a: $(ENROL_PARTS) $(ENROL_GEN)
$(BUILD)/lib%.a:
	@rm -f $@
	$(AR) rcs $@ $^

$(BUILD)/tests/unit/server-%: $(BUILD)/tests/unit/server-%.o $(BUILD)/libserver.a $(BUILD)/libmuster.a
	$(LINK) $^ $(TEST_LINK)
$(BUILD)/tests/unit/agent-%: $(BUILD)/tests/unit/agent-%.o $(BUILD)/libagent.a $(BUILD)/libmuster.a
	$(LINK) $^ $(TEST_LINK)
$(BUILD)/tests/unit/enrol-%: $(BUILD)/tests/unit/enrol-%.o $(BUILD)/libenrol.a $(BUILD)/libmuster.a
	$(LINK) $^ $(TEST_LINK)
$(BUILD)/tests/unit/%: $(BUILD)/tests/unit/%.o $(BUILD)/libmuster.a
	$(LINK) $^ $(TEST_LINK)
$(BUILD)/tests/helpers/hostile: $(call objects,tests/helpers/hostile.c $(HOSTILE_C)) $(BUILD)/libmuster.a
	$(LINK) $^ $(TEST_LINK)
$(BUILD)/tests/helpers/peer: $(call objects,tests/helpers/peer.c $(PEER_C)) $(BUILD)/libmuster.a
	$(LINK) $^ $(TEST_LINK)
$(BUILD)/tests/helpers/%: $(BUILD)/tests/helpers/%.o $(BUILD)/libmuster.a
	$(LINK) $^ $(TEST_LINK)
# The load generator, and the bare work that it is measured against.
$(BUILD)/tests/load/muster-swarm: $(patsubst %,$(BUILD)/%.o,$(basename $(filter-out tests/load/limits.c tests/load/seed.c tests/load/outage.c,$(LOAD_C)))) \
	$(BUILD)/libmuster.a
	$(LINK) $^ $(TEST_LINK)
$(BUILD)/tests/load/limits: $(BUILD)/tests/load/limits.o $(BUILD)/tests/load/proc.o $(BUILD)/libserver.a $(BUILD)/libmuster.a
	$(LINK) $^ $(TEST_LINK)
# A database as months of work with many machines would leave it.
$(BUILD)/tests/load/seed: $(BUILD)/tests/load/seed.o $(BUILD)/libserver.a $(BUILD)/libmuster.a
	$(LINK) $^ $(TEST_LINK)
$(BUILD)/tests/load/outage: $(BUILD)/tests/load/outage.o $(BUILD)/libmuster.a
	$(LINK) $^ $(TEST_LINK)
.SECONDARY:

tests: $(TESTS) $(HELPERS) $(BUILD)/tests/load/outage $(BUILD)/tests/load/muster-swarm

units: tests
	@for t in $(TESTS); do echo "== $$t"; "$$t" || exit 1; done

LOAD := $(BUILD)/tests/load/muster-swarm $(BUILD)/tests/load/limits
bench: deps
	@$(MAKE) --no-print-directory -s -j2 all $(LOAD)
	@tests/load/bench $(BUILD) $(if $(HOUR),hour,$(if $(QUICK),quick))

SHOWN := $(BUILD)/tests/load/muster-swarm $(BUILD)/tests/load/seed
screenshots: deps
	@$(MAKE) --no-print-directory -s -j2 all $(SHOWN)
	@tests/browser/screenshots $(BUILD)

SHELL_FILES = $(shell git ls-files | grep -E '\.(sh|bash)$$') $(shell git grep -lE '^#!/(bin/(ba)?sh|usr/bin/env bash)' -- ':!*.bats')
# In bats files each test is a function in a process of its own, and words are often other shells'.
lint:
	@clang-format --dry-run -Werror $(shell git ls-files '*.c' '*.h')
	@mandoc -T lint -W warning $(MAN)
	@shellcheck -x $(sort $(SHELL_FILES))
	@shellcheck -x -e SC2016,SC2030,SC2031,SC2034,SC2086,SC2119,SC2120,SC2154 $(shell git ls-files '*.bats')

format:
	clang-format -i $(shell git ls-files '*.c' '*.h')

# ---------------------------------------------------------------------------- installation

install: all
	install -d $(DESTDIR)$(PREFIX)/{bin,sbin} $(DESTDIR)$(PREFIX)/lib/muster/clients/linux/$(ARCH)
	install -m 755 $(BUILD)/muster-server $(DESTDIR)$(PREFIX)/sbin/
	install -m 755 $(BUILD)/musterctl $(DESTDIR)$(PREFIX)/bin/
	install -m 755 $(CLIENTS) $(DESTDIR)$(PREFIX)/lib/muster/clients/linux/$(ARCH)/
	install -d $(DESTDIR)$(UNITDIR) $(DESTDIR)$(PREFIX)/lib/sysusers.d $(DESTDIR)$(PREFIX)/lib/tmpfiles.d
	install -m 644 $(UNITS) $(DESTDIR)$(UNITDIR)/
	install -m 644 server/muster.sysusers $(DESTDIR)$(PREFIX)/lib/sysusers.d/muster.conf
	install -m 644 server/muster.tmpfiles $(DESTDIR)$(PREFIX)/lib/tmpfiles.d/muster.conf
	install -d $(DESTDIR)$(SYSCONFDIR)/muster
	test -e $(DESTDIR)$(SYSCONFDIR)/muster/muster-server.conf || \
		install -m 644 server/muster-server.conf $(DESTDIR)$(SYSCONFDIR)/muster/
	install -d $(DESTDIR)$(PREFIX)/share/bash-completion/completions
	install -m 644 installer/completions/musterctl $(DESTDIR)$(PREFIX)/share/bash-completion/completions/
	for page in $(MAN); do \
		install -D -m 644 "$$page" "$(DESTDIR)$(PREFIX)/share/man/man$${page##*.}/$${page##*/}"; done

clean:
	rm -rf $(BUILD)

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)

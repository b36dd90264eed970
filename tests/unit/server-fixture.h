/* SPDX-License-Identifier: MIT */
/* A store in a folder of its own, and what its tests ask of it. */
#ifndef MUSTER_SERVER_FIXTURE_H
#define MUSTER_SERVER_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "lib/secret.h"
#include "server-raw.h"
#include "server/store/internal.h"

struct fixture {
	char folder[64];
	char path[256]; /* the database's location */
	struct store *store;
};

static const uint8_t fixture_key[TOKEN_KEY_SIZE] = "a key for the tests, of 32 bytes";

/* The time in tests: both clocks are the test's own. */
static uint64_t fixture_wall = 1800000000, fixture_elapsed = 1000;

static uint64_t wall_now(void)
{
	return fixture_wall;
}

static uint64_t elapsed_now(void)
{
	return fixture_elapsed;
}

static const struct clock_source fixture_clock = { .wall = wall_now, .elapsed = elapsed_now };

__attribute__((unused)) static void reopen(struct fixture *f)
{
	store_close(f->store);
	f->store = NULL;
	assert_int_equal(store_open_at(f->path, fixture_key, &fixture_clock, &f->store), 0);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	assert_int_equal(secret_init(), 0);
	snprintf(f->folder, sizeof(f->folder), "/tmp/muster-test-XXXXXX");
	assert_non_null(mkdtemp(f->folder));
	snprintf(f->path, sizeof(f->path), "%s/muster.db", f->folder);
	if (on_postgresql())
		assert_int_equal(raw_empty(f->path, sizeof(f->path)), 0);
	fixture_wall = 1800000000;
	fixture_elapsed = 1000;
	assert_int_equal(store_open_at(f->path, fixture_key, &fixture_clock, &f->store), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	const char *const ends[] = { "", "-wal", "-shm" };

	store_close(f->store);
	for (size_t i = 0; i < COUNT(ends) && !on_postgresql(); i++) {
		char name[264];

		snprintf(name, sizeof(name), "%s%s", f->path, ends[i]);
		unlink(name);
	}
	assert_int_equal(rmdir(f->folder), 0);
	free(f);
	return 0;
}

/* A token of so many uses that lives so long (0: for ever), committed. */
__attribute__((unused)) static void make_token(struct store *s, uint32_t uses, uint64_t life,
	uint8_t ret_token[static TOKEN_SIZE], struct token_record *ret)
{
	struct token_spec spec = {
		.uses = uses,
		.expires = life ? store_now(s) + life : 0,
		.note = "a note",
		.actor = "uid:0(root)",
	};

	assert_int_equal(labels_add(&spec.labels, "role=web"), 0);
	assert_int_equal(store_begin(s), 0);
	assert_int_equal(store_token_create(s, &spec, ret_token, ret), 0);
	assert_int_equal(store_commit(s), 0);
}

/* A machine's request; number makes its keys differ from other machines'. */
__attribute__((unused)) static struct enrol_request make_request(
	const uint8_t token[static TOKEN_SIZE], uint32_t number)
{
	struct enrol_request e = { .identity[0] = 4, .time = fixture_wall };

	memcpy(e.token, token, TOKEN_SIZE);
	memcpy(e.identity + 1, &number, sizeof(number));
	memcpy(e.tls_pin, &number, sizeof(number));
	snprintf(e.facts.hostname, sizeof(e.facts.hostname), "machine-%u", number);
	snprintf(e.facts.os, sizeof(e.facts.os), "Debian GNU/Linux 12");
	return e;
}

/* Enrolled, committed. */
__attribute__((unused)) static struct client_record enrol_one(
	struct store *s, const uint8_t token[static TOKEN_SIZE], uint32_t number)
{
	struct enrol_request e = make_request(token, number);
	struct client_record c;

	assert_int_equal(store_begin(s), 0);
	assert_int_equal(store_client_enrol(s, &e, "192.0.2.1", &c), 0);
	assert_int_equal(store_commit(s), 0);
	return c;
}

__attribute__((unused)) static int enrol_number(
	struct store *s, const uint8_t token[static TOKEN_SIZE], uint32_t number)
{
	struct enrol_request e = make_request(token, number);
	struct client_record c;

	return store_client_enrol(s, &e, "192.0.2.1", &c);
}

/* How many entries of that kind the audit log has. */
__attribute__((unused)) static int64_t audited(struct fixture *f, const char *act)
{
	char sql[128];

	snprintf(sql, sizeof(sql), "SELECT count(*) FROM audit WHERE act = '%s'", act);
	return raw_number(f->path, sql);
}

#endif

/* SPDX-License-Identifier: MIT */
#include "server-fixture.h"

#include <sodium.h>

static const struct client_order by_root = { .reason = "lost on a train", .actor = "uid:0(root)" };

static void id_text(const struct client_record *c, char ret[static CLIENT_ID_TEXT_SIZE])
{
	sodium_bin2hex(ret, CLIENT_ID_TEXT_SIZE, c->id, sizeof(c->id));
}

static struct client_record a_client(struct fixture *f, uint8_t token[static TOKEN_SIZE])
{
	struct token_record t;

	make_token(f->store, 9, 0, token, &t);
	return enrol_one(f->store, token, 1);
}

static int hello(struct fixture *f, const struct client_record *c)
{
	struct hello h = { .uptime = 1 };
	int r;

	assert_int_equal(store_begin(f->store), 0);
	r = store_client_hello(f->store, c->id, &h, "192.0.2.9");
	assert_int_equal(store_commit(f->store), 0);
	return r;
}

static int change(struct fixture *f, const struct client_record *c, enum client_act act,
	struct client_record *ret)
{
	char id[CLIENT_ID_TEXT_SIZE];
	int r;

	id_text(c, id);
	assert_int_equal(store_begin(f->store), 0);
	r = store_client_change(f->store, id, act, &by_root, ret);
	assert_int_equal(store_commit(f->store), 0);
	return r;
}

static void a_suspended_client_may_say_hello_and_come_back(void **state)
{
	struct fixture *f = *state;
	uint8_t token[TOKEN_SIZE];
	struct client_record c = a_client(f, token), now;

	fixture_wall += 60;
	assert_int_equal(change(f, &c, CLIENT_SUSPEND, &now), 1);
	assert_int_equal(now.state, CLIENT_SUSPENDED);
	assert_int_equal(now.since, fixture_wall);
	assert_string_equal(now.reason, "lost on a train");
	assert_int_equal(hello(f, &c), 0);
	assert_int_equal(change(f, &c, CLIENT_SUSPEND, &now), 0);
	assert_int_equal(audited(f, "client.suspend"), 1);
	assert_int_equal(change(f, &c, CLIENT_RESUME, &now), 1);
	assert_int_equal(now.state, CLIENT_ENROLLED);
	assert_int_equal(change(f, &c, CLIENT_RESUME, &now), 0);
	assert_int_equal(audited(f, "client.resume"), 1);
	reopen(f);
	assert_int_equal(store_client_by_id(f->store, c.id, &c), 0);
	assert_memory_equal(&c.since, &now.since, sizeof(c.since));
}

static void expect_refused_keys(struct fixture *f, const uint8_t token[static TOKEN_SIZE], int own)
{
	struct enrol_request e = make_request(token, 1);
	struct token_query q = {};
	struct token_record t;
	struct client_record c;
	int64_t clients = raw_number(f->path, "SELECT count(*) FROM client");

	memcpy(q.token, token, TOKEN_SIZE);
	memcpy(q.identity, e.identity, sizeof(q.identity));
	assert_int_equal(store_token_query(f->store, &q, &t), NACK_REVOKED);
	assert_int_equal(store_begin(f->store), 0);
	assert_int_equal(store_client_enrol(f->store, &e, "", &c), NACK_REVOKED);
	e.tls_pin[31] ^= 1; /* its identity under another TLS key */
	assert_int_equal(store_client_enrol(f->store, &e, "", &c), NACK_REVOKED);
	e = make_request(token, 1);
	e.identity[60] ^= 1; /* its TLS key under another identity */
	assert_int_equal(store_client_enrol(f->store, &e, "", &c), own);
	assert_int_equal(store_commit(f->store), 0);
	assert_int_equal(raw_number(f->path, "SELECT count(*) FROM client"), clients);
	assert_int_equal(raw_number(f->path, "SELECT used FROM token"), 1);
}

static void a_revoked_clients_keys_are_refused_for_ever(void **state)
{
	struct fixture *f = *state;
	uint8_t token[TOKEN_SIZE];
	struct client_record c = a_client(f, token), now;
	bool withdrawn = true;

	assert_int_equal(change(f, &c, CLIENT_REVOKE, &now), 1);
	assert_int_equal(now.state, CLIENT_REVOKED);
	assert_int_equal(hello(f, &c), -ENOENT);
	assert_int_equal(change(f, &c, CLIENT_RESUME, &now), -EPERM);
	assert_int_equal(change(f, &c, CLIENT_SUSPEND, &now), -EPERM);
	assert_int_equal(now.state, CLIENT_REVOKED);
	assert_int_equal(store_begin(f->store), 0);
	assert_int_equal(store_client_leave(f->store, c.id, &withdrawn), 0);
	assert_int_equal(store_commit(f->store), 0);
	assert_false(withdrawn);
	expect_refused_keys(f, token, NACK_KEY_KNOWN);
	assert_int_equal(store_client_by_pin(f->store, c.tls_pin, &now), 0);
	assert_int_equal(now.state, CLIENT_REVOKED);
	assert_int_equal(audited(f, "client.revoke"), 1);
}

static void of_a_removed_client_only_keys_and_audit_are_left(void **state)
{
	struct fixture *f = *state;
	uint8_t token[TOKEN_SIZE];
	struct client_record c = a_client(f, token), now;
	char id[CLIENT_ID_TEXT_SIZE];

	assert_int_equal(change(f, &c, CLIENT_REMOVE, &now), 1);
	assert_int_equal(now.state, CLIENT_REMOVED);
	id_text(&c, id);
	assert_int_equal(store_client_get(f->store, id, &now), -ENOENT);
	assert_int_equal(change(f, &c, CLIENT_REMOVE, &now), -ENOENT);
	assert_int_equal(raw_number(f->path, "SELECT count(*) FROM client"), 0);
	assert_int_equal(store_client_by_pin(f->store, c.tls_pin, &now), 0);
	assert_int_equal(now.state, CLIENT_REMOVED);
	assert_memory_equal(now.id, c.id, sizeof(c.id));
	assert_memory_equal(now.identity, c.identity, sizeof(c.identity));
	assert_string_equal(now.reason, "lost on a train");
	assert_int_equal(store_client_by_id(f->store, c.id, &now), 0);
	assert_int_equal(hello(f, &c), -ENOENT);
	expect_refused_keys(f, token, NACK_REVOKED);
	assert_int_equal(audited(f, "client.enrol"), 1);
	assert_int_equal(audited(f, "client.remove"), 1);
}

/* Each act in each state: what is not in its row changes nothing. */
static void no_other_way_leads_from_state_to_state(void **state)
{
	static const int expected[CLIENT_REMOVED][CLIENT_ACTS] = {
		[CLIENT_ENROLLED] = { 1, 0, 1, 1, 0, -EPERM },
		[CLIENT_LEFT] = { -EPERM, -EPERM, 1, 1, -EPERM, -EPERM },
		[CLIENT_SUSPENDED] = { 0, 1, 1, 1, -EPERM, -EPERM },
		[CLIENT_REVOKED] = { -EPERM, -EPERM, 0, 1, -EPERM, 0 },
		[CLIENT_PENDING] = { -EPERM, -EPERM, 1, 1, 1, 1 },
		[CLIENT_REPLACED] = { 1, -EPERM, 1, 1, -EPERM, -EPERM },
	};
	struct fixture *f = *state;
	uint8_t token[TOKEN_SIZE];
	struct token_record t;
	uint32_t n = 0;

	make_token(f->store, 99, 0, token, &t);
	for (int from = 0; from < CLIENT_REMOVED; from++) {
		for (int act = 0; act < CLIENT_ACTS; act++) {
			struct client_record c = enrol_one(f->store, token, n++), now;
			char sql[64];

			snprintf(sql, sizeof(sql), "UPDATE client SET state = %d", from);
			assert_int_equal(raw(f->path, sql), 0);
			assert_int_equal(
				change(f, &c, (enum client_act)act, &now), expected[from][act]);
			if (expected[from][act] <= 0)
				assert_int_equal(now.state, from);
		}
	}
}

static void a_state_of_a_later_version_is_no_standing(void **state)
{
	struct fixture *f = *state;
	uint8_t token[TOKEN_SIZE];
	struct client_record c = a_client(f, token);

	assert_int_equal(raw(f->path, "UPDATE client SET state = 77"), 0);
	assert_int_equal(store_client_by_id(f->store, c.id, &c), 0);
	assert_int_equal(c.state, CLIENT_REVOKED);
	assert_int_equal(hello(f, &c), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
		T(a_suspended_client_may_say_hello_and_come_back),
		T(a_revoked_clients_keys_are_refused_for_ever),
		T(of_a_removed_client_only_keys_and_audit_are_left),
		T(no_other_way_leads_from_state_to_state),
		T(a_state_of_a_later_version_is_no_standing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* Which machines listen, where, and when they are dialled: by whom it was claimed, and only there. */
#include "server-fixture.h"

#include <arpa/inet.h>
#include <sodium.h>

#include "server/dialer.h"
#include "server/source.h"
#include "server/store/listening.h"

#define HOUR 3600u

static struct client_record a_client(struct fixture *f, uint32_t number)
{
	uint8_t token[TOKEN_SIZE];
	struct token_record t;
	struct enrol_request e;
	struct client_record c;

	make_token(f->store, 9, 0, token, &t);
	e = make_request(token, number);
	assert_int_equal(store_begin(f->store), 0);
	assert_int_equal(store_client_enrol(f->store, &e, "192.0.2.1", &c), 0);
	assert_int_equal(store_commit(f->store), 0);
	return c;
}

static void hello(struct fixture *f, const struct client_record *c, const char *address,
	uint16_t port, bool dialled)
{
	const struct listening_hello h = { .client = c->id,
		.tls_pin = c->tls_pin,
		.address = address,
		.port = port,
		.dialled = dialled,
		.next = fixture_wall + HOUR };

	assert_int_equal(store_begin(f->store), 0);
	assert_int_equal(store_listening_hello(f->store, &h), 0);
	assert_int_equal(store_commit(f->store), 0);
}

static struct listening_record get(struct fixture *f, const struct client_record *c)
{
	struct listening_record l;

	assert_int_equal(store_listening_get(f->store, c->id, &l), 0);
	return l;
}

static void where_a_machine_listens_is_where_it_came_from(void **state)
{
	struct fixture *f = *state;
	struct client_record c = a_client(f, 1);
	struct listening_record l;

	assert_int_equal(store_listening_get(f->store, c.id, &l), -ENOENT);
	hello(f, &c, "192.0.2.7", 8444, false);
	l = get(f, &c);
	assert_string_equal(l.address, "192.0.2.7");
	assert_int_equal(l.port, 8444);
	assert_memory_equal(l.tls_pin, c.tls_pin, PIN_SIZE);
	assert_int_equal(l.next, fixture_wall + HOUR);
	assert_int_equal(l.seen, 0);
	/* On a connection of the server's own it only changes the port. */
	hello(f, &c, "198.51.100.9", 8445, true);
	l = get(f, &c);
	assert_string_equal(l.address, "192.0.2.7");
	assert_int_equal(l.port, 8445);
	assert_int_equal(l.seen, fixture_wall);
	/* And it may move. */
	hello(f, &c, "192.0.2.8", 8445, false);
	assert_string_equal(get(f, &c).address, "192.0.2.8");
	assert_int_equal(get(f, &c).seen, fixture_wall);
}

static void one_dial_is_claimed_by_one_server(void **state)
{
	struct fixture *f = *state;
	struct client_record c = a_client(f, 1);
	struct listening_record l, again;

	hello(f, &c, "192.0.2.7", 8444, false);
	assert_int_equal(store_listening_due(f->store, fixture_wall, &l), -ENOENT);
	assert_int_equal(store_listening_due(f->store, fixture_wall + HOUR, &l), 0);
	again = l;
	assert_int_equal(store_begin(f->store), 0);
	assert_int_equal(store_listening_claim(f->store, &l, fixture_wall + 2 * HOUR), 1);
	assert_int_equal(store_listening_claim(f->store, &again, fixture_wall + 2 * HOUR), 0);
	assert_int_equal(store_commit(f->store), 0);
	assert_int_equal(get(f, &c).fails, 1);
	assert_int_equal(store_listening_due(f->store, fixture_wall + HOUR, &l), -ENOENT);
	assert_int_equal(store_begin(f->store), 0);
	assert_int_equal(store_listening_failed(f->store, c.id, "Connection refused"), 0);
	assert_int_equal(store_commit(f->store), 0);
	assert_string_equal(get(f, &c).error, "Connection refused");
	/* A HELLO is the end of all that. */
	hello(f, &c, "", 8444, true);
	assert_int_equal(get(f, &c).fails, 0);
	assert_string_equal(get(f, &c).error, "");
}

static void the_earliest_is_dialled_first_and_never_later_than_told(void **state)
{
	struct fixture *f = *state;
	struct client_record c[3];
	struct listening_record l;
	uint64_t next;

	assert_int_equal(store_listening_next(f->store, &next), -ENOENT);
	for (uint32_t i = 0; i < 3; i++) {
		c[i] = a_client(f, i);
		hello(f, &c[i], "192.0.2.7", 8444, false);
	}
	assert_int_equal(store_begin(f->store), 0);
	assert_int_equal(store_listening_by(f->store, c[1].id, fixture_wall + 5), 0);
	assert_int_equal(store_listening_by(f->store, c[2].id, fixture_wall + 1), 0);
	assert_int_equal(store_listening_by(f->store, c[2].id, fixture_wall + 9), 0);
	assert_int_equal(store_commit(f->store), 0);
	assert_int_equal(store_listening_next(f->store, &next), 0);
	assert_int_equal(next, fixture_wall + 1);
	assert_int_equal(store_listening_due(f->store, fixture_wall + 100, &l), 0);
	assert_memory_equal(l.client, c[2].id, CLIENT_ID_SIZE);
}

static void after_a_push_each_is_looked_at_once(void **state)
{
	struct fixture *f = *state;
	struct client_record a = a_client(f, 1), b = a_client(f, 2);
	struct listening_record l;
	int looked = 0;

	hello(f, &a, "192.0.2.7", 8444, false);
	hello(f, &b, "192.0.2.8", 8444, false);
	assert_int_equal(store_listening_doubtful(f->store, &l), -ENOENT);
	assert_int_equal(store_begin(f->store), 0);
	assert_int_equal(store_listening_doubt(f->store), 0);
	assert_int_equal(store_listening_doubt(f->store), 0);
	while (store_listening_doubtful(f->store, &l) == 0) {
		assert_int_equal(store_listening_sure(f->store, l.client), 0);
		looked++;
	}
	assert_int_equal(store_commit(f->store), 0);
	assert_int_equal(looked, 2);
}

static void an_administrators_address_is_another_and_stays(void **state)
{
	struct fixture *f = *state;
	struct client_record c = a_client(f, 1);

	hello(f, &c, "192.0.2.7", 8444, false);
	assert_int_equal(store_begin(f->store), 0);
	assert_int_equal(store_listening_fix(f->store, &c, "198.51.100.1:443", "uid:0(root)"), 0);
	assert_int_equal(store_commit(f->store), 0);
	assert_string_equal(get(f, &c).fixed, "198.51.100.1:443");
	assert_int_equal(get(f, &c).next, fixture_wall);
	hello(f, &c, "192.0.2.9", 8444, false);
	assert_string_equal(get(f, &c).fixed, "198.51.100.1:443");
	assert_int_equal(store_begin(f->store), 0);
	assert_int_equal(store_listening_end(f->store, c.id), 0);
	assert_int_equal(store_commit(f->store), 0);
	assert_int_equal(get(f, &c).port, 0);
	assert_string_equal(get(f, &c).fixed, "198.51.100.1:443");
	assert_int_equal(raw_number(f->path, "SELECT count(*) FROM audit WHERE act = "
					     "'client.address'"),
		1);
}

struct seen {
	size_t count;
	uint8_t ids[8][CLIENT_ID_SIZE];
};

static int see(void *userdata, const uint8_t *client)
{
	struct seen *all = userdata;

	memcpy(all->ids[all->count++], client, CLIENT_ID_SIZE);
	return 0;
}

static size_t reachable(struct fixture *f, const uint8_t *after, uint32_t limit, struct seen *ret)
{
	*ret = (struct seen){};
	assert_int_equal(store_listening_each(f->store, after, limit, see, ret), 0);
	return ret->count;
}

static void who_was_not_reached_or_cannot_be_is_not_counted_on(void **state)
{
	struct fixture *f = *state;
	struct client_record a = a_client(f, 1), b = a_client(f, 2), c = a_client(f, 3);
	struct seen all, rest;

	assert_int_equal(reachable(f, NULL, 9, &all), 0);
	hello(f, &a, "192.0.2.1", 8444, false);
	hello(f, &b, "192.0.2.2", 8444, false);
	hello(f, &c, "", 8444, false);
	assert_int_equal(reachable(f, NULL, 9, &all), 2);
	assert_true(memcmp(all.ids[0], all.ids[1], CLIENT_ID_SIZE) < 0);
	assert_int_equal(reachable(f, NULL, 1, &rest), 1);
	assert_int_equal(reachable(f, all.ids[0], 9, &rest), 1);
	assert_memory_equal(rest.ids[0], all.ids[1], CLIENT_ID_SIZE);
	assert_int_equal(reachable(f, all.ids[1], 9, &rest), 0);
	for (int i = 0; i < 2; i++) {
		struct listening_record l = get(f, &a);

		assert_int_equal(reachable(f, NULL, 9, &all), 2);
		assert_int_equal(store_begin(f->store), 0);
		assert_int_equal(store_listening_claim(f->store, &l, l.next + HOUR), 1);
		assert_int_equal(store_commit(f->store), 0);
	}
	assert_int_equal(reachable(f, NULL, 9, &all), 1);
	assert_memory_equal(all.ids[0], b.id, CLIENT_ID_SIZE);
	hello(f, &a, "192.0.2.1", 8444, true);
	assert_int_equal(reachable(f, NULL, 9, &all), 2);
}

static void who_does_not_listen_has_no_row(void **state)
{
	struct fixture *f = *state;
	struct client_record c = a_client(f, 1);
	struct listening_record l;

	hello(f, &c, "192.0.2.7", 8444, false);
	assert_int_equal(store_begin(f->store), 0);
	assert_int_equal(store_listening_end(f->store, c.id), 0);
	assert_int_equal(store_listening_get(f->store, c.id, &l), -ENOENT);
	assert_int_equal(store_listening_fix(f->store, &c, "", "uid:0(root)"), 0);
	assert_int_equal(store_listening_get(f->store, c.id, &l), -ENOENT);
	assert_int_equal(store_listening_by(f->store, c.id, 1), 0);
	assert_int_equal(store_listening_get(f->store, c.id, &l), -ENOENT);
	assert_int_equal(store_commit(f->store), 0);
}

/* It has to learn that it is a client no more. */
static void of_a_removed_machine_it_stays_known(void **state)
{
	static const struct client_order order = { .actor = "uid:0(root)" };
	struct fixture *f = *state;
	struct client_record c = a_client(f, 1), now;
	char id[CLIENT_ID_TEXT_SIZE];

	sodium_bin2hex(id, sizeof(id), c.id, sizeof(c.id));
	hello(f, &c, "192.0.2.7", 8444, false);
	assert_int_equal(store_begin(f->store), 0);
	assert_int_equal(store_client_change(f->store, id, CLIENT_REMOVE, &order, &now), 1);
	assert_int_equal(store_commit(f->store), 0);
	assert_string_equal(get(f, &c).address, "192.0.2.7");
	assert_int_equal(store_begin(f->store), 0);
	assert_int_equal(store_listening_drop(f->store, c.id), 0);
	assert_int_equal(store_commit(f->store), 0);
	assert_int_equal(raw_number(f->path, "SELECT count(*) FROM client_listening"), 0);
}

static void an_address_is_one_machines_and_has_a_port(void **state)
{
	static const char *const good[] = { "192.0.2.1:8444", "[2001:db8::1]:1",
		"127.0.0.1:65535" };
	static const char *const bad[] = { "", "8444", "192.0.2.1", "192.0.2.1:0",
		"192.0.2.1:65536", "192.0.2.1:8444 ", "192.0.2.1:-1", "192.0.2.1:8444/x",
		"host:8444", "[::]:8444", "0.0.0.0:8444", "224.0.0.1:8444", "255.255.255.255:1",
		"[ff02::1]:8444", "2001:db8::1:8444", "[2001:db8::1]", "[::ffff:0.0.0.0]:1",
		"file:///etc/passwd" };
	struct sockaddr_storage to;

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++)
		assert_int_equal(dialer_parse(good[i], &to), 0);
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_int_equal(dialer_parse(bad[i], &to), -EINVAL);
}

static bool dialable(const char *text)
{
	struct source s = {};

	assert_int_equal(inet_pton(AF_INET6, text, &s.address), 1);
	return source_may_be_dialled(&s);
}

/* What a machine's own connection can never make the server dial. */
static void the_server_dials_neither_itself_nor_links_nor_groups(void **state)
{
	static const char *const bad[] = { "::", "::1", "::ffff:127.0.0.1",
		"::ffff:127.255.255.254", "::ffff:0.0.0.0", "::ffff:0.1.2.3",
		"::ffff:169.254.169.254", "::ffff:224.0.0.1", "::ffff:255.255.255.255", "fe80::1",
		"ff02::1", "::127.0.0.1", "::192.0.2.1" };

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_false(dialable(bad[i]));
	assert_true(dialable("::ffff:192.0.2.1"));
	assert_true(dialable("::ffff:10.99.0.11"));
	assert_true(dialable("2001:db8::1"));
	assert_true(dialable("fd00::1"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
		T(where_a_machine_listens_is_where_it_came_from),
		T(one_dial_is_claimed_by_one_server),
		T(the_earliest_is_dialled_first_and_never_later_than_told),
		T(after_a_push_each_is_looked_at_once),
		T(an_administrators_address_is_another_and_stays),
		T(who_was_not_reached_or_cannot_be_is_not_counted_on),
		T(who_does_not_listen_has_no_row),
		T(of_a_removed_machine_it_stays_known),
		T(an_address_is_one_machines_and_has_a_port),
		T(the_server_dials_neither_itself_nor_links_nor_groups),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

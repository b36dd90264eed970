/* SPDX-License-Identifier: MIT */
#include "server-fixture.h"

#include <arpa/inet.h>
#include <sodium.h>

#include "server/delivery.h"
#include "server/store/webhooks.h"

/* ---- patterns */

static void patterns_are_acts_or_beginnings_of_acts(void **state)
{
	static const char *const good[] = { "*", "token.create", "client.*", "cl*",
		"token.create,client.*", "a-b.c" };
	static const char *const bad[] = { "", ",", "token.create,", ",token.create", "a,,b", "**",
		"*a", "a*b", "Token.create", "a b", "a\n", "a;b", "token_create", "1" };

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++)
		assert_true(webhook_events_ok(good[i]));
	for (size_t i = 0; i < COUNT(bad); i++)
		if (webhook_events_ok(bad[i]))
			fail_msg("'%s' is taken", bad[i]);
}

static void patterns_that_are_too_long_are_refused(void **state)
{
	char text[WEBHOOK_EVENTS_SIZE + 1] = "";

	(void)state;
	memset(text, 'a', WEBHOOK_EVENTS_SIZE);
	assert_false(webhook_events_ok(text));
	text[WEBHOOK_EVENTS_SIZE - 1] = '\0';
	assert_true(webhook_events_ok(text));
}

static void a_hook_wants_what_its_patterns_say(void **state)
{
	(void)state;
	assert_true(webhook_wants("*", "anything"));
	assert_true(webhook_wants("token.create", "token.create"));
	assert_true(webhook_wants("a,token.*", "token.create"));
	assert_true(webhook_wants("token.*,a", "a"));
	assert_true(webhook_wants("token.*", "token."));
	assert_false(webhook_wants("token.create", "token.created"));
	assert_false(webhook_wants("token.created", "token.create"));
	assert_false(webhook_wants("token.*", "token"));
	assert_false(webhook_wants("token.*,client", "client.enrol"));
}

/* ---- the store */

static struct webhook_record make(struct store *s, const char *events)
{
	struct webhook_spec spec = {
		.url = "https://example.org/secret-path", .events = events, .actor = "uid:0(root)"
	};
	struct webhook_record w;

	assert_int_equal(store_begin(s), 0);
	assert_int_equal(store_webhook_create(s, &spec, &w), 0);
	assert_int_equal(store_commit(s), 0);
	return w;
}

static int note_detail(void *userdata, const struct audit_record *a)
{
	snprintf(userdata, 256, "%s %s %s", a->act, a->object, a->detail);
	return 0;
}

static void a_hook_starts_behind_its_own_making_which_is_audited(void **state)
{
	struct fixture *f = *state;
	struct webhook_record w = make(f->store, "*");
	char detail[256] = "", wanted[256];
	uint64_t last = 0;

	assert_int_equal(store_audit_count(f->store, &last), 0);
	assert_int_equal(w.position, last);
	assert_int_equal(store_audit_each(f->store, 0, 0, note_detail, detail), 0);
	/* What may be a secret in the URL is not for the audit log. */
	snprintf(wanted, sizeof(wanted), "webhook.create %s to=https://example.org events=*", w.id);
	assert_string_equal(detail, wanted);
}

static void secrets_differ_stay_and_are_stored_nowhere(void **state)
{
	struct fixture *f = *state;
	struct webhook_record a = make(f->store, "*"), b = make(f->store, "*");
	uint8_t one[WEBHOOK_SECRET_SIZE], again[WEBHOOK_SECRET_SIZE], other[WEBHOOK_SECRET_SIZE];

	assert_int_equal(store_webhook_secret(f->store, a.id, one), 0);
	assert_int_equal(store_webhook_secret(f->store, b.id, other), 0);
	assert_memory_not_equal(one, other, sizeof(one));
	reopen(f);
	assert_int_equal(store_webhook_secret(f->store, a.id, again), 0);
	assert_memory_equal(one, again, sizeof(one));
	/* All the bytes that there are in a row are the salt's: too few to be a secret. */
	assert_int_equal(
		raw_number(f->path, "SELECT count(*) FROM webhook WHERE length(salt) = 16"), 2);
	assert_int_equal(store_webhook_secret(f->store, "w-none", one), -ENOENT);
}

static void how_far_it_has_come_never_goes_back(void **state)
{
	struct fixture *f = *state;
	struct webhook_record w = make(f->store, "*");

	assert_int_equal(store_begin(f->store), 0);
	assert_int_equal(store_webhook_failed(f->store, w.id, "refused", false), 0);
	assert_int_equal(store_webhook_done(f->store, w.id, w.position + 5, true), 0);
	assert_int_equal(store_webhook_done(f->store, w.id, w.position + 4, true), -ENOENT);
	assert_int_equal(store_webhook_done(f->store, w.id, w.position + 5, false), -ENOENT);
	assert_int_equal(store_webhook_done(f->store, w.id, w.position + 9, false), 0);
	assert_int_equal(store_webhook_done(f->store, "w-none", 99, true), -ENOENT);
	assert_int_equal(store_commit(f->store), 0);
	assert_int_equal(store_webhook_get(f->store, w.id, &w), 0);
	assert_int_equal(w.position, 1 + 9);
	assert_int_equal(w.delivered, fixture_wall);
	assert_int_equal(w.failing_since, 0);
	assert_string_equal(w.error, "");
}

static void failing_is_since_the_first_failure(void **state)
{
	struct fixture *f = *state;
	struct webhook_record w = make(f->store, "*");
	uint64_t since = fixture_wall;

	assert_int_equal(store_begin(f->store), 0);
	assert_int_equal(store_webhook_failed(f->store, w.id, "first", false), 0);
	fixture_wall += 100;
	assert_int_equal(store_webhook_failed(f->store, w.id, "second", true), 0);
	assert_int_equal(store_webhook_failed(f->store, "w-none", "x", true), -ENOENT);
	assert_int_equal(store_commit(f->store), 0);
	assert_int_equal(store_webhook_get(f->store, w.id, &w), 0);
	assert_int_equal(w.failing_since, since);
	assert_int_equal(w.disabled, since + 100);
	assert_string_equal(w.error, "second");

	assert_int_equal(store_begin(f->store), 0);
	assert_int_equal(store_webhook_enable(f->store, w.id, "uid:0", &w), 0);
	assert_int_equal(store_commit(f->store), 0);
	assert_int_equal(w.disabled + w.failing_since, 0);
}

static void there_is_a_bound_to_the_hooks(void **state)
{
	struct fixture *f = *state;
	struct webhook_spec spec = { .url = "https://x", .events = "*", .actor = "a" };
	struct webhook_record w;

	for (int i = 0; i < WEBHOOKS_MAX; i++)
		w = make(f->store, "*");
	assert_int_equal(store_begin(f->store), 0);
	assert_int_equal(store_webhook_create(f->store, &spec, &w), -E2BIG);
	assert_int_equal(store_webhook_get(f->store, "w-", &w), -ENOTUNIQ);
	assert_int_equal(store_webhook_get(f->store, "x", &w), -ENOENT);
	assert_int_equal(store_webhook_remove(f->store, "x", "a", &w), -ENOENT);
	store_rollback(f->store);
}

/* ---- deliveries */

static void a_message_is_signed_as_the_standard_says(void **state)
{
	/* From the test vectors of standardwebhooks.com's own libraries. */
	struct delivery_spec spec = { .id = "msg_p5jXN8AQM9LWM0D4loKWxJek",
		.time = 1614265330,
		.body = "{\"test\": 2432232314}" };
	static const char key[] = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
	char signature[DELIVERY_SIGNATURE_SIZE];
	crypto_auth_hmacsha256_state h;
	uint8_t secret[24], mac[32];
	char expected[64] = "v1,", text[128];

	(void)state;
	/* Their secret is of 24 bytes: HMAC pads a key with zeros, so it is one of 32 bytes as well. */
	assert_int_equal(sodium_base642bin(secret, sizeof(secret), key, strlen(key), NULL, NULL,
				 NULL, sodium_base64_VARIANT_ORIGINAL),
		0);
	memcpy(spec.secret, secret, sizeof(secret));
	delivery_sign(&spec, signature);
	assert_string_equal(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");

	snprintf(text, sizeof(text), "%s.%llu.%s", spec.id, (unsigned long long)spec.time,
		spec.body);
	crypto_auth_hmacsha256_init(&h, secret, sizeof(secret));
	crypto_auth_hmacsha256_update(&h, (const uint8_t *)text, strlen(text));
	crypto_auth_hmacsha256_final(&h, mac);
	sodium_bin2base64(
		expected + 3, sizeof(expected) - 3, mac, 32, sodium_base64_VARIANT_ORIGINAL);
	assert_string_equal(signature, expected);
}

static void urls_that_are_not_plain_are_refused(void **state)
{
	static const char *const bad[] = { "", "example.org", "ftp://example.org/",
		"file:///etc/passwd", "gopher://x/", "https://", "https://user@example.org/",
		"https://user:password@example.org/", "https://example.org/#part",
		"https://exa mple.org/", "https://example.org/\"", "javascript:alert(1)",
		"HTTPS//x", "https:/\\x", "data:text/plain,x", "http://example.org/" };
	struct delivery_rules strict = {}, plain = { .plain = true };

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++)
		if (!delivery_refuses(bad[i], &strict))
			fail_msg("'%s' is taken", bad[i]);
	assert_null(delivery_refuses("https://example.org", &strict));
	assert_null(delivery_refuses("https://example.org:8443/a/b?c=d", &strict));
	assert_null(delivery_refuses("http://example.org/", &plain));
	assert_non_null(delivery_refuses("ftp://example.org/", &plain));
}

static bool may_be(const char *text, const struct delivery_rules *rules)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };

	if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
		return delivery_address_ok((struct sockaddr *)&v4, rules);
	assert_int_equal(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
	return delivery_address_ok((struct sockaddr *)&v6, rules);
}

static void the_machine_itself_is_no_place_to_deliver_to(void **state)
{
	static const char *const bad[] = { "127.0.0.1", "127.255.255.254", "0.0.0.0", "0.1.2.3",
		"169.254.169.254", "224.0.0.1", "255.255.255.255", "240.0.0.1", "::", "::1",
		"fe80::1", "febf::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254",
		"::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::1",
		"2002:a9fe:a9fe::1" };
	static const char *const good[] = { "192.0.2.1", "10.0.0.1", "192.168.1.1", "172.16.0.1",
		"1.1.1.1", "2001:db8::1", "fd00::1", "::ffff:192.0.2.1", "64:ff9b::c000:201" };
	struct delivery_rules strict = {}, local = { .local = true };
	struct sockaddr other = { .sa_family = AF_UNIX };

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		if (may_be(bad[i], &strict))
			fail_msg("%s may be delivered to", bad[i]);
		assert_true(may_be(bad[i], &local));
	}
	for (size_t i = 0; i < COUNT(good); i++)
		if (!may_be(good[i], &strict))
			fail_msg("%s may not be delivered to", good[i]);
	assert_false(delivery_address_ok(&other, &strict));
	assert_false(delivery_address_ok(&other, &local));
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(patterns_are_acts_or_beginnings_of_acts),
		T(patterns_that_are_too_long_are_refused),
		T(a_hook_wants_what_its_patterns_say),
		T(a_hook_starts_behind_its_own_making_which_is_audited),
		T(secrets_differ_stay_and_are_stored_nowhere),
		T(how_far_it_has_come_never_goes_back),
		T(failing_is_since_the_first_failure),
		T(there_is_a_bound_to_the_hooks),
		T(a_message_is_signed_as_the_standard_says),
		T(urls_that_are_not_plain_are_refused),
		T(the_machine_itself_is_no_place_to_deliver_to),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
#include "server-ask.h"

/* ---- tokens */

static void a_token_is_made_with_what_was_asked(void **state)
{
	struct api_fixture *a = *state;
	json_t *labels;

	assert_int_equal(ask(a, "POST", "/api/v1/tokens",
				 "{\"labels\":[\"b\",\"a=1\"],\"uses\":5,\"expires\":\"2h\","
				 "\"note\":\"h\\u00e9\"}"),
		201);
	assert_int_equal(strlen(answered(a, "token")), 16);
	assert_string_equal(answered(a, "state"), "live");
	assert_string_equal(answered(a, "note"), "h\xc3\xa9");
	assert_string_equal(answered(a, "created_by"), "uid:0(root)");
	assert_string_equal(answered(a, "created"), "2027-01-15T08:00:00Z");
	assert_string_equal(answered(a, "expires"), "2027-01-15T10:00:00Z");
	labels = json_object_get(a->answer, "labels");
	assert_string_equal(json_string_value(json_array_get(labels, 0)), "a=1");
	assert_string_equal(json_string_value(json_array_get(labels, 1)), "b");
	assert_int_equal(json_integer_value(json_object_get(a->answer, "uses")), 5);
	assert_int_equal(json_integer_value(json_object_get(a->answer, "used")), 0);
}

static void without_wishes_it_has_one_use_and_a_day(void **state)
{
	struct api_fixture *a = *state;

	assert_int_equal(ask(a, "POST", "/api/v1/tokens", "{}"), 201);
	assert_int_equal(json_integer_value(json_object_get(a->answer, "uses")), 1);
	assert_string_equal(answered(a, "expires"), "2027-01-16T08:00:00Z");
	assert_true(json_is_null(json_object_get(a->answer, "note")));
	assert_int_equal(ask(a, "POST", "/api/v1/tokens", NULL), 201);
	assert_int_equal(ask(a, "POST", "/api/v1/tokens",
				 "{\"uses\":null,\"expires\":\"never\",\"note\":null}"),
		201);
	assert_true(json_is_null(json_object_get(a->answer, "uses")));
	assert_true(json_is_null(json_object_get(a->answer, "expires")));
}

static void expiry_is_a_duration_or_a_time(void **state)
{
	static const char *const good[][2] = {
		{ "90s", "2027-01-15T08:01:30Z" },
		{ "7d", "2027-01-22T08:00:00Z" },
		{ "2027-02-01T00:00Z", "2027-02-01T00:00:00Z" },
		{ "2027-02-01T00:00:30Z", "2027-02-01T00:00:30Z" },
		{ "2027-02-01T01:30:00+01:30", "2027-02-01T00:00:00Z" },
		{ "2028-02-29T00:00:00-01:00", "2028-02-29T01:00:00Z" },
	};
	static const char *const bad[] = { "", " ", "0s", "-1h", "1y", "tomorrow", "NEVER",
		"2027-02-30T00:00Z", "2026-01-01T00:00Z", "2027-01-15T08:00:00Z",
		"2027-02-01T00:00", "2027-02-01T00:00+1:00", "2027-02-01T00:00+99:00",
		"2027-02-01T00:00:00Zx", "2027-13-01T00:00Z", "2027-02-01 00:00Z",
		"9999-01-01T00:00Z", "99999999999999999999d", "101d; rm -rf /" };
	struct api_fixture *a = *state;
	char body[256];

	for (size_t i = 0; i < COUNT(good); i++) {
		snprintf(body, sizeof(body), "{\"expires\":\"%s\"}", good[i][0]);
		assert_int_equal(ask(a, "POST", "/api/v1/tokens", body), 201);
		assert_string_equal(answered(a, "expires"), good[i][1]);
	}
	for (size_t i = 0; i < COUNT(bad); i++) {
		snprintf(body, sizeof(body), "{\"expires\":\"%s\"}", bad[i]);
		if (ask(a, "POST", "/api/v1/tokens", body) != 400)
			fail_msg("taken: %s", bad[i]);
		assert_string_equal(a->code, "bad-field");
		assert_non_null(strstr(answered(a, "detail"), "'expires'"));
	}
}

static void what_is_wrong_with_a_field_is_said_by_its_name(void **state)
{
	static const struct {
		const char *body, *code, *name;
	} bad[] = {
		{ "{\"uses\":0}", "bad-field", "'uses'" },
		{ "{\"uses\":-1}", "bad-field", "'uses'" },
		{ "{\"uses\":4294967295}", "bad-field", "'uses'" },
		{ "{\"uses\":4294967297}", "bad-field", "'uses'" },
		{ "{\"uses\":1.5}", "bad-field", "'uses'" },
		{ "{\"uses\":\"1\"}", "bad-field", "'uses'" },
		{ "{\"uses\":true}", "bad-field", "'uses'" },
		{ "{\"labels\":\"a\"}", "bad-field", "'labels'" },
		{ "{\"labels\":[1]}", "bad-field", "'labels'" },
		{ "{\"labels\":[[\"a\"]]}", "bad-field", "'labels'" },
		{ "{\"labels\":{\"a\":1}}", "bad-field", "'labels'" },
		{ "{\"labels\":[\"a=1\",\"a=2\"]}", "bad-field", "'labels'" },
		{ "{\"labels\":[\"A B\"]}", "bad-field", "'labels'" },
		{ "{\"labels\":[\"$(id)\"]}", "bad-field", "'labels'" },
		{ "{\"labels\":[\"a=\\u001b[31m\"]}", "bad-field", "'labels'" },
		{ "{\"labels\":[\"\"]}", "bad-field", "'labels'" },
		{ "{\"approve\":1}", "bad-field", "'approve'" },
		{ "{\"approve\":\"true\"}", "bad-field", "'approve'" },
		{ "{\"note\":1}", "bad-field", "'note'" },
		{ "{\"note\":\"a\\nb\"}", "bad-field", "'note'" },
		{ "{\"note\":\"\\u202egpj\"}", "bad-field", "'note'" },
		{ "{\"expires\":86400}", "bad-field", "'expires'" },
		{ "{\"use\":1}", "unknown-field", "'use'" },
		{ "{\"\":1}", "unknown-field", "''" },
		{ "{\"uses\":1,\"uses\":2}", "not-json", "" },
		{ "{\"uses\":1", "not-json", "" },
		{ "[]", "not-json", "object" },
		{ "1", "not-json", "" },
		{ "\"uses\"", "not-json", "" },
		{ "{} {}", "not-json", "" },
		{ "{\"note\":\"\\u0000\"}", "not-json", "" },
		{ "{\"note\":\"\xff\"}", "not-json", "" },
	};
	struct api_fixture *a = *state;

	for (size_t i = 0; i < COUNT(bad); i++) {
		if (ask(a, "POST", "/api/v1/tokens", bad[i].body) != 400)
			fail_msg("taken: %s", bad[i].body);
		if (strcmp(a->code, bad[i].code) != 0 ||
			!strstr(answered(a, "detail"), bad[i].name))
			fail_msg("%s: %s: %s", bad[i].body, a->code, answered(a, "detail"));
		assert_string_equal(answered(a, "type"), "about:blank");
		assert_int_equal(json_integer_value(json_object_get(a->answer, "status")), 400);
	}
	assert_int_equal(raw_number(a->store->path, "SELECT count(*) FROM token"), 0);
	assert_int_equal(raw_number(a->store->path, "SELECT count(*) FROM audit"), 0);
}

static void limits_are_kept(void **state)
{
	struct api_fixture *a = *state;
	static char body[API_BODY_MAX + 100];
	size_t at = 0;

	memset(body, '[', 60000);
	memcpy(body, "{\"labels\":", 10);
	assert_int_equal(ask(a, "POST", "/api/v1/tokens", body), 400);
	at = (size_t)sprintf(body, "{\"note\":\"");
	memset(body + at, 'x', 257);
	strcpy(body + at + 257, "\"}");
	assert_int_equal(ask(a, "POST", "/api/v1/tokens", body), 400);
	strcpy(body + at + 256, "\"}");
	assert_int_equal(ask(a, "POST", "/api/v1/tokens", body), 201);
	at = (size_t)sprintf(body, "{\"labels\":[\"l0\"");
	for (int i = 1; i < 32; i++)
		at += (size_t)sprintf(body + at, ",\"l%d\"", i);
	strcpy(body + at, "]}");
	assert_int_equal(ask(a, "POST", "/api/v1/tokens", body), 201);
	strcpy(body + at, ",\"l32\"]}");
	assert_int_equal(ask(a, "POST", "/api/v1/tokens", body), 400);
	memset(body, ' ', sizeof(body));
	body[API_BODY_MAX + 1] = '\0';
	assert_int_equal(ask(a, "POST", "/api/v1/tokens", body), 413);
}

static void tokens_are_listed_shown_and_revoked(void **state)
{
	struct api_fixture *a = *state;
	char path[128], next[32];
	json_t *first;

	for (int i = 0; i < 5; i++)
		assert_int_equal(ask(a, "POST", "/api/v1/tokens", "{}"), 201);
	assert_int_equal(ask(a, "GET", "/api/v1/tokens?limit=3", NULL), 200);
	assert_int_equal(json_array_size(json_object_get(a->answer, "tokens")), 3);
	first = json_array_get(json_object_get(a->answer, "tokens"), 0);
	assert_null(json_object_get(first, "token"));
	snprintf(path, sizeof(path), "/api/v1/tokens/%s",
		json_string_value(json_object_get(first, "id")));
	snprintf(next, sizeof(next), "%s", answered(a, "next"));
	assert_int_equal(strlen(next), 12);
	assert_int_equal(ask(a, "GET", path, NULL), 200);
	assert_true(json_is_array(json_object_get(a->answer, "clients")));
	strcat(path, "/revoke");
	assert_int_equal(ask(a, "POST", path, NULL), 200);
	assert_string_equal(answered(a, "state"), "revoked");
	assert_string_equal(answered(a, "revoked"), "2027-01-15T08:00:00Z");
	assert_int_equal(ask(a, "POST", path, "{}"), 200);
	assert_int_equal(ask(a, "POST", path, "{\"x\":1}"), 400);
	snprintf(path, sizeof(path), "/api/v1/tokens?limit=3&after=%s", next);
	assert_int_equal(ask(a, "GET", path, NULL), 200);
	assert_int_equal(json_array_size(json_object_get(a->answer, "tokens")), 2);
	assert_true(json_is_null(json_object_get(a->answer, "next")));
	assert_int_equal(ask(a, "GET", "/api/v1/tokens/u", NULL), 404);
	assert_int_equal(ask(a, "GET", "/api/v1/tokens/t-", NULL), 404);
	assert_string_equal(a->code, "not-found");
}

static void the_newest_tokens_come_first_when_asked_for(void **state)
{
	static const char *const bad[] = { "order=oldest", "order=", "state=live",
		"order=newest&state=revoked", "order=newest&order=newest", "sort=newest" };
	struct api_fixture *a = *state;
	char path[128];

	for (int i = 0; i < 3; i++)
		assert_int_equal(ask(a, "POST", "/api/v1/tokens", "{}"), 201);
	for (size_t i = 0; i < COUNT(bad); i++) {
		snprintf(path, sizeof(path), "/api/v1/tokens?%s", bad[i]);
		assert_int_equal(ask(a, "GET", path, NULL), 400);
	}
	assert_int_equal(ask(a, "GET", "/api/v1/tokens?order=newest&limit=2", NULL), 200);
	assert_int_equal(json_array_size(json_object_get(a->answer, "tokens")), 2);
	snprintf(path, sizeof(path), "/api/v1/tokens?order=newest&state=live&after=%s",
		answered(a, "next"));
	assert_int_equal(ask(a, "GET", path, NULL), 200);
	assert_int_equal(json_array_size(json_object_get(a->answer, "tokens")), 1);
	assert_true(json_is_null(json_object_get(a->answer, "next")));
}

/* ---- clients */

static void clients_come_in_pages(void **state)
{
	struct api_fixture *a = *state;
	char path[128] = "/api/v1/clients?limit=100";
	size_t n = 0, pages = 0;

	enrol_some(a, 250);
	do {
		assert_int_equal(ask(a, "GET", path, NULL), 200);
		n += json_array_size(json_object_get(a->answer, "clients"));
		pages++;
		snprintf(path, sizeof(path), "/api/v1/clients?limit=100&after=%s",
			answered(a, "next"));
	} while (*answered(a, "next"));
	assert_int_equal(n, 250);
	assert_int_equal(pages, 3);
	assert_int_equal(ask(a, "GET", "/api/v1/clients", NULL), 200);
	assert_int_equal(json_array_size(json_object_get(a->answer, "clients")), 100);
}

static void a_client_has_every_field(void **state)
{
	static const char *const fields[] = { "id", "hostname", "labels", "state", "since",
		"reason", "connected", "address", "enrolled", "last_hello", "token", "os", "kernel",
		"arch", "version", "uptime", "boot_id", "machine", "key", "tls_pin", "replaces",
		"replaced_by", "ephemeral", "cloned_from", "clone", "mode" };
	struct api_fixture *a = *state;
	char path[128];
	json_t *c;

	enrol_some(a, 1);
	assert_int_equal(ask(a, "GET", "/api/v1/clients", NULL), 200);
	c = json_array_get(json_object_get(a->answer, "clients"), 0);
	for (size_t i = 0; i < COUNT(fields); i++)
		if (!json_object_get(c, fields[i]))
			fail_msg("no field %s", fields[i]);
	assert_int_equal(json_object_size(c), COUNT(fields));
	assert_true(json_is_null(json_object_get(c, "last_hello")));
	assert_true(json_is_null(json_object_get(c, "kernel")));
	snprintf(path, sizeof(path), "/api/v1/clients/%.6s",
		json_string_value(json_object_get(c, "id")));
	assert_int_equal(ask(a, "GET", path, NULL), 200);
	assert_string_equal(answered(a, "hostname"), "machine-0");
	assert_int_equal(ask(a, "GET", "/api/v1/clients/zz", NULL), 404);
}

static void an_id_that_fits_several_is_ambiguous(void **state)
{
	struct api_fixture *a = *state;
	int ambiguous = 0;

	enrol_some(a, 40);
	for (char digit = '0'; digit <= '9'; digit++) {
		char path[64];

		snprintf(path, sizeof(path), "/api/v1/clients/%c", digit);
		if (ask(a, "GET", path, NULL) == 409) {
			assert_string_equal(a->code, "ambiguous");
			ambiguous++;
		}
	}
	assert_true(ambiguous > 0);
}

static void what_machines_say_is_escaped(void **state)
{
	struct api_fixture *a = *state;
	json_t *c;

	enrol_some(a, 1);
	assert_int_equal(
		raw(a->store->path, "UPDATE client SET hostname = char(27) || '[31m' || char(10)"
				    " || char(8238) || '\"</script>'"),
		0);
	if (!on_postgresql()) /* which has no such text */
		assert_int_equal(
			raw(a->store->path, "UPDATE client SET os = CAST(x'ff41' AS TEXT)"), 0);
	assert_int_equal(ask(a, "GET", "/api/v1/clients", NULL), 200);
	c = json_array_get(json_object_get(a->answer, "clients"), 0);
	assert_string_equal(json_string_value(json_object_get(c, "hostname")),
		"\\x1b[31m\\x0a\\xe2\\x80\\xae\"</script>");
	assert_string_equal(json_string_value(json_object_get(c, "os")),
		on_postgresql() ? "Debian GNU/Linux 12" : "\\xffA");
}

static void clients_are_chosen_by_label_and_state(void **state)
{
	static const struct {
		const char *query;
		int status;
		size_t count;
	} queries[] = {
		{ "label=role%3Dweb", 200, 3 },
		{ "label=role=web", 200, 3 },
		{ "label=role%3ddb", 200, 0 },
		{ "label=!role", 200, 0 },
		{ "label=role!%3Ddb,role", 200, 3 },
		{ "label=*", 200, 3 },
		{ "state=enrolled", 200, 3 },
		{ "state=left", 200, 0 },
		{ "state=Left", 400, 0 },
		{ "state=", 400, 0 },
		{ "label=", 400, 0 },
		{ "label=%", 400, 0 },
		{ "label=%0", 400, 0 },
		{ "label=%zz", 400, 0 },
		{ "label=%00", 400, 0 },
		{ "label=%0a", 400, 0 },
		{ "label=a,,b", 400, 0 },
		{ "label=a&label=b", 400, 0 },
		{ "lable=a", 400, 0 },
		{ "limit=0", 400, 0 },
		{ "limit=1001", 400, 0 },
		{ "limit=-1", 400, 0 },
		{ "limit=1e2", 400, 0 },
		{ "after=xyz", 400, 0 },
		{ "after=", 400, 0 },
		{ "after=ffffffffffffffffffffffffffffffff", 200, 0 },
		{ "&&", 200, 3 },
		{ "=", 400, 0 },
	};
	struct api_fixture *a = *state;

	enrol_some(a, 3);
	for (size_t i = 0; i < COUNT(queries); i++) {
		char path[256];

		snprintf(path, sizeof(path), "/api/v1/clients?%s", queries[i].query);
		if (ask(a, "GET", path, NULL) != queries[i].status)
			fail_msg("%s", path);
		assert_int_equal(
			json_array_size(json_object_get(a->answer, "clients")), queries[i].count);
	}
}

/* ---- audit, status */

static void the_audit_log_is_listed_and_verified(void **state)
{
	struct api_fixture *a = *state;

	for (int i = 0; i < 5; i++)
		assert_int_equal(ask(a, "POST", "/api/v1/tokens", "{}"), 201);
	assert_int_equal(ask(a, "GET", "/api/v1/audit?limit=2", NULL), 200);
	assert_int_equal(json_array_size(json_object_get(a->answer, "entries")), 2);
	assert_string_equal(answered(a, "next"), "2");
	assert_int_equal(ask(a, "GET", "/api/v1/audit?after=2", NULL), 200);
	assert_int_equal(json_array_size(json_object_get(a->answer, "entries")), 3);
	assert_int_equal(ask(a, "GET", "/api/v1/audit?last=2", NULL), 200);
	assert_int_equal(json_array_size(json_object_get(a->answer, "entries")), 2);
	assert_int_equal(ask(a, "GET", "/api/v1/audit?after=-2", NULL), 400);
	assert_int_equal(ask(a, "GET", "/api/v1/audit/verify", NULL), 200);
	assert_true(json_is_true(json_object_get(a->answer, "ok")));
	assert_true(json_is_null(json_object_get(a->answer, "first_bad")));
	assert_int_equal(json_integer_value(json_object_get(a->answer, "entries")), 5);
	assert_int_equal(raw(a->store->path, "UPDATE audit SET actor = 'x' WHERE seq = 3"), 0);
	assert_int_equal(ask(a, "GET", "/api/v1/audit/verify", NULL), 200);
	assert_true(json_is_false(json_object_get(a->answer, "ok")));
	assert_int_equal(json_integer_value(json_object_get(a->answer, "first_bad")), 3);
}

static void the_status_has_keys_and_numbers(void **state)
{
	struct api_fixture *a = *state;

	assert_int_equal(ask(a, "GET", "/api/v1/status", NULL), 200);
	assert_string_equal(answered(a, "name"), "muster.example:8443");
	assert_int_equal(json_array_size(json_object_get(a->answer, "names")), 1);
	assert_int_equal(strlen(answered(a, "pin")), 52);
	assert_int_equal(strlen(answered(a, "server_key")), 66);
	assert_int_equal(strlen(answered(a, "release_key")), 56);
	assert_true(json_is_null(json_object_get(a->answer, "manifest")));
	assert_int_equal(ask(a, "GET", "/api/v1/status?x=1", NULL), 400);
}

static void a_script_needs_a_release_and_a_live_token(void **state)
{
	struct api_fixture *a = *state;
	char body[64];

	assert_int_equal(ask(a, "POST", "/api/v1/installer", "{}"), 503);
	assert_string_equal(a->code, "no-release");
	assert_int_equal(ask(a, "POST", "/api/v1/installer", "{\"token\":\"xyz\"}"), 400);
	assert_int_equal(
		ask(a, "POST", "/api/v1/installer", "{\"token\":\"0123456789abcdef\"}"), 404);
	assert_int_equal(ask(a, "POST", "/api/v1/installer", "{\"embed\":1}"), 400);
	assert_int_equal(ask(a, "POST", "/api/v1/tokens", "{\"expires\":\"1s\"}"), 201);
	snprintf(body, sizeof(body), "{\"token\":\"%s\"}", answered(a, "token"));
	fixture_wall += 2;
	assert_int_equal(ask(a, "POST", "/api/v1/installer", body), 409);
	assert_string_equal(a->code, "token-not-live");
}

/* ---- routes */

static void only_the_routes_letter_by_letter_exist(void **state)
{
	static const char *const none[] = { "/", "/api", "/api/v1", "/api/v1/", "/api/v1/status/",
		"/api/v1//status", "//api/v1/status", "/api/v1/STATUS", "/api/v1/status;x",
		"/api/v1/%73tatus", "/api/v1/status%00", "/api/v1/status/x", "/api/v2/status",
		"/api/v1/tokens/", "/api/v1/tokens/../status", "/api/v1/tokens/a/b",
		"/api/v1/tokens/a%2fb", "/api/v1/clients/..", "/api/v1/clients/%2e%2e",
		"/api/v1/audit/verify/", "/api/v1/clients/'--", "/clients/linux" };
	struct api_fixture *a = *state;

	for (size_t i = 0; i < COUNT(none); i++) {
		if (ask(a, "GET", none[i], NULL) != 404)
			fail_msg("there is something at %s", none[i]);
		assert_string_equal(a->code, "not-found");
	}
}

static void other_methods_are_refused(void **state)
{
	static const char *const methods[] = { "PUT", "DELETE", "PATCH", "OPTIONS" };
	struct api_fixture *a = *state;

	for (size_t i = 0; i < COUNT(methods); i++)
		assert_int_equal(ask(a, methods[i], "/api/v1/tokens", NULL), 405);
	assert_int_equal(ask(a, "POST", "/api/v1/status", NULL), 405);
	assert_int_equal(ask(a, "GET", "/api/v1/installer", NULL), 405);
	assert_int_equal(ask(a, "GET", "/api/v1/tokens/t-0/revoke", NULL), 405);
	assert_int_equal(ask(a, "GET", "/api/v1/status", "{}"), 400);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define A(test) cmocka_unit_test_setup_teardown(test, api_setup, api_teardown)
		A(a_token_is_made_with_what_was_asked),
		A(without_wishes_it_has_one_use_and_a_day),
		A(expiry_is_a_duration_or_a_time),
		A(what_is_wrong_with_a_field_is_said_by_its_name),
		A(limits_are_kept),
		A(tokens_are_listed_shown_and_revoked),
		A(the_newest_tokens_come_first_when_asked_for),
		A(clients_come_in_pages),
		A(a_client_has_every_field),
		A(an_id_that_fits_several_is_ambiguous),
		A(what_machines_say_is_escaped),
		A(clients_are_chosen_by_label_and_state),
		A(the_audit_log_is_listed_and_verified),
		A(the_status_has_keys_and_numbers),
		A(a_script_needs_a_release_and_a_live_token),
		A(only_the_routes_letter_by_letter_exist),
		A(other_methods_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

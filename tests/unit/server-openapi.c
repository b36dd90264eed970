/* SPDX-License-Identifier: MIT */
/* The API's description against the table of routes: each describes the other, nothing is left over. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ctype.h>
#include <string.h>

#include "server/admin/api.h"

extern const char openapi[];
extern const size_t openapi_len;

static int load(void **state)
{
	json_error_t error;
	json_t *doc = json_loadb(openapi, openapi_len, JSON_REJECT_DUPLICATES, &error);

	if (!doc)
		fail_msg("openapi.json, line %d: %s", error.line, error.text);
	*state = doc;
	return 0;
}

static int unload(void **state)
{
	json_decref(*state);
	return 0;
}

static const char *lower(const char *method)
{
	static char text[16];
	size_t i = 0;

	for (; method[i] && i + 1 < sizeof(text); i++)
		text[i] = (char)tolower((unsigned char)method[i]);
	text[i] = '\0';
	return text;
}

/* What "#/components/..." stands for; another value is itself. */
static json_t *resolved(json_t *doc, json_t *value)
{
	const char *ref = json_string_value(json_object_get(value, "$ref"));
	char part[128];
	json_t *at = doc;

	if (!ref)
		return value;
	assert_true(strncmp(ref, "#/", 2) == 0);
	for (ref += 2; *ref; ref += *ref == '/') {
		size_t len = strcspn(ref, "/");

		assert_true(len < sizeof(part));
		memcpy(part, ref, len);
		part[len] = '\0';
		at = json_object_get(at, part);
		if (!at)
			fail_msg("a reference to %s, which is not there", part);
		ref += len;
	}
	return at;
}

static void each_route_is_described(void **state)
{
	json_t *paths = json_object_get(*state, "paths");
	const char *method, *path;

	for (size_t i = 0; api_route(i, &method, &path); i++)
		if (!json_object_get(json_object_get(paths, path), lower(method)))
			fail_msg("openapi.json doesn't describe %s %s", method, path);
}

static bool is_route(const char *method, const char *path)
{
	const char *a_method, *a_path;

	for (size_t i = 0; api_route(i, &a_method, &a_path); i++)
		if (strcmp(lower(a_method), method) == 0 && strcmp(a_path, path) == 0)
			return true;
	return false;
}

static void each_description_is_of_a_route(void **state)
{
	const char *path, *method;
	json_t *item, *operation;

	json_object_foreach (json_object_get(*state, "paths"), path, item)
		json_object_foreach (item, method, operation)
			if (!is_route(method, path))
				fail_msg("openapi.json describes %s %s, which is no route", method,
					path);
}

/* The names between braces, as parameters; no others in the path. */
static void check_path_parameters(json_t *doc, const char *path, json_t *operation)
{
	size_t i, wanted = 0, given = 0;
	json_t *value;

	for (const char *at = path; (at = strchr(at, '{')); at++)
		wanted++;
	json_array_foreach (json_object_get(operation, "parameters"), i, value) {
		json_t *p = resolved(doc, value);
		char name[64];

		if (strcmp(json_string_value(json_object_get(p, "in")), "path") != 0)
			continue;
		snprintf(name, sizeof(name), "{%s}", json_string_value(json_object_get(p, "name")));
		assert_non_null(strstr(path, name));
		assert_true(json_is_true(json_object_get(p, "required")));
		given++;
	}
	if (given != wanted)
		fail_msg("%s: the parameters in the path are not all described", path);
}

/* A reference to the header's description, if and only if the route looks at it. */
static void a_key_is_described_where_it_is_taken(void **state)
{
	size_t count, i, k;
	const struct api_route *routes = api_routes(&count);
	json_t *paths = json_object_get(*state, "paths"), *parameter;
	const char *method, *path;

	for (i = 0; i < count && api_route(i, &method, &path); i++) {
		json_t *operation = json_object_get(json_object_get(paths, path), lower(method));
		bool told = false;

		json_array_foreach (json_object_get(operation, "parameters"), k, parameter) {
			const char *ref = json_string_value(json_object_get(parameter, "$ref"));
			told |= ref && strstr(ref, "/idempotencyKey");
		}
		if (told != api_creates(&routes[i]))
			fail_msg("%s %s %s an Idempotency-Key", method, path,
				told ? "doesn't take" : "isn't said to take");
	}
}

static void check_operation(json_t *doc, const char *path, const char *method, json_t *operation)
{
	json_t *answers = json_object_get(operation, "responses"), *answer;
	const char *status;
	size_t good = 0;

	check_path_parameters(doc, path, operation);
	assert_non_null(json_string_value(json_object_get(operation, "operationId")));
	assert_non_null(json_string_value(json_object_get(operation, "summary")));
	assert_int_equal(json_array_size(json_object_get(operation, "tags")), 1);
	json_object_foreach (answers, status, answer) {
		assert_non_null(
			json_string_value(json_object_get(resolved(doc, answer), "description")));
		good += status[0] == '2';
	}
	if (good == 0 || !json_object_get(answers, "default"))
		fail_msg("%s %s: a success and the refusals must be described", method, path);
	if (strcmp(method, "get") == 0)
		assert_null(json_object_get(operation, "requestBody"));
}

static void operations_are_complete_and_have_names_of_their_own(void **state)
{
	json_t *names = json_object();
	const char *path, *method;
	json_t *item, *operation;

	json_object_foreach (json_object_get(*state, "paths"), path, item)
		json_object_foreach (item, method, operation) {
			const char *name =
				json_string_value(json_object_get(operation, "operationId"));

			check_operation(*state, path, method, operation);
			assert_null(json_object_get(names, name));
			json_object_set_new(names, name, json_true());
		}
	json_decref(names);
}

static void walk_references(json_t *doc, json_t *value)
{
	const char *key;
	json_t *inner;
	size_t i;

	(void)resolved(doc, value);
	json_object_foreach (value, key, inner)
		walk_references(doc, inner);
	json_array_foreach (value, i, inner)
		walk_references(doc, inner);
}

static void no_reference_leads_nowhere(void **state)
{
	walk_references(*state, *state);
}

/* What nothing refers to is left over from something. */
static void every_component_is_used(void **state)
{
	const char *kind, *name;
	json_t *group, *component;
	char ref[160];

	json_object_foreach (json_object_get(*state, "components"), kind, group)
		json_object_foreach (group, name, component) {
			snprintf(ref, sizeof(ref), "\"#/components/%s/%s\"", kind, name);
			if (!memmem(openapi, openapi_len, ref, strlen(ref)))
				fail_msg("nothing uses %s", ref);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_route_is_described),
		cmocka_unit_test(each_description_is_of_a_route),
		cmocka_unit_test(a_key_is_described_where_it_is_taken),
		cmocka_unit_test(operations_are_complete_and_have_names_of_their_own),
		cmocka_unit_test(no_reference_leads_nowhere),
		cmocka_unit_test(every_component_is_used),
	};

	return cmocka_run_group_tests(tests, load, unload);
}

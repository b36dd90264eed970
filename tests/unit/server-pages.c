/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include <string.h>

#include "server/admin/pages.h"
#include "server/http_parser.h"

#define HEADERS "Content-Security-Policy: default-src 'none'\r\n"

/* The whole answer as text; its status. */
static int ask(const char *method, const char *path, const char *more, struct buffer *out)
{
	struct http_parser *parser = NULL;
	scoped(freep) char *text = NULL;
	size_t used;
	int status = 0;

	assert_true(asprintf(&text, "%s %s HTTP/1.1\r\nHost: localhost\r\n%s\r\n", method, path,
			    more) > 0);
	assert_int_equal(http_parser_new(0, &parser), 0);
	assert_int_equal(http_parser_feed(parser, text, strlen(text), &used), 1);
	out->limit = 1u << 20;
	assert_int_equal(pages_answer(http_parser_request(parser), HEADERS, out), 0);
	assert_int_equal(buffer_append(out, "", 1), 0);
	assert_int_equal(sscanf((const char *)out->data, "HTTP/1.1 %d ", &status), 1);
	http_parser_free(parser);
	return status;
}

static const char *text_of(const struct buffer *out)
{
	return (const char *)out->data;
}

static const char *body_of(const struct buffer *out)
{
	return strstr(text_of(out), "\r\n\r\n") + 4;
}

static void status_is(const char *method, const char *path, int status)
{
	struct buffer out = {};

	if (ask(method, path, "", &out) != status)
		fail_msg("%s %s: %.40s", method, path, text_of(&out));
	assert_non_null(strstr(text_of(&out), HEADERS));
	buffer_clear(&out);
}

static void files_have_their_types(void **state)
{
	static const char *const rows[][2] = {
		{ "/assets/style.css", "text/css; charset=utf-8" },
		{ "/assets/main.js", "text/javascript; charset=utf-8" },
		{ "/assets/mark.svg", "image/svg+xml" },
		{ "/assets/index.html", "text/html; charset=utf-8" },
		{ "/", "text/html; charset=utf-8" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct buffer out = {};
		char line[96];

		assert_int_equal(ask("GET", rows[i][0], "", &out), 200);
		snprintf(line, sizeof(line), "\r\nContent-Type: %s\r\n", rows[i][1]);
		assert_non_null(strstr(text_of(&out), line));
		assert_non_null(strstr(text_of(&out), "X-Content-Type-Options: nosniff\r\n"));
		assert_non_null(strstr(text_of(&out), "Cache-Control: no-cache\r\n"));
		buffer_clear(&out);
	}
}

static void all_files_are_whole(void **state)
{
	(void)state;
	assert_true(pages_files_count > 10);
	for (size_t i = 0; i < pages_files_count; i++) {
		const struct pages_file *f = &pages_files[i];
		struct buffer out = {};
		char path[128], length[64];

		snprintf(path, sizeof(path), "/assets/%s", f->name);
		snprintf(length, sizeof(length), "\r\nContent-Length: %zu\r\n", f->len);
		assert_int_equal(ask("GET", path, "", &out), 200);
		assert_non_null(strstr(text_of(&out), length));
		assert_memory_equal(body_of(&out), f->data, f->len);
		assert_int_equal(strlen(f->etag), 34);
		buffer_clear(&out);
	}
}

static void pages_are_the_index(void **state)
{
	static const char *const there[] = { "/", "/tokens", "/tokens/", "/tokens/3fk2/x",
		"/login?to=%2Ftokens", "/configurations/nginx.conf", "/machines/0123", "/audit",
		"/messages", "/releases/new", "/releases/1795355780000",
		"/settings/administrators" };
	static const char *const not_there[] = { "/token", "/tokensx", "/index.html",
		"/favicon.ico", "//tokens", "/Tokens", "/%74okens", "/wp-admin.php", "/assets",
		"/.git/config" };

	(void)state;
	for (size_t i = 0; i < COUNT(there); i++)
		status_is("GET", there[i], 200);
	for (size_t i = 0; i < COUNT(not_there); i++)
		status_is("GET", not_there[i], 404);
}

/* The browser shows that there is nothing; its copy of the index is not an answer. */
static void what_is_not_there_is_never_unmodified(void **state)
{
	struct buffer out = {};

	(void)state;
	assert_int_equal(ask("GET", "/nothing", "If-None-Match: *\r\n", &out), 404);
	assert_non_null(strstr(body_of(&out), "<!doctype html>"));
	assert_null(strstr(text_of(&out), "ETag"));
	buffer_clear(&out);
}

static void other_files_are_refused(void **state)
{
	static const char *const paths[] = { "/assets/", "/assets/x.js", "/assets/../main.js",
		"/assets/main.js/", "/assets//main.js", "/assets/MAIN.js", "/assets/%6dain.js",
		"/assets/main.js%00", "/assets/..%2fapi" };

	(void)state;
	for (size_t i = 0; i < COUNT(paths); i++) {
		status_is("GET", paths[i], 404);
		status_is("HEAD", paths[i], 404);
	}
}

static void other_methods_are_refused(void **state)
{
	static const char *const methods[] = { "POST", "PUT", "DELETE", "PATCH", "OPTIONS" };
	static const char *const paths[] = { "/", "/tokens", "/assets/main.js", "/nothing" };

	(void)state;
	for (size_t i = 0; i < COUNT(methods); i++) {
		for (size_t k = 0; k < COUNT(paths); k++) {
			struct buffer out = {};

			assert_int_equal(ask(methods[i], paths[k], "", &out), 405);
			assert_non_null(strstr(text_of(&out), "\r\nAllow: GET, HEAD\r\n" HEADERS));
			buffer_clear(&out);
		}
	}
}

static void head_is_get_without_the_body(void **state)
{
	static const char *const paths[] = { "/", "/tokens", "/nothing", "/assets/style.css",
		"/assets/nothing" };

	(void)state;
	for (size_t i = 0; i < COUNT(paths); i++) {
		struct buffer get = {}, head = {};

		assert_int_equal(ask("GET", paths[i], "", &get), ask("HEAD", paths[i], "", &head));
		assert_string_equal(body_of(&head), "");
		assert_true(strlen(body_of(&get)) > 0);
		buffer_clear(&get);
		buffer_clear(&head);
	}
}

static void an_unchanged_file_is_not_sent_again(void **state)
{
	const struct pages_file *f = &pages_files[0];
	struct buffer out = {};
	char path[128], tag[64];

	(void)state;
	snprintf(path, sizeof(path), "/assets/%s", f->name);
	snprintf(tag, sizeof(tag), "If-None-Match: W/%s\r\n", f->etag);
	assert_int_equal(ask("GET", path, tag, &out), 304);
	assert_string_equal(body_of(&out), "");
	assert_non_null(strstr(text_of(&out), f->etag));
	assert_non_null(strstr(text_of(&out), HEADERS));
	buffer_clear(&out);
	assert_int_equal(ask("GET", path, "If-None-Match: \"0\"\r\n", &out), 200);
	buffer_clear(&out);
}

/* What a Content-Security-Policy without "unsafe" would refuse, and what makes markup of text. */
static void files_have_nothing_inline_nor_foreign(void **state)
{
	static const char *const words[] = { "innerHTML", "outerHTML", "insertAdjacentHTML",
		"document.write", "DOMParser", "eval(", "new Function", " style=\"", "onclick=\"",
		"javascript:", "https://", "//cdn", "@import", "createContextualFragment",
		"setHTMLUnsafe", "parseHTMLUnsafe" };

	(void)state;
	for (size_t i = 0; i < pages_files_count; i++)
		for (size_t k = 0; k < COUNT(words); k++)
			if (memmem(pages_files[i].data, pages_files[i].len, words[k],
				    strlen(words[k])))
				fail_msg("%s has '%s'", pages_files[i].name, words[k]);
}

UNIT(it(files_have_their_types), it(all_files_are_whole), it(pages_are_the_index),
	it(what_is_not_there_is_never_unmodified), it(other_files_are_refused),
	it(other_methods_are_refused), it(head_is_get_without_the_body),
	it(an_unchanged_file_is_not_sent_again), it(files_have_nothing_inline_nor_foreign))

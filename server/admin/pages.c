/* SPDX-License-Identifier: MIT */
#include "pages.h"

#include <errno.h>
#include <string.h>

#include "../etag.h"
#include "../http_answer.h"

#define ASSETS "/assets/"
#define INDEX  "index.html"

/* The first part of each path that the dashboard has a page for; "/" is the overview. */
static const char *const page_roots[] = {
	"audit",
	"configurations",
	"login",
	"machines",
	"messages",
	"releases",
	"settings",
	"tokens",
};

static const struct {
	const char *ending, *type;
} types[] = {
	{ ".html", "text/html; charset=utf-8" },
	{ ".css", "text/css; charset=utf-8" },
	{ ".js", "text/javascript; charset=utf-8" },
	{ ".svg", "image/svg+xml" },
};

static const char *type_of(const char *name)
{
	const char *ending = strrchr(name, '.');

	for (size_t i = 0; ending && i < COUNT(types); i++)
		if (strcmp(types[i].ending, ending) == 0)
			return types[i].type;
	return "application/octet-stream";
}

static const struct pages_file *find(const char *name)
{
	for (size_t i = 0; i < pages_files_count; i++)
		if (strcmp(pages_files[i].name, name) == 0)
			return &pages_files[i];
	return NULL;
}

static bool is_page(const char *path)
{
	size_t len = strcspn(path + 1, "/");

	if (strcmp(path, "/") == 0)
		return true;
	for (size_t i = 0; i < COUNT(page_roots); i++)
		if (strlen(page_roots[i]) == len && strncmp(page_roots[i], path + 1, len) == 0)
			return true;
	return false;
}

static int problem(const struct http_request *q, int status, const char *code, const char *detail,
	const char *headers, struct buffer *out)
{
	size_t before = out->len;
	int r = http_answer_problem(out, status, code, detail, q->keep_alive, headers);

	if (r == 0 && q->method == HTTP_METHOD_HEAD)
		http_answer_cut_body(out, before);
	return r;
}

static int refuse_method(const struct http_request *q, const char *headers, struct buffer *out)
{
	scoped(freep) char *all = NULL;

	if (asprintf(&all, "Allow: GET, HEAD\r\n%s", headers) < 0) {
		all = NULL;
		return -ENOMEM;
	}
	return problem(
		q, 405, "method-not-allowed", "only GET and HEAD can be done with this", all, out);
}

/* A page that is not there has no ETag: a browser's copy of index.html is not an answer to it. */
static int serve(const struct http_request *q, const struct pages_file *f, int status,
	const char *headers, struct buffer *out)
{
	scoped(freep) char *all = NULL;
	int r;

	if (asprintf(&all, "Cache-Control: no-cache\r\n%s%s%s%s", status == 200 ? "ETag: " : "",
		    status == 200 ? f->etag : "", status == 200 ? "\r\n" : "", headers) < 0) {
		all = NULL;
		return -ENOMEM;
	}
	if (status == 200 && q->if_none_match && etag_listed(q->if_none_match, f->etag, ETAG_WEAK))
		return http_answer_head(out, 304, NULL, f->len, q->keep_alive, all);
	r = http_answer_head(out, status, type_of(f->name), f->len, q->keep_alive, all);
	return r < 0 || q->method == HTTP_METHOD_HEAD ? r : buffer_append(out, f->data, f->len);
}

int pages_answer(const struct http_request *q, const char *headers, struct buffer *out)
{
	const struct pages_file *f;

	if (!headers)
		headers = "";
	if (q->method != HTTP_METHOD_GET && q->method != HTTP_METHOD_HEAD)
		return refuse_method(q, headers, out);
	if (strncmp(q->path, ASSETS, strlen(ASSETS)) != 0)
		return serve(q, find(INDEX), is_page(q->path) ? 200 : 404, headers, out);
	f = find(q->path + strlen(ASSETS));
	if (f)
		return serve(q, f, 200, headers, out);
	return problem(q, 404, "not-found", "the dashboard has no such file", headers, out);
}

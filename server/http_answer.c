/* SPDX-License-Identifier: MIT */
#include "http_answer.h"

#include <errno.h>
#include <string.h>
#include <time.h>

const char *http_status_text(int status)
{
	static const struct {
		int status;
		const char *text;
	} rows[] = {
		{ 101, "Switching Protocols" },
		{ 200, "OK" },
		{ 201, "Created" },
		{ 204, "No Content" },
		{ 206, "Partial Content" },
		{ 304, "Not Modified" },
		{ 400, "Bad Request" },
		{ 401, "Unauthorized" },
		{ 403, "Forbidden" },
		{ 404, "Not Found" },
		{ 405, "Method Not Allowed" },
		{ 408, "Request Timeout" },
		{ 409, "Conflict" },
		{ 412, "Precondition Failed" },
		{ 413, "Content Too Large" },
		{ 414, "URI Too Long" },
		{ 415, "Unsupported Media Type" },
		{ 416, "Range Not Satisfiable" },
		{ 417, "Expectation Failed" },
		{ 422, "Unprocessable Content" },
		{ 426, "Upgrade Required" },
		{ 429, "Too Many Requests" },
		{ 431, "Request Header Fields Too Large" },
		{ 500, "Internal Server Error" },
		{ 501, "Not Implemented" },
		{ 503, "Service Unavailable" },
		{ 505, "HTTP Version Not Supported" },
	};

	for (size_t i = 0; i < COUNT(rows); i++)
		if (rows[i].status == status)
			return rows[i].text;
	return "Unknown";
}

static void http_date(char ret[static 32])
{
	time_t now = time(NULL);
	struct tm tm;

	gmtime_r(&now, &tm);
	strftime(ret, 32, "%a, %d %b %Y %H:%M:%S GMT", &tm);
}

int http_answer_head(struct buffer *out, int status, const char *content_type, uint64_t length,
	bool keep_alive, const char *headers)
{
	char date[32];

	http_date(date);
	/* RFC 9110, 8.6: 204 has no length. */
	if (status == 204)
		return buffer_printf(out, "HTTP/1.1 204 %s\r\nDate: %s\r\nConnection: %s\r\n%s\r\n",
			http_status_text(status), date, keep_alive ? "keep-alive" : "close",
			headers != NULL ? headers : "");
	return buffer_printf(out,
		"HTTP/1.1 %d %s\r\nDate: %s\r\nConnection: %s\r\n%s%s%s"
		"Content-Length: %llu\r\nX-Content-Type-Options: nosniff\r\n%s\r\n",
		status, http_status_text(status), date, keep_alive ? "keep-alive" : "close",
		content_type != NULL ? "Content-Type: " : "",
		content_type != NULL ? content_type : "", content_type != NULL ? "\r\n" : "",
		(unsigned long long)length, headers != NULL ? headers : "");
}

/* As a JSON string's inside: what is written here is the server's own text, but may quote. */
static int json_append(struct buffer *out, const char *text)
{
	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;
		int r;

		if (c == '"' || c == '\\')
			r = buffer_printf(out, "\\%c", c);
		else if (c < 0x20 || c == 0x7f)
			r = buffer_printf(out, "\\u%04x", c);
		else
			r = buffer_append(out, text, 1);
		if (r < 0)
			return r;
	}
	return 0;
}

int http_answer_problem(struct buffer *out, int status, const char *code, const char *detail,
	bool keep_alive, const char *headers)
{
	struct buffer body = {};
	int r = buffer_printf(&body,
		"{\"type\":\"about:blank\",\"title\":\"%s\",\"status\":%d,\"code\":\"%s\","
		"\"detail\":\"",
		http_status_text(status), status, code);

	if (r >= 0)
		r = json_append(&body, detail);
	if (r >= 0)
		r = buffer_append(&body, "\"}\n", 3);
	if (r >= 0)
		r = http_answer_head(
			out, status, "application/problem+json", body.len, keep_alive, headers);
	if (r >= 0)
		r = buffer_append(out, body.data, body.len);
	buffer_clear(&body);
	return r;
}

/* Where the head of the answer that starts there ends, or NULL: behind its last line, before the
 * empty one. */
static uint8_t *end_of_head(const struct buffer *out, size_t start)
{
	uint8_t *end = out->len > start ? memmem(out->data + start, out->len - start, "\r\n\r\n", 4)
					: NULL;

	return end != NULL ? end + 2 : NULL;
}

void http_answer_cut_body(struct buffer *out, size_t start)
{
	const uint8_t *end = end_of_head(out, start);

	if (end != NULL)
		out->len = (size_t)(end + 2 - out->data);
}

/* Where the line after the one that `at` lies in starts; the head's last line ends too. */
static const uint8_t *next_line(const uint8_t *at, const uint8_t *end)
{
	const uint8_t *line_feed = memchr(at, '\n', (size_t)(end - at));

	return line_feed != NULL ? line_feed + 1 : end;
}

bool http_answer_has(const struct buffer *out, const char *field)
{
	const uint8_t *end = end_of_head(out, 0);
	size_t len = strlen(field);

	for (const uint8_t *at = out->data; end != NULL && at < end; at = next_line(at, end))
		if ((size_t)(end - at) > len && memcmp(at, field, len) == 0 && at[len] == ':')
			return true;
	return false;
}

int http_answer_insert(struct buffer *out, const char *lines)
{
	const uint8_t *end = end_of_head(out, 0);
	size_t len = strlen(lines);

	if (end == NULL)
		return -EBADMSG;
	size_t at = (size_t)(next_line(out->data, end) - out->data);
	if (buffer_reserve(out, len) == NULL)
		return -ENOMEM;
	memmove(out->data + at + len, out->data + at, out->len - at);
	memcpy(out->data + at, lines, len);
	buffer_grew(out, len);
	return 0;
}

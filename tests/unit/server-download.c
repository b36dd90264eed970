/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include "server/download.h"

static const struct {
	const char *text;
	uint64_t size;
	int expected;
	uint64_t from, to;
} ranges[] = {
	{ "bytes=0-", 10, 0, 0, 10 },
	{ "bytes=0-0", 10, 0, 0, 1 },
	{ "bytes=3-5", 10, 0, 3, 6 },
	{ "bytes=9-", 10, 0, 9, 10 },
	{ "bytes=5-99", 10, 0, 5, 10 },
	{ "bytes=-3", 10, 0, 7, 10 },
	{ "bytes=-99", 10, 0, 0, 10 },
	{ "Bytes=1-2", 10, 0, 1, 3 },
	{ "bytes=10-", 10, -ERANGE, 0, 0 },
	{ "bytes=99-100", 10, -ERANGE, 0, 0 },
	{ "bytes=-0", 10, -ERANGE, 0, 0 },
	{ "bytes=0-", 0, -ERANGE, 0, 0 },
	{ "bytes=-1", 0, -ERANGE, 0, 0 },
	{ "", 10, -EINVAL, 0, 0 },
	{ "bytes", 10, -EINVAL, 0, 0 },
	{ "bytes=", 10, -EINVAL, 0, 0 },
	{ "bytes=-", 10, -EINVAL, 0, 0 },
	{ "bytes=5", 10, -EINVAL, 0, 0 },
	{ "bytes=5-3", 10, -EINVAL, 0, 0 },
	{ "bytes=0-1,3-4", 10, -EINVAL, 0, 0 },
	{ "bytes= 0-1", 10, -EINVAL, 0, 0 },
	{ "bytes=0-1 ", 10, -EINVAL, 0, 0 },
	{ "bytes=+0-1", 10, -EINVAL, 0, 0 },
	{ "bytes=--1", 10, -EINVAL, 0, 0 },
	{ "bytes=0x1-2", 10, -EINVAL, 0, 0 },
	{ "bytes=0-18446744073709551616", 10, -EINVAL, 0, 0 },
	{ "bytes=18446744073709551616-", 10, -EINVAL, 0, 0 },
	{ "lines=0-1", 10, -EINVAL, 0, 0 },
};

static void a_range_is_inside_or_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(ranges); i++) {
		uint64_t from = 0, to = 0;
		int r = range_parse(ranges[i].text, ranges[i].size, &from, &to);

		if (r != ranges[i].expected ||
			(r == 0 && (from != ranges[i].from || to != ranges[i].to)))
			fail_msg("'%s': %d, %lu-%lu", ranges[i].text, r, from, to);
	}
}

/* ---- whole answers */

static const uint8_t hash[32] = { 0xab };
#define TAG "\"ab00000000000000000000000000000000000000000000000000000000000000\""

static void answer(const struct http_request *r, struct buffer *out, struct download *d)
{
	struct download_body body = {
		.content_type = "text/plain", .sha256 = hash, .size = 10, .data = "0123456789"
	};

	assert_int_equal(download_answer(r, &body, true, out, d), 0);
	assert_int_equal(buffer_append(out, "", 1), 0);
}

static void assert_answer(
	const struct http_request *r, const char *status, const char *header, const char *body)
{
	struct buffer out = {};
	struct download d = {};

	answer(r, &out, &d);
	const char *text = (const char *)out.data, *end = strstr(text, "\r\n\r\n");
	assert_memory_equal(text + 9, status, 3);
	assert_non_null(end);
	if (header != NULL && strstr(text, header) == NULL)
		fail_msg("no %s in %s", header, text);
	assert_string_equal(end + 4, body);
	assert_null(d.file);
	buffer_clear(&out);
}

static void the_whole_text_has_its_tag(void **state)
{
	struct http_request r = { .method = HTTP_METHOD_GET };

	(void)state;
	assert_answer(&r, "200", "\r\nETag: " TAG "\r\n", "0123456789");
	assert_answer(&r, "200", "\r\nContent-Length: 10\r\n", "0123456789");
}

static void head_has_no_body_but_its_length(void **state)
{
	struct http_request r = { .method = HTTP_METHOD_HEAD, .range = "bytes=0-1" };

	(void)state;
	assert_answer(&r, "200", "\r\nContent-Length: 10\r\n", "");
}

static void a_part_says_which(void **state)
{
	struct http_request r = { .method = HTTP_METHOD_GET, .range = "bytes=2-4" };

	(void)state;
	assert_answer(&r, "206", "\r\nContent-Range: bytes 2-4/10\r\n", "234");
	r.range = "bytes=2-4,6-7";
	assert_answer(&r, "200", NULL, "0123456789");
}

static void a_part_of_other_bytes_is_the_whole(void **state)
{
	struct http_request r = {
		.method = HTTP_METHOD_GET, .range = "bytes=2-4", .if_range = "\"other\""
	};

	(void)state;
	assert_answer(&r, "200", NULL, "0123456789");
	r.if_range = "W/" TAG; /* weak tags don't do here */
	assert_answer(&r, "200", NULL, "0123456789");
	r.if_range = TAG;
	assert_answer(&r, "206", NULL, "234");
}

static void a_part_outside_is_refused(void **state)
{
	struct http_request r = { .method = HTTP_METHOD_GET, .range = "bytes=10-" };
	struct buffer out = {};
	struct download d = {};

	(void)state;
	answer(&r, &out, &d);
	assert_memory_equal(out.data + 9, "416", 3);
	assert_non_null(strstr((const char *)out.data, "\r\nContent-Range: bytes */10\r\n"));
	buffer_clear(&out);
}

static void what_is_known_is_not_sent_again(void **state)
{
	struct http_request r = { .method = HTTP_METHOD_GET, .if_none_match = TAG };

	(void)state;
	assert_answer(&r, "304", "\r\nETag: " TAG "\r\n", "");
	r.range = "bytes=0-1";
	assert_answer(&r, "304", NULL, "");
	r.if_none_match = "\"other\"";
	r.range = NULL;
	assert_answer(&r, "200", NULL, "0123456789");
}

static struct release_file *open_file(size_t size)
{
	struct release_file *f = calloc(1, sizeof(*f));
	FILE *file = tmpfile();

	assert_non_null(f);
	assert_non_null(file);
	for (size_t i = 0; i < size; i++)
		fputc((int)(i % 251), file);
	assert_int_equal(fflush(file), 0);
	f->fd = dup(fileno(file));
	fclose(file);
	f->size = size;
	f->users = 1;
	return f;
}

static void a_file_goes_out_in_slices_and_stays_open_so_long(void **state)
{
	struct http_request r = { .method = HTTP_METHOD_GET, .range = "bytes=1-39999" };
	struct release_file *f = open_file(50000);
	struct download_body body = { .content_type = "x/y", .sha256 = hash, .file = f };
	struct download d = {};
	struct buffer out = {};
	int slices = 1;

	(void)state;
	body.size = f->size;
	assert_int_equal(download_answer(&r, &body, true, &out, &d), 0);
	f = release_file_done(f); /* the release has another one now */
	buffer_clear(&out);
	while (download_slice(&d, &out) == 1)
		slices++;
	assert_int_equal(slices, 3);
	assert_int_equal(out.len, 39999);
	for (size_t i = 0; i < out.len; i++)
		assert_int_equal(out.data[i], (i + 1) % 251);
	assert_null(d.file);
	buffer_clear(&out);
}

static void a_file_that_became_shorter_ends_the_download(void **state)
{
	struct release_file *f = open_file(100);
	struct download d = { .file = f, .at = 0, .end = 100 };
	struct buffer out = {};

	(void)state;
	assert_int_equal(ftruncate(f->fd, 0), 0);
	assert_int_equal(download_slice(&d, &out), -EIO);
	download_end(&d);
	buffer_clear(&out);
}

UNIT(it(a_range_is_inside_or_refused), it(the_whole_text_has_its_tag),
	it(head_has_no_body_but_its_length), it(a_part_says_which),
	it(a_part_of_other_bytes_is_the_whole), it(a_part_outside_is_refused),
	it(what_is_known_is_not_sent_again), it(a_file_goes_out_in_slices_and_stays_open_so_long),
	it(a_file_that_became_shorter_ends_the_download))

/* SPDX-License-Identifier: MIT */
#include "agent/door.h"

#include <errno.h>

#include "lib/cursor.h"

#define VERSION 1

ssize_t door_request_encode(const struct door_request *q, void *ret, size_t size)
{
	struct writer w = writer_over(ret, size);

	write_u8(&w, VERSION);
	write_bytes(&w, q->key, sizeof q->key);
	write_text(&w, q->type);
	write_bytes(&w, q->text, q->len);
	return write_end(&w);
}

int door_request_decode(const void *packet, size_t len, struct door_request *ret)
{
	struct reader r = reader_over(packet, len);
	struct door_request q = {};

	if (read_u8(&r) != VERSION && !r.failed)
		return -EPROTONOSUPPORT;
	read_bytes(&r, q.key, sizeof q.key);
	read_text(&r, q.type, sizeof q.type);
	q.len = r.left;
	q.text = (const char *)read_view(&r, r.left);
	if (read_end(&r) < 0)
		return -EBADMSG;
	*ret = q;
	return 0;
}

ssize_t door_answer_encode(const struct door_answer *a, void *ret, size_t size)
{
	struct writer w = writer_over(ret, size);

	write_u8(&w, VERSION);
	write_bytes(&w, a->key, sizeof a->key);
	write_u8(&w, a->verdict);
	write_text(&w, a->words);
	return write_end(&w);
}

int door_answer_decode(const void *packet, size_t len, struct door_answer *ret)
{
	struct reader r = reader_over(packet, len);
	struct door_answer a = {};

	if (read_u8(&r) != VERSION && !r.failed)
		return -EPROTONOSUPPORT;
	read_bytes(&r, a.key, sizeof a.key);
	a.verdict = read_u8(&r);
	read_text(&r, a.words, sizeof a.words);
	if (read_end(&r) < 0)
		return -EBADMSG;
	*ret = a;
	return 0;
}

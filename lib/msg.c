/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include "lib/body.h"
#include "lib/cursor.h"
#include "lib/msg.h"
#include "lib/text.h"

bool msg_type_ok(const char *type)
{
	size_t len = strspn(type, "abcdefghijklmnopqrstuvwxyz0123456789._-");

	return len > 0 && len < MSG_TYPE_SIZE && type[len] == '\0';
}

bool msg_text_ok(const char *text, size_t len)
{
	return len > 0 && len <= MSG_TEXT_MAX && text_utf8(text, len);
}

ssize_t msg_encode(const struct msg *m, void *ret, size_t size)
{
	struct writer w = writer_over(ret, size);

	if (m->number == 0 || !msg_type_ok(m->type) || !msg_text_ok(m->text, m->len))
		return -EMSGSIZE;
	write_u8(&w, BODY_VERSION);
	write_bytes(&w, m->spool, sizeof m->spool);
	write_u64(&w, m->number);
	write_u64(&w, m->time);
	write_text(&w, m->type);
	write_u32(&w, (uint32_t)m->len);
	write_bytes(&w, m->text, m->len);
	return write_end(&w);
}

int msg_decode(const void *body, size_t len, struct msg *ret)
{
	struct reader r = reader_over(body, len);
	struct msg m = {};
	uint8_t version = read_u8(&r);

	if (!r.failed && version != BODY_VERSION)
		return -EPROTONOSUPPORT;
	read_bytes(&r, m.spool, sizeof m.spool);
	m.number = read_u64(&r);
	m.time = read_u64(&r);
	read_text(&r, m.type, sizeof m.type);
	m.len = read_u32(&r);
	m.text = (const char *)read_view(&r, m.len);
	if (read_end(&r) < 0 || m.number == 0 || m.number > INT64_MAX || m.time > INT64_MAX)
		return -EBADMSG;
	if (!msg_type_ok(m.type) || !msg_text_ok(m.text, m.len))
		return -EBADMSG;
	*ret = m;
	return 0;
}

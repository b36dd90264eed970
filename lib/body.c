/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include "lib/body.h"

/* Behind its version byte another version may look different, so that is judged first and alone. */
static int read_version(struct reader *r)
{
	uint8_t version = read_u8(r);

	if (r->failed)
		return -EBADMSG;
	return version == BODY_VERSION ? 0 : -EPROTONOSUPPORT;
}

static void write_labels(struct writer *w, const struct labels *l)
{
	write_u8(w, l->count);
	for (size_t i = 0; i < l->count; i++)
		write_text(w, l->text[i]);
}

/* Labels come sorted; one that has its place elsewhere than at the end is out of order. */
static void read_labels(struct reader *r, struct labels *ret)
{
	uint8_t count = read_u8(r);

	memset(ret, 0, sizeof *ret);
	for (size_t i = 0; i < count && !r->failed; i++) {
		char label[LABEL_SIZE];

		read_text(r, label, sizeof label);
		if (labels_add(ret, label) < 0 || strcmp(ret->text[i], label) != 0)
			r->failed = true;
	}
}

ssize_t token_query_encode(const struct token_query *q, void *ret, size_t size)
{
	struct writer w = writer_over(ret, size);

	write_bytes(&w, q->identity, sizeof q->identity);
	write_u8(&w, BODY_VERSION);
	write_bytes(&w, q->token, sizeof q->token);
	write_u64(&w, q->time);
	return write_end(&w);
}

int token_query_decode(const void *body, size_t len, struct token_query *ret)
{
	struct reader r = reader_over(body, len);
	struct token_query q = {};
	int version;

	read_bytes(&r, q.identity, sizeof q.identity);
	version = read_version(&r);
	if (version < 0)
		return version;
	read_bytes(&r, q.token, sizeof q.token);
	q.time = read_u64(&r);
	if (read_end(&r) < 0)
		return -EBADMSG;
	*ret = q;
	return 0;
}

ssize_t token_answer_encode(const struct token_answer *a, void *ret, size_t size)
{
	struct writer w = writer_over(ret, size);

	write_u8(&w, BODY_VERSION);
	write_u64(&w, a->time);
	write_u64(&w, a->expires);
	write_u32(&w, a->uses_left);
	write_labels(&w, &a->labels);
	return write_end(&w);
}

int token_answer_decode(const void *body, size_t len, struct token_answer *ret)
{
	struct reader r = reader_over(body, len);
	struct token_answer a = {};
	int version = read_version(&r);

	if (version < 0)
		return version;
	a.time = read_u64(&r);
	a.expires = read_u64(&r);
	a.uses_left = read_u32(&r);
	read_labels(&r, &a.labels);
	if (read_end(&r) < 0)
		return -EBADMSG;
	*ret = a;
	return 0;
}

ssize_t enrol_request_encode(const struct enrol_request *e, void *ret, size_t size)
{
	struct writer w = writer_over(ret, size);

	write_bytes(&w, e->identity, sizeof e->identity);
	write_u8(&w, BODY_VERSION);
	write_bytes(&w, e->token, sizeof e->token);
	write_u64(&w, e->time);
	write_bytes(&w, e->tls_pin, sizeof e->tls_pin);
	facts_write(&w, &e->facts);
	return write_end(&w);
}

int enrol_request_decode(const void *body, size_t len, struct enrol_request *ret)
{
	struct reader r = reader_over(body, len);
	struct enrol_request e = {};
	int version;

	read_bytes(&r, e.identity, sizeof e.identity);
	version = read_version(&r);
	if (version < 0)
		return version;
	read_bytes(&r, e.token, sizeof e.token);
	e.time = read_u64(&r);
	read_bytes(&r, e.tls_pin, sizeof e.tls_pin);
	facts_read(&r, &e.facts);
	if (read_end(&r) < 0)
		return -EBADMSG;
	*ret = e;
	return 0;
}

static bool pin_count_ok(uint8_t count)
{
	return count >= 1 && count <= PINS_MAX;
}

ssize_t enrolled_encode(const struct enrolled *e, void *ret, size_t size)
{
	struct writer w = writer_over(ret, size);

	if (!pin_count_ok(e->pin_count))
		return -EINVAL;
	write_u8(&w, BODY_VERSION);
	write_bytes(&w, e->client_id, sizeof e->client_id);
	write_u64(&w, e->time);
	write_u32(&w, e->heartbeat);
	write_u8(&w, e->pin_count);
	write_bytes(&w, e->pins, e->pin_count * sizeof e->pins[0]);
	write_labels(&w, &e->labels);
	return write_end(&w);
}

int enrolled_decode(const void *body, size_t len, struct enrolled *ret)
{
	struct reader r = reader_over(body, len);
	struct enrolled e = {};
	int version = read_version(&r);

	if (version < 0)
		return version;
	read_bytes(&r, e.client_id, sizeof e.client_id);
	e.time = read_u64(&r);
	e.heartbeat = read_u32(&r);
	e.pin_count = read_u8(&r);
	if (!pin_count_ok(e.pin_count))
		return -EBADMSG;
	read_bytes(&r, e.pins, e.pin_count * sizeof e.pins[0]);
	read_labels(&r, &e.labels);
	if (read_end(&r) < 0)
		return -EBADMSG;
	*ret = e;
	return 0;
}

ssize_t hello_encode(const struct hello *h, void *ret, size_t size)
{
	struct writer w = writer_over(ret, size);

	write_u8(&w, BODY_VERSION);
	write_bytes(&w, h->boot_id, sizeof h->boot_id);
	write_u64(&w, h->time);
	write_u64(&w, h->uptime);
	facts_write(&w, &h->facts);
	holdings_write(&w, &h->holdings, h->listens != 0);
	if (h->listens != 0)
		write_u16(&w, h->listens);
	return write_end(&w);
}

int hello_decode(const void *body, size_t len, struct hello *ret)
{
	struct reader r = reader_over(body, len);
	struct hello h = {};
	int version = read_version(&r);

	if (version < 0)
		return version;
	read_bytes(&r, h.boot_id, sizeof h.boot_id);
	h.time = read_u64(&r);
	h.uptime = read_u64(&r);
	facts_read(&r, &h.facts);
	holdings_read(&r, &h.holdings);
	if (!r.failed && r.left > 0) {
		h.listens = read_u16(&r);
		if (h.listens == 0)
			r.failed = true;
	}
	if (read_end(&r) < 0)
		return -EBADMSG;
	*ret = h;
	return 0;
}

ssize_t ack_encode(const struct ack *a, void *ret, size_t size)
{
	struct writer w = writer_over(ret, size);

	write_u8(&w, BODY_VERSION);
	write_u64(&w, a->sequence);
	write_u64(&w, a->time);
	write_u32(&w, a->heartbeat);
	subject_write(&w, &a->subject);
	return write_end(&w);
}

int ack_decode(const void *body, size_t len, struct ack *ret)
{
	struct reader r = reader_over(body, len);
	struct ack a = {};
	int version = read_version(&r);

	if (version < 0)
		return version;
	a.sequence = read_u64(&r);
	a.time = read_u64(&r);
	a.heartbeat = read_u32(&r);
	subject_read(&r, &a.subject);
	if (read_end(&r) < 0)
		return -EBADMSG;
	*ret = a;
	return 0;
}

ssize_t nack_encode(const struct nack *n, void *ret, size_t size)
{
	struct writer w = writer_over(ret, size);

	write_u8(&w, BODY_VERSION);
	write_u64(&w, n->sequence);
	write_u16(&w, n->code);
	write_u32(&w, n->retry);
	write_text2(&w, n->text);
	subject_write(&w, &n->subject);
	return write_end(&w);
}

int nack_decode(const void *body, size_t len, struct nack *ret)
{
	struct reader r = reader_over(body, len);
	struct nack n = {};
	int version = read_version(&r);

	if (version < 0)
		return version;
	n.sequence = read_u64(&r);
	n.code = read_u16(&r);
	n.retry = read_u32(&r);
	read_text2(&r, n.text, sizeof n.text);
	subject_read(&r, &n.subject);
	if (read_end(&r) < 0)
		return -EBADMSG;
	*ret = n;
	return 0;
}

ssize_t state_notice_encode(const struct state_notice *n, void *ret, size_t size)
{
	struct writer w = writer_over(ret, size);

	if (n->state > MACHINE_REVOKED)
		return -EINVAL;
	write_u8(&w, BODY_VERSION);
	write_u8(&w, n->state);
	write_text2(&w, n->text);
	return write_end(&w);
}

int state_notice_decode(const void *body, size_t len, struct state_notice *ret)
{
	struct reader r = reader_over(body, len);
	struct state_notice n = {};
	int version = read_version(&r);

	if (version < 0)
		return version;
	n.state = read_u8(&r);
	read_text2(&r, n.text, sizeof n.text);
	if (read_end(&r) < 0 || n.state > MACHINE_REVOKED)
		return -EBADMSG;
	*ret = n;
	return 0;
}

ssize_t reset_order_encode(const struct reset_order *o, void *ret, size_t size)
{
	struct writer w = writer_over(ret, size);

	if (o->number == 0)
		return -EINVAL;
	write_u8(&w, BODY_VERSION);
	write_u64(&w, o->number);
	return write_end(&w);
}

int reset_order_decode(const void *body, size_t len, struct reset_order *ret)
{
	struct reader r = reader_over(body, len);
	struct reset_order o = {};
	int version = read_version(&r);

	if (version < 0)
		return version;
	o.number = read_u64(&r);
	if (read_end(&r) < 0 || o.number == 0)
		return -EBADMSG;
	*ret = o;
	return 0;
}

ssize_t update_order_encode(const struct update_order *o, void *ret, size_t size)
{
	struct writer w = writer_over(ret, size);

	if (o->number == 0 || !manifest_version_ok(o->version))
		return -EINVAL;
	write_u8(&w, BODY_VERSION);
	write_u64(&w, o->number);
	write_bytes(&w, o->release, sizeof o->release);
	write_text(&w, o->version);
	return write_end(&w);
}

int update_order_decode(const void *body, size_t len, struct update_order *ret)
{
	struct reader r = reader_over(body, len);
	struct update_order o = {};
	int version = read_version(&r);

	if (version < 0)
		return version;
	o.number = read_u64(&r);
	read_bytes(&r, o.release, sizeof o.release);
	read_text(&r, o.version, sizeof o.version);
	if (read_end(&r) < 0 || o.number == 0 || !manifest_version_ok(o.version))
		return -EBADMSG;
	*ret = o;
	return 0;
}

const char *nack_name(uint16_t code)
{
	static const char *const names[] = {
		[NACK_MALFORMED] = "malformed",
		[NACK_UNSUPPORTED] = "version not supported",
		[NACK_INTERNAL] = "server not able now",
		[NACK_BUSY] = "too many attempts",
		[NACK_TOKEN_UNKNOWN] = "token unknown",
		[NACK_TOKEN_EXPIRED] = "token expired",
		[NACK_TOKEN_USED_UP] = "token used up",
		[NACK_TOKEN_REVOKED] = "token revoked",
		[NACK_KEY_KNOWN] = "key enrolled already",
		[NACK_NOT_ENROLLED] = "not enrolled",
		[NACK_REVOKED] = "revoked",
		[NACK_SUSPENDED] = "suspended",
		[NACK_HASH] = "content not of its hash",
		[NACK_OLDER] = "older than what it holds",
		[NACK_FULL] = "too many configurations",
		[NACK_STORAGE] = "cannot be stored",
		[NACK_CHECK] = "refused by its check",
		[NACK_APPLY] = "hook failed",
		[NACK_RESTORE] = "hook failed, not restored",
		[NACK_HOOK] = "hook cannot run",
		[NACK_OLDER_ORDER] = "older order",
		[NACK_UPDATE] = "update failed",
		[NACK_PUT_BACK] = "update put back",
		[NACK_HALF_DONE] = "update half done",
		[NACK_NO_UPDATES] = "updates not taken",
	};

	return code < COUNT(names) && names[code] ? names[code] : "refused";
}

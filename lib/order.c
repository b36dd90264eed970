/* SPDX-License-Identifier: MIT */
#include "lib/order.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#define VERSION 1

bool order_name_ok(const char *name)
{
	static const char first[] = "abcdefghijklmnopqrstuvwxyz0123456789";
	static const char rest[] = "abcdefghijklmnopqrstuvwxyz0123456789._-";
	size_t len = strnlen(name, CONFIG_NAME_SIZE);

	return len >= 1 && len < CONFIG_NAME_SIZE && strchr(first, name[0]) &&
	       strspn(name, rest) == len;
}

void config_hash(const void *content, size_t len, uint8_t ret[static CONFIG_HASH_SIZE])
{
	(void)crypto_hash_sha256(ret, content, len); /* can't fail */
}

/* ---- what a machine holds */

/* Its place, or where it would be. */
static size_t place_of(const struct holdings *all, const char *name)
{
	size_t at = 0;

	while (at < all->count && strcmp(all->of[at].name, name) < 0)
		at++;
	return at;
}

const struct holding *holdings_find(const struct holdings *all, const char *name)
{
	size_t at = place_of(all, name);

	if (at == all->count || strcmp(all->of[at].name, name) != 0)
		return NULL;
	return &all->of[at];
}

int holdings_put(struct holdings *all, const struct holding *one)
{
	size_t at = place_of(all, one->name);

	if (at == all->count || strcmp(all->of[at].name, one->name) != 0) {
		if (all->count == HOLDINGS_MAX)
			return -E2BIG;
		memmove(&all->of[at + 1], &all->of[at], (all->count - at) * sizeof all->of[0]);
		all->count++;
	}
	all->of[at] = *one;
	return 0;
}

void holdings_drop(struct holdings *all, const char *name)
{
	size_t at = place_of(all, name);

	if (at == all->count || strcmp(all->of[at].name, name) != 0)
		return;
	all->count--;
	memmove(&all->of[at], &all->of[at + 1], (all->count - at) * sizeof all->of[0]);
	memset(&all->of[all->count], 0, sizeof all->of[0]);
}

/* ---- codecs */

static void read_name(struct reader *r, char ret[static CONFIG_NAME_SIZE])
{
	read_text(r, ret, CONFIG_NAME_SIZE);
	if (!order_name_ok(ret))
		r->failed = true;
}

static enum order_kind read_kind(struct reader *r)
{
	uint8_t kind = read_u8(r);

	if (kind < ORDER_SET || kind > ORDER_RETURN)
		r->failed = true;
	return r->failed ? ORDER_SET : (enum order_kind)kind;
}

/* A revision, or an order's number. */
static uint64_t read_from_one(struct reader *r)
{
	uint64_t n = read_u64(r);

	if (n == 0)
		r->failed = true;
	return n;
}

ssize_t config_order_encode(const struct config_order *o, void *ret, size_t size)
{
	struct writer w = writer_over(ret, size);

	if (o->len > CONFIG_CONTENT_MAX)
		return -EMSGSIZE;
	write_u8(&w, VERSION);
	write_u8(&w, (uint8_t)o->kind);
	write_u64(&w, o->revision);
	write_u64(&w, o->number);
	write_text(&w, o->name);
	write_bytes(&w, o->hash, sizeof o->hash);
	write_u32(&w, (uint32_t)o->len);
	write_bytes(&w, o->content, o->len);
	return write_end(&w);
}

int config_order_decode(const void *body, size_t len, struct config_order *ret)
{
	struct reader r = reader_over(body, len);
	struct config_order o = {};
	uint8_t version = read_u8(&r);

	if (r.failed)
		return -EBADMSG;
	if (version != VERSION)
		return -EPROTONOSUPPORT;
	o.kind = read_kind(&r);
	o.revision = read_from_one(&r);
	o.number = read_from_one(&r);
	read_name(&r, o.name);
	read_bytes(&r, o.hash, sizeof o.hash);
	o.len = read_u32(&r);
	if (r.failed || o.len > CONFIG_CONTENT_MAX)
		return -EBADMSG;
	o.content = read_view(&r, o.len);
	if (read_end(&r) < 0)
		return -EBADMSG;
	if (o.kind == ORDER_REMOVE && (o.len > 0 || !sodium_is_zero(o.hash, sizeof o.hash)))
		return -EBADMSG;
	*ret = o;
	return 0;
}

void holdings_write(struct writer *w, const struct holdings *all, bool more)
{
	if (all->count == 0 && !more)
		return;
	write_u8(w, all->count);
	for (size_t i = 0; i < all->count; i++) {
		write_text(w, all->of[i].name);
		write_u64(w, all->of[i].revision);
		write_bytes(w, all->of[i].hash, sizeof all->of[i].hash);
	}
}

void holdings_read(struct reader *r, struct holdings *ret)
{
	uint8_t count;

	memset(ret, 0, sizeof *ret);
	if (r->failed || r->left == 0)
		return;
	count = read_u8(r);
	if ((count == 0 && r->left == 0) || count > HOLDINGS_MAX)
		r->failed = true;
	for (size_t i = 0; i < count && !r->failed; i++) {
		struct holding *one = &ret->of[i];

		read_name(r, one->name);
		one->revision = read_from_one(r);
		read_bytes(r, one->hash, sizeof one->hash);
		if (i > 0 && strcmp(ret->of[i - 1].name, one->name) >= 0)
			r->failed = true;
	}
	ret->count = r->failed ? 0 : count;
}

void subject_write(struct writer *w, const struct subject *s)
{
	if (!s->name[0])
		return;
	write_u64(w, s->time);
	write_u64(w, s->revision);
	write_u8(w, (uint8_t)s->kind);
	write_text(w, s->name);
	write_bytes(w, s->hash, sizeof s->hash);
}

void subject_read(struct reader *r, struct subject *ret)
{
	memset(ret, 0, sizeof *ret);
	if (r->failed || r->left == 0)
		return;
	ret->time = read_u64(r);
	ret->revision = read_from_one(r);
	ret->kind = read_kind(r);
	read_name(r, ret->name);
	read_bytes(r, ret->hash, sizeof ret->hash);
}

/* SPDX-License-Identifier: MIT */
#include <endian.h>
#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "internal.h"
#include "lib/text.h"

static const char domain[] = "muster-audit-1";

/* Counting first takes the head's row, so that two writers can't give one number to two entries. */
static const struct sql count_up = {
	"UPDATE audit_head SET seq = seq + 1 WHERE one = 1 RETURNING seq, hash"
};
static const struct sql set_head = { "UPDATE audit_head SET hash = $1 WHERE one = 1" };
static const struct sql get_head = { "SELECT seq, hash FROM audit_head WHERE one = 1" };
/* The head and the last entry as of one moment: others add entries meanwhile. */
static const struct sql get_end = {
	"SELECT seq, hash, (SELECT COALESCE(max(seq), 0) FROM audit) FROM audit_head WHERE one = 1"
};
static const struct sql add = { "INSERT INTO audit (seq, time, actor, act, object, detail, hash)"
				" VALUES ($1, $2, $3, $4, $5, $6, $7)" };
static const struct sql list = { "SELECT " AUDIT_COLUMNS " FROM audit"
				 " WHERE seq > $1 ORDER BY seq LIMIT $2" };

static void hash_number(crypto_hash_sha256_state *h, uint64_t n)
{
	uint64_t big = htobe64(n);

	crypto_hash_sha256_update(h, (const uint8_t *)&big, sizeof(big));
}

static void hash_text(crypto_hash_sha256_state *h, const char *text)
{
	size_t len = strlen(text);
	uint32_t big = htobe32((uint32_t)len);

	crypto_hash_sha256_update(h, (const uint8_t *)&big, sizeof(big));
	crypto_hash_sha256_update(h, (const uint8_t *)text, len);
}

static void hash_entry(
	const struct audit_record *a, const uint8_t before[static 32], uint8_t ret[static 32])
{
	crypto_hash_sha256_state h;

	crypto_hash_sha256_init(&h);
	crypto_hash_sha256_update(&h, (const uint8_t *)domain, sizeof(domain) - 1);
	crypto_hash_sha256_update(&h, before, 32);
	hash_number(&h, a->seq);
	hash_number(&h, a->time);
	hash_text(&h, a->actor);
	hash_text(&h, a->act);
	hash_text(&h, a->object);
	hash_text(&h, a->detail);
	crypto_hash_sha256_final(&h, ret);
}

static int head(struct store *s, const struct sql *sql, uint64_t *ret_seq, uint8_t ret[static 32])
{
	scoped(rows_endp) struct rows *rows = NULL;
	int r = db_rows(s->db, sql, NULL, 0, &rows);

	if (r == 0)
		r = rows_next(rows);
	if (r <= 0)
		return r < 0 ? r : -EIO;
	*ret_seq = rows_integer(rows, 0);
	if (!rows_bytes(rows, 1, ret, 32))
		return -EIO;
	return rows_next(rows); /* to its end, so that the update is done */
}

int store_audit_count(struct store *s, uint64_t *ret)
{
	uint8_t hash[32];

	return head(s, &get_head, ret, hash);
}

static int append(struct store *s, struct audit_record *a)
{
	uint8_t before[32];
	int r = head(s, &count_up, &a->seq, before);

	if (r < 0)
		return r;
	a->time = store_now(s);
	hash_entry(a, before, a->hash);
	r = db_run(s->db, &add,
		VALUES(value_integer(a->seq), value_integer(a->time), value_text(a->actor),
			value_text(a->act), value_text(a->object), value_text(a->detail),
			value_bytes(a->hash, sizeof(a->hash))),
		NULL);
	if (r == -EEXIST) /* an entry beyond the head: somebody has been at the database */
		return -EIO;
	r = r < 0 ? r : db_run(s->db, &set_head, VALUES(value_bytes(a->hash, 32)), NULL);
	if (r == 0 && s->audited)
		s->audited(s->audited_userdata);
	return r;
}

void store_watch_audit(struct store *s, void (*added)(void *userdata), void *userdata)
{
	s->audited = added;
	s->audited_userdata = userdata;
}

static char *clean(const char *text)
{
	return text_escape(text ? text : "", text ? strlen(text) : 0);
}

int store_audit(
	struct store *s, const char *actor, const char *act, const char *object, const char *detail)
{
	scoped(freep) char *by = clean(actor);
	scoped(freep) char *did = clean(act);
	scoped(freep) char *to = clean(object);
	scoped(freep) char *how = clean(detail);
	struct audit_record a = { .actor = by, .act = did, .object = to, .detail = how };

	return by && did && to && how ? append(s, &a) : -ENOMEM;
}

/* false: the hash stored has another length than a hash. */
bool audit_entry(struct rows *rows, struct audit_record *ret)
{
	ret->seq = rows_integer(rows, 0);
	ret->time = rows_integer(rows, 1);
	ret->actor = rows_view(rows, 2);
	ret->act = rows_view(rows, 3);
	ret->object = rows_view(rows, 4);
	ret->detail = rows_view(rows, 5);
	return rows_bytes(rows, 6, ret->hash, sizeof(ret->hash));
}

int store_audit_each(
	struct store *s, uint64_t after, uint32_t limit, audit_visitor visit, void *userdata)
{
	scoped(rows_endp) struct rows *rows = NULL;
	struct audit_record a;
	int r = db_rows(s->db, &list,
		VALUES(value_integer(after), value_integer(limit ? limit : UINT64_MAX)), &rows);

	while (r == 0) {
		r = rows_next(rows);
		if (r <= 0)
			return r;
		(void)audit_entry(rows, &a); /* a damaged hash is shown as zeros: verify judges */
		r = visit(userdata, &a);
	}
	return r;
}

/* Is this the entry that follows what has been walked so far? */
static bool fits(const struct audit_verdict *v, const struct audit_record *a)
{
	uint8_t expected[32];

	if (a->seq != v->entries + 1)
		return false;
	hash_entry(a, v->head, expected);
	return memcmp(expected, a->hash, sizeof(expected)) == 0;
}

/* All entries that were found fit together; now the last of them must be the head. 1: there are more
 * by now. */
static int compare_head(struct store *s, struct audit_verdict *v)
{
	scoped(rows_endp) struct rows *rows = NULL;
	uint8_t hash[32];
	uint64_t seq;
	int r = db_row(s->db, &get_end, NULL, 0, &rows);

	if (r < 0)
		return r == -ENOENT ? -EIO : r;
	seq = rows_integer(rows, 0);
	if (!rows_bytes(rows, 1, hash, sizeof(hash)))
		return -EIO;
	if (rows_integer(rows, 2) > v->entries)
		return 1;
	if (seq != v->entries)
		v->first_bad = (seq < v->entries ? seq : v->entries) + 1;
	else if (memcmp(hash, v->head, sizeof(hash)) != 0)
		v->first_bad = v->entries ? v->entries : 1;
	return 0;
}

int store_audit_walk(struct store *s, struct audit_walk *w, uint32_t part)
{
	scoped(rows_endp) struct rows *rows = NULL;
	struct audit_verdict *v = &w->verdict;
	struct audit_record a;
	int r = db_rows(
		s->db, &list, VALUES(value_integer(v->entries), value_integer(part)), &rows);

	for (uint32_t i = 0; r == 0; i++) {
		r = rows_next(rows);
		if (r == 0)
			return i == part ? 1 : compare_head(s, v);
		if (r < 0)
			return r;
		if (!audit_entry(rows, &a) || !fits(v, &a)) {
			v->first_bad = v->entries + 1;
			return 0;
		}
		v->entries++;
		memcpy(v->head, a.hash, sizeof(v->head));
		r = 0;
	}
	return r;
}

int store_audit_verify(struct store *s, struct audit_verdict *ret)
{
	struct audit_walk w = {};
	int r;

	do
		r = store_audit_walk(s, &w, 1000);
	while (r > 0);
	if (r == 0)
		*ret = w.verdict;
	return r;
}

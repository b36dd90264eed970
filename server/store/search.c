/* SPDX-License-Identifier: MIT */
#include "search.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "internal.h"
#include "lib/label.h"
#include "lib/text.h"
#include "words.h"

#define SIGHT(key) "SELECT id, state, find, " key " FROM client "

/* Ascending, then descending; "" and an id of no bytes come before everything. */
static const struct sql statements[CLIENT_SORTS][2] = {
	[SORT_HOSTNAME] = { { SIGHT("hostname") "WHERE (hostname, id) > ($1, $2)"
						" ORDER BY hostname, id LIMIT $3" },
		{ SIGHT("hostname") "WHERE (hostname, id) < ($1, $2)"
				    " ORDER BY hostname DESC, id DESC LIMIT $3" } },
	[SORT_ENROLLED] = { { SIGHT("enrolled") "WHERE (enrolled, id) > ($1, $2)"
						" ORDER BY enrolled, id LIMIT $3" },
		{ SIGHT("enrolled") "WHERE (enrolled, id) < ($1, $2)"
				    " ORDER BY enrolled DESC, id DESC LIMIT $3" } },
	[SORT_SEEN] = { { SIGHT("last_hello") "WHERE (last_hello, id) > ($1, $2)"
					      " ORDER BY last_hello, id LIMIT $3" },
		{ SIGHT("last_hello") "WHERE (last_hello, id) < ($1, $2)"
				      " ORDER BY last_hello DESC, id DESC LIMIT $3" } },
};
static const struct sql from_the_end = { SIGHT(
	"hostname") "ORDER BY hostname DESC, id DESC LIMIT $1" };
static const struct sql enrolments = {
	"SELECT count(*) FROM client WHERE enrolled >= $1 AND enrolled < $2"
};
/* The sum keeps the index on the state out of it: that has too many. */
#define UNSEEN " FROM client WHERE last_hello < $1 AND state + 0 = 0"
static const struct sql count_unseen = { "SELECT count(*)" UNSEEN };
static const struct sql count_clones = { "SELECT count(*) FROM client WHERE clone_since > 0" };
static const struct sql some = { "SELECT id FROM client WHERE state = $1 LIMIT $2" };
static const struct sql list_unseen = { "SELECT id" UNSEEN " ORDER BY last_hello DESC LIMIT $2" };

void client_find(
	const char *labels, const char *hostname, const char *address, char ret[static FIND_SIZE])
{
	*ret = '\0';
	if (strlen(labels) <= FIND_LABELS)
		snprintf(ret, FIND_SIZE, "%s|%s|%s", labels, hostname, address);
}

/* ---- does it fit? */

/* The id only where a word could be of it: that is what costs most. */
static bool has_all(const struct words *w, const char *find, const uint8_t *id)
{
	char text[CLIENT_ID_TEXT_SIZE];
	const char *const texts[] = { find, text };

	if (words_fit(w, texts, 1))
		return true;
	for (size_t i = 0; i < w->count; i++) {
		const char *word = w->text + w->at[i];

		if (word[strspn(word, "0123456789abcdef")] != '\0' && !words_has(find, word))
			return false;
	}
	sodium_bin2hex(text, sizeof(text), id, CLIENT_ID_SIZE);
	return words_fit(w, texts, 2);
}

/* ---- the look */

struct look {
	struct store *store;
	const struct client_search *search;
	struct words words;
	client_sighting visit;
	void *userdata;
	char labels[LABELS_TEXT_SIZE];
	char find[LABELS_TEXT_SIZE + FIND_SIZE];
};

/* What the narrow index has no room for. */
static int read_row(struct look *l, const uint8_t id[static CLIENT_ID_SIZE])
{
	struct client_record c;
	int r = store_client_by_id(l->store, id, &c);

	if (r < 0)
		return r;
	labels_join(&c.labels, l->labels);
	snprintf(l->find, sizeof(l->find), "%s|%s|%s", l->labels, c.facts.hostname, c.address);
	return 0;
}

static int judge(struct look *l, struct rows *rows, const struct client_place *place)
{
	uint64_t state = rows_integer(rows, 1);
	const char *find = rows_view(rows, 2);
	struct client_sight sight = { .place = place, .state = (enum client_state)state };
	size_t len = strcspn(find, "|");
	int r = 0;

	if (state >= CLIENT_REMOVED ||
		(l->search->state >= 0 && (uint64_t)l->search->state != state))
		return 0;
	if (*find == '\0') {
		r = read_row(l, place->id);
		find = l->find;
	} else {
		memcpy(l->labels, find, len);
		l->labels[len] = '\0';
	}
	if (r < 0)
		return r == -ENOENT ? 0 : r; /* gone meanwhile */
	if ((l->search->selector && !selector_matches_text(l->search->selector, l->labels)) ||
		!has_all(&l->words, find, place->id))
		return 0;
	sight.labels = l->labels;
	return l->visit(l->userdata, &sight);
}

static int start(struct look *l, const struct client_place *p, uint32_t limit, struct rows **ret)
{
	const struct client_search *q = l->search;
	const struct sql *sql = &statements[q->sort][q->descending];
	struct value values[] = { value_text(p->key),
		value_bytes(p->id, p->started ? sizeof(p->id) : 0), value_integer(limit) };
	uint64_t number = 0;

	if (q->sort == SORT_HOSTNAME)
		return q->descending && !p->started
			       ? db_rows(l->store->db, &from_the_end, &values[2], 1, ret)
			       : db_rows(l->store->db, sql, values, COUNT(values), ret);
	if (p->started && text_number(p->key, 0, INT64_MAX, &number) < 0)
		return -EINVAL;
	values[0] = value_integer(q->descending && !p->started ? INT64_MAX : number);
	if (!p->started && !q->descending)
		values[0].integer = -1;
	return db_rows(l->store->db, sql, values, COUNT(values), ret);
}

static int look(struct look *l, struct client_place *place, uint32_t limit)
{
	const struct client_place from = *place; /* the statement's values */
	scoped(rows_endp) struct rows *rows = NULL;
	uint32_t count = 0;
	int r = start(l, &from, limit, &rows);

	while (r == 0) {
		r = rows_next(rows);
		if (r <= 0)
			return r < 0 ? r : count == limit;
		count++;
		place->started = true;
		rows_text(rows, 3, place->key, sizeof(place->key));
		if (!rows_bytes(rows, 0, place->id, sizeof(place->id)))
			return -EIO;
		r = judge(l, rows, place);
	}
	return r;
}

int store_client_search(struct store *s, const struct client_search *q, struct client_place *place,
	uint32_t rows, client_sighting visit, void *userdata)
{
	static struct look l; /* large, and used nowhere beyond this call */
	int r;

	l.store = s;
	l.search = q;
	l.visit = visit;
	l.userdata = userdata;
	r = words_split(q->text, &l.words);
	return r < 0 ? r : look(&l, place, rows);
}

int store_client_enrolments(
	struct store *s, uint64_t from, uint64_t span, size_t count, uint64_t *ret)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < count; i++, from += span)
		r = db_number(s->db, &enrolments,
			VALUES(value_integer(from), value_integer(from + span)), &ret[i]);
	return r;
}

/* The clients whose ids the statement gives. */
static int each_id(struct store *s, const struct sql *sql, uint64_t first, uint32_t limit,
	client_visitor visit, void *userdata)
{
	scoped(rows_endp) struct rows *rows = NULL;
	uint8_t id[CLIENT_ID_SIZE];
	struct client_record c;
	int r = db_rows(s->db, sql, VALUES(value_integer(first), value_integer(limit)), &rows);

	while (r == 0) {
		r = rows_next(rows);
		if (r <= 0)
			return r;
		r = rows_bytes(rows, 0, id, sizeof(id)) ? store_client_by_id(s, id, &c) : -EIO;
		if (r == 0)
			r = visit(userdata, &c);
	}
	return r;
}

int store_client_some(struct store *s, enum client_state state, uint32_t limit,
	client_visitor visit, void *userdata)
{
	return each_id(s, &some, state, limit, visit, userdata);
}

int store_client_clones(struct store *s, uint64_t *ret)
{
	return db_number(s->db, &count_clones, NULL, 0, ret);
}

int store_client_unseen(struct store *s, uint64_t since, uint32_t limit, client_visitor visit,
	void *userdata, uint64_t *ret_count)
{
	int r = db_number(s->db, &count_unseen, VALUES(value_integer(since)), ret_count);

	return r < 0 ? r : each_id(s, &list_unseen, since, limit, visit, userdata);
}

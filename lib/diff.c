/* SPDX-License-Identifier: MIT */
#include "diff.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define CONTEXT 3

struct line {
	const char *at; /* with its line end */
	size_t len;
	uint64_t hash; /* FNV-1a */
	bool edited;   /* taken out, or put in */
};

struct lines {
	struct line *of;
	size_t count;
};

/* ---- lines */

static uint64_t hash(const char *at, size_t len)
{
	uint64_t h = 0xcbf29ce484222325u;

	for (size_t i = 0; i < len; i++)
		h = (h ^ (uint8_t)at[i]) * 0x100000001b3u;
	return h;
}

static size_t line_length(const char *at, size_t left)
{
	const char *end = left ? memchr(at, '\n', left) : NULL;

	return end ? (size_t)(end - at) + 1 : left;
}

static int split(const char *text, size_t len, struct lines *ret)
{
	size_t count = 0, at = 0;

	for (size_t i = 0; i < len; i += line_length(text + i, len - i))
		count++;
	ret->of = calloc(count + 1, sizeof(*ret->of));
	if (!ret->of)
		return -ENOMEM;
	for (ret->count = 0; ret->count < count; at += ret->of[ret->count++].len) {
		size_t n = line_length(text + at, len - at);

		ret->of[ret->count] =
			(struct line){ .at = text + at, .len = n, .hash = hash(text + at, n) };
	}
	return 0;
}

static bool same(const struct line *a, const struct line *b)
{
	return a->hash == b->hash && a->len == b->len && memcmp(a->at, b->at, a->len) == 0;
}

/* ---- the shortest way from one to the other (Myers 1986), between what is common at both ends */

struct middle {
	struct line *old, *new;
	int old_count, new_count;
	int *reached; /* of every number of edits: the farthest old line on each diagonal */
};

/* Those of d edits, indexed from -d to d: d * d are before them. */
static int *row(const struct middle *m, int d)
{
	return m->reached + d * d + d;
}

/* Where the way on diagonal k with d edits begins: by a line put in, or one taken out. */
static bool comes_from_above(const int *before, int d, int k)
{
	return k == -d || (k != d && before[k - 1] < before[k + 1]);
}

/* The farthest on diagonal k; true: that is the end of both. */
static bool reach(const struct middle *m, int d, int k)
{
	const int *before = row(m, d - 1);
	int x = d == 0 ? 0 : comes_from_above(before, d, k) ? before[k + 1] : before[k - 1] + 1;

	while (x < m->old_count && x - k >= 0 && x - k < m->new_count &&
		same(&m->old[x], &m->new[x - k]))
		x++;
	row(m, d)[k] = x;
	return x >= m->old_count && x - k >= m->new_count;
}

static void mark_way(const struct middle *m, int d)
{
	int x = m->old_count, y = m->new_count;

	for (; d > 0; d--) {
		const int *before = row(m, d - 1);
		int k = x - y;

		if (comes_from_above(before, d, k)) {
			x = before[k + 1];
			y = x - (k + 1);
			m->new[y].edited = true;
		} else {
			x = before[k - 1];
			y = x - (k - 1);
			m->old[x].edited = true;
		}
	}
}

/* false: it takes more edits than are looked for. */
static bool find_way(const struct middle *m)
{
	for (int d = 0; d <= DIFF_EDITS; d++) {
		for (int k = -d; k <= d; k += 2) {
			/* beyond an end there is nothing to be found */
			if (reach(m, d, k)) {
				mark_way(m, d);
				return true;
			}
		}
	}
	return false;
}

static int compare(struct lines *old, struct lines *new)
{
	size_t start = 0, end = 0, least = old->count < new->count ? old->count : new->count;
	struct middle m;

	while (start < least && same(&old->of[start], &new->of[start]))
		start++;
	while (end < least - start &&
		same(&old->of[old->count - 1 - end], &new->of[new->count - 1 - end]))
		end++;
	m = (struct middle){ .old = old->of + start,
		.new = new->of + start,
		.old_count = (int)(old->count - start - end),
		.new_count = (int)(new->count - start - end),
		.reached = calloc((DIFF_EDITS + 1) * (DIFF_EDITS + 1), sizeof(int)) };
	if (!m.reached)
		return -ENOMEM;
	if (!find_way(&m)) {
		for (int i = 0; i < m.old_count; i++)
			m.old[i].edited = true;
		for (int i = 0; i < m.new_count; i++)
			m.new[i].edited = true;
	}
	free(m.reached);
	return 0;
}

/* ---- telling it */

struct hunk {
	size_t old, new; /* the first lines */
	size_t old_end, new_end;
};

static bool is_edited(const struct lines *l, size_t at)
{
	return at < l->count && l->of[at].edited;
}

/* From where both stand to where CONTEXT lines or more on both sides of nothing but sameness are. */
static bool next_hunk(const struct lines *old, const struct lines *new, struct hunk *h)
{
	size_t o = h->old_end, n = h->new_end, alike = 0, back;

	while (o < old->count && n < new->count && !is_edited(old, o) && !is_edited(new, n))
		o++, n++;
	if (o == old->count && n == new->count)
		return false;
	back = o - h->old_end < CONTEXT ? o - h->old_end : CONTEXT;
	h->old = o - back;
	h->new = n - back;
	while ((o < old->count || n < new->count) && alike <= 2 * CONTEXT) {
		if (is_edited(old, o) || is_edited(new, n)) {
			alike = 0;
			while (is_edited(old, o))
				o++;
			while (is_edited(new, n))
				n++;
		} else
			alike++, o++, n++;
	}
	back = alike > CONTEXT ? alike - CONTEXT : 0;
	h->old_end = o - back;
	h->new_end = n - back;
	return true;
}

static int put(struct buffer *out, char sign, const struct line *l)
{
	int r = buffer_append(out, &sign, 1);

	if (r == 0)
		r = buffer_append(out, l->at, l->len);
	if (r == 0 && (l->len == 0 || l->at[l->len - 1] != '\n'))
		r = buffer_printf(out, "\n\\ No newline at end of file\n");
	return r;
}

/* "12,3": from the 12th line on three; one is not counted; of none it's the line before. */
static int put_range(struct buffer *out, char sign, size_t first, size_t end)
{
	size_t count = end - first;

	if (count == 1)
		return buffer_printf(out, "%c%zu ", sign, first + 1);
	return buffer_printf(out, "%c%zu,%zu ", sign, count ? first + 1 : first, count);
}

static int put_hunk(
	struct buffer *out, const struct lines *old, const struct lines *new, const struct hunk *h)
{
	size_t o = h->old, n = h->new;
	int r = buffer_printf(out, "@@ ");

	if (r == 0)
		r = put_range(out, '-', h->old, h->old_end);
	if (r == 0)
		r = put_range(out, '+', h->new, h->new_end);
	if (r == 0)
		r = buffer_printf(out, "@@\n");
	while (r == 0 && (o < h->old_end || n < h->new_end)) {
		if (o < h->old_end && old->of[o].edited)
			r = put(out, '-', &old->of[o++]);
		else if (n < h->new_end && new->of[n].edited)
			r = put(out, '+', &new->of[n++]);
		else
			r = put(out, ' ', &old->of[o++]), n++;
	}
	return r;
}

int diff_unified(const char *old, size_t old_len, const char *new, size_t new_len,
	const char *old_name, const char *new_name, struct buffer *out)
{
	struct lines a = {}, b = {};
	struct hunk h = {};
	int r = 0;

	if (old_len == new_len && (old_len == 0 || memcmp(old, new, old_len) == 0))
		return 0;
	if ((old_len && memchr(old, 0, old_len)) || (new_len && memchr(new, 0, new_len)))
		return buffer_printf(out, "Binary files %s and %s differ\n", old_name, new_name);
	r = split(old, old_len, &a);
	if (r == 0)
		r = split(new, new_len, &b);
	if (r == 0)
		r = compare(&a, &b);
	if (r == 0)
		r = buffer_printf(out, "--- %s\n+++ %s\n", old_name, new_name);
	while (r == 0 && next_hunk(&a, &b, &h))
		r = put_hunk(out, &a, &b, &h);
	free(a.of);
	free(b.of);
	return r;
}

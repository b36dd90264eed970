/* SPDX-License-Identifier: MIT */
#include "page.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "answer.h"
#include "read.h"

int page_add(struct page *p, json_t *object)
{
	scoped(freep) char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;
	int r = text ? 0 : -ENOMEM;

	json_decref(object);
	p->text.limit = PAGE_BYTES + (1u << 16);
	if (r == 0 && p->count > 0)
		r = buffer_append(&p->text, ",", 1);
	if (r == 0)
		r = buffer_append(&p->text, text, strlen(text));
	if (r < 0) {
		p->error = r;
		return r;
	}
	p->count++;
	return p->text.len >= PAGE_BYTES;
}

void page_endp(struct page *p)
{
	buffer_clear(&p->text);
}

/* The object's text without its closing brace, or "{"; ends where a field may follow. */
static int open_object(struct buffer *out, json_t *extra)
{
	scoped(freep) char *text = extra ? json_dumps(extra, JSON_COMPACT) : NULL;

	if (extra && !text)
		return -ENOMEM;
	if (!extra || strcmp(text, "{}") == 0)
		return buffer_append(out, "{", 1);
	text[strlen(text) - 1] = ',';
	return buffer_append(out, text, strlen(text));
}

void page_answer(
	struct api_call *c, struct page *p, json_t *extra, const char *name, const char *next)
{
	struct buffer all = { .limit = API_ANSWER_MAX };
	int r = p->error ? p->error : open_object(&all, extra);

	json_decref(extra);
	if (r == 0)
		r = buffer_printf(&all, "\"%s\":[", name);
	if (r == 0)
		r = buffer_append(&all, p->text.data, p->text.len);
	if (r == 0) /* cursors are ids and numbers: nothing to escape */
		r = *next ? buffer_printf(&all, "],\"next\":\"%s\"}", next)
			  : buffer_printf(&all, "],\"next\":null}");
	if (r == 0)
		answer_text(c, "application/json", &all);
	answer_failed(c, r);
	buffer_clear(&all);
}

/* ---- rows of the store */

bool listing_begin(struct api_call *c, const struct param *limit, struct listing *ret)
{
	uint64_t rows;

	*ret = (struct listing){};
	if (!read_number(c, limit, 1, PAGE_MAX, PAGE_DEFAULT, &rows))
		return false;
	ret->limit = rows;
	return true;
}

uint32_t listing_rows(const struct listing *l)
{
	return (uint32_t)l->limit + 1;
}

int listing_add(struct listing *l, json_t *object, const char *format, ...)
{
	va_list args;
	int r;

	if (l->page.count == l->limit) {
		json_decref(object);
		l->more = true;
		return 1;
	}
	va_start(args, format);
	vsnprintf(l->last, sizeof(l->last), format, args);
	va_end(args);
	r = page_add(&l->page, object);
	if (r > 0) /* full before that many: whatever comes now is beyond */
		l->limit = l->page.count;
	return r < 0 ? r : 0;
}

void listing_answer(
	struct api_call *c, struct listing *l, int r, const char *name, const char *what)
{
	if (r < 0 && l->page.error == 0)
		answer_store_error(c, r, what);
	else
		page_answer(c, &l->page, NULL, name, l->more ? l->last : "");
	page_endp(&l->page);
}

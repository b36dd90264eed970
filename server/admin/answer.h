/* SPDX-License-Identifier: MIT */
/*
 * What the API's handlers have in common: reading parameters and fields, and answers. A reader that
 * finds a mistake has refused the request already and returns false; then the handler just returns.
 */
#ifndef MUSTER_ANSWER_H
#define MUSTER_ANSWER_H

#include "api.h"
#include "lib/label.h"

#define PAGE_DEFAULT 100
#define PAGE_MAX     1000
#define PAGE_BYTES   (1u << 20) /* a page ends early when its text is longer */

/* The status line, the headers and this object, which is taken over (NULL: no memory). */
void answer_json(struct api_call *c, int status, json_t *object);
/* The same with further lines for the head, each with CR LF. */
void answer_json_with(struct api_call *c, int status, json_t *object, const char *headers);
void answer_nothing(struct api_call *c, const char *headers); /* 204 */
void answer_text(struct api_call *c, const char *content_type, const struct buffer *text);

/* application/problem+json. A detail is a sentence; what is put into it gets escaped. */
void answer_refuse(struct api_call *c, int status, const char *code, const char *format, ...)
	printf_like(4);

/* 401: nobody in particular asks. */
void answer_login_first(struct api_call *c);

/* For an error of the store: 404, 409, or 503 and the turn fails. what: "token", "client". */
void answer_store_error(struct api_call *c, int error, const char *what);

/* Opens the turn's transaction before writing. */
bool answer_may_write(struct api_call *c) must_use;

/* ---- what was asked */

struct param {
	const char *name;
	char value[SELECTOR_SIZE]; /* "" if it is not there */
	bool given;
};

/* The query's parameters, decoded; others than these, or one twice, are refused. */
bool read_query(struct api_call *c, struct param *params, size_t count) must_use;
/* A parameter as a number; fallback if it is not given. */
bool read_number(struct api_call *c, const struct param *p, uint64_t min, uint64_t max,
	uint64_t fallback, uint64_t *ret) must_use;

/* No other fields than these (up to a NULL) in the body. */
bool read_fields(struct api_call *c, const char *const *names) must_use;
/* *ret is NULL if the field isn't there, or null. */
bool read_string(struct api_call *c, const char *field, size_t size, const char **ret) must_use;
bool read_bool(struct api_call *c, const char *field, bool *ret) must_use; /* absent: false */
bool read_labels(struct api_call *c, const char *field, struct labels *ret) must_use;

/* Field "role"; there must be one. */
bool read_role(struct api_call *c, enum role *ret) must_use;

/* Field "expires": a duration, a time (RFC 3339), or never (0). fallback: if it isn't there. */
bool read_expires(struct api_call *c, const char *fallback, uint64_t *ret) must_use;

/* A list of labels that each take the place of the one of their key in *l; a list of keys of labels
 * that are taken out of it. */
bool read_labels_put(struct api_call *c, const char *field, struct labels *l) must_use;
bool read_labels_drop(struct api_call *c, const char *field, struct labels *l) must_use;

/* ---- values; NULL: no memory */

json_t *value_time(uint64_t time);    /* 0: null */
json_t *value_seconds(uint32_t n);    /* 0: null */
json_t *value_said(const char *text); /* of a machine or a person: escaped if not printable */
json_t *value_said_or_null(const char *text);
json_t *value_hex(const uint8_t *data, size_t len);
json_t *value_labels(const struct labels *l);

/* ---- lists */

struct page {
	struct buffer text; /* objects with commas between them */
	size_t count;
	int error;
};

/* Takes the object over. 0; 1: the page is full, this was the last; negative: no memory. */
int page_add(struct page *p, json_t *object) must_use;
/* {"NAME":[...],"next":NEXT}; next "" is null. extra: fields before these, taken over, or NULL. */
void page_answer(
	struct api_call *c, struct page *p, json_t *extra, const char *name, const char *next);
void page_endp(struct page *p);

#endif

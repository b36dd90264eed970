/* SPDX-License-Identifier: MIT */
/* The answers of the API's handlers: each call gets one. */
#ifndef MUSTER_ANSWER_H
#define MUSTER_ANSWER_H

#include "api.h"

/* The status line, the headers and this object, which is taken over (NULL: no memory). */
void answer_json(struct api_call *c, int status, json_t *object);
/* The same with further lines for the head, each with CR LF. */
void answer_json_with(struct api_call *c, int status, json_t *object, const char *headers);
void answer_nothing(struct api_call *c, const char *headers); /* 204 */
/* 200 with this as it is. */
void answer_text(struct api_call *c, const char *content_type, const struct buffer *text);
/* None could be made: the connection ends. A first error stays. 0: there is none. */
void answer_failed(struct api_call *c, int error);

/* application/problem+json. A detail is a sentence; what is put into it gets escaped. */
void answer_refuse(struct api_call *c, int status, const char *code, const char *format, ...)
	printf_like(4);

/* 401: nobody in particular asks. */
void answer_login_first(struct api_call *c);

/* For an error of the store: 404, 409, or 503 and the turn fails. what: "token", "client". */
void answer_store_error(struct api_call *c, int error, const char *what);

/* Opens the turn's transaction before writing. */
bool answer_may_write(struct api_call *c) must_use;

#endif

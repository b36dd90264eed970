/* SPDX-License-Identifier: MIT */
/* The API's description (openapi.json), carried inside. */
#include <errno.h>

#include "answer.h"
#include "read.h"

extern const char openapi[];
extern const size_t openapi_len;

void api_description(struct api_call *c)
{
	struct buffer text = {};

	if (!read_query(c, NULL, 0))
		return;
	text.limit = openapi_len;
	if (buffer_append(&text, openapi, openapi_len) == 0)
		answer_text(c, "application/json", &text);
	else
		c->error = -ENOMEM;
	buffer_clear(&text);
}

/* SPDX-License-Identifier: MIT */
#include "passwords.h"

#include <string.h>

#include "../http_answer.h"
#include "answer.h"

bool read_password(
	struct api_call *c, const char *field, size_t min, char ret[static PASSWORD_SIZE])
{
	json_t *value = json_object_get(c->body, field);
	const char *text = json_string_value(value);

	if (!text || strlen(text) != json_string_length(value)) {
		answer_refuse(c, 400, "bad-field", "field '%s' must be a password", field);
		return false;
	}
	if (password_normal(text, ret) < 0) {
		answer_refuse(c, 400, "bad-field", "field '%s' is longer than %d bytes", field,
			PASSWORD_MAX);
		return false;
	}
	if (password_length(ret) >= min)
		return true;
	answer_refuse(c, 400, "bad-field", "field '%s' is shorter than %zu characters", field, min);
	return false;
}

void refuse_busy(struct api_call *c, uint32_t seconds)
{
	char header[48];
	int r;

	snprintf(header, sizeof(header), "Retry-After: %u\r\n", seconds);
	r = http_answer_problem(c->out, 429, "too-many-logins",
		"too many logins have been tried; wait a while", c->request->keep_alive, header);
	if (r < 0)
		c->error = r;
}

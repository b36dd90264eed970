/* SPDX-License-Identifier: MIT */
/* The release that this server offers to machines. */
#include <string.h>

#include "../release.h"
#include "answer.h"
#include "read.h"
#include "value.h"

static json_t *file_object(const struct release *r, const struct manifest_file *f)
{
	return json_pack("{s:s, s:I, s:o, s:b}", "path", f->path, "size", (json_int_t)f->size,
		"sha256", value_hex(f->sha256, sizeof(f->sha256)), "offered",
		release_find(r, f->path) != NULL);
}

/* All that the manifest lists; what isn't there, or is something else, can't be had. */
static json_t *files(const struct release *r)
{
	json_t *list = json_array();

	for (size_t i = 0; list && i < r->manifest.count; i++) {
		if (json_array_append_new(list, file_object(r, &r->manifest.files[i])) < 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

void api_release_show(struct api_call *c)
{
	const struct release *r = &c->server->release;
	const struct manifest *m = &r->manifest;

	if (!read_query(c, NULL, 0))
		return;
	if (!r->manifest_text) {
		answer_refuse(c, 404, "no-release",
			"this server offers no release: there are no programs below its Clients= "
			"folder, or no signed manifest of them; its log tells");
		return;
	}
	answer_json(c, 200,
		json_pack("{s:I, s:s, s:o, s:o, s:o}", "serial", (json_int_t)m->serial, "version",
			m->version, "issued", value_time(m->issued), "digest",
			value_hex(r->digest, sizeof(r->digest)), "files", files(r)));
}

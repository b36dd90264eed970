/* SPDX-License-Identifier: MIT */
#include "audit_json.h"

#include "value.h"

json_t *audit_json(const struct audit_record *a)
{
	return json_pack("{s:I, s:o, s:o, s:o, s:o, s:o, s:o}", "seq", (json_int_t)a->seq, "time",
		value_time(a->time), "actor", value_said(a->actor), "act", value_said(a->act),
		"object", value_said(a->object), "detail", value_said(a->detail), "hash",
		value_hex(a->hash, sizeof(a->hash)));
}

/* SPDX-License-Identifier: MIT */
#include "messages_json.h"

#include "value.h"

json_t *message_json(const struct message_record *m)
{
	return json_pack("{s:I, s:o, s:o, s:o, s:o, s:o, s:I, s:o}", "seq", (json_int_t)m->seq,
		"client", value_hex(m->client, sizeof(m->client)), "hostname",
		value_said_or_null(m->hostname), "type", value_said(m->type), "sent",
		value_time(m->sent), "received", value_time(m->received), "number",
		(json_int_t)m->number, "text", json_string(m->text));
}

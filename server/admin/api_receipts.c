/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>
#include <sodium.h>
#include <string.h>

#include "../store/configs.h"
#include "answer.h"
#include "lib/text.h"
#include "page.h"
#include "read.h"
#include "value.h"

/* All that the signature covers, and what it says in words: so much of it as the message tells. */
static json_t *receipt_object(const struct receipt *r)
{
	char message[2 * sizeof(r->bytes) + 1];
	char client_key[IDENTITY_TEXT_SIZE], server_key[IDENTITY_TEXT_SIZE];
	char signature[2 * SIGNATURE_SIZE + 1];

	sodium_bin2hex(message, sizeof(message), r->bytes, r->len);
	sodium_bin2hex(signature, sizeof(signature), r->signature, sizeof(r->signature));
	identity_public_to_text(r->client_key, client_key);
	identity_public_to_text(r->server_key, server_key);
	return json_pack("{s:I, s:o, s:o, s:s, s:s, s:I, s:s, s:o, s:s, s:s, s:s, s:o, s:s}", "id",
		(json_int_t)r->id, "time", value_time(r->time), "client",
		value_hex(r->client, sizeof(r->client)), "op", r->op == OP_ACK ? "ACK" : "NACK",
		"name", r->name, "revision", (json_int_t)r->revision, "kind",
		r->kind == ORDER_REMOVE ? "remove" : "set", "sha256",
		value_hex(r->hash, sizeof(r->hash)), "client_key", client_key, "server_key",
		server_key, "message", message, "binding",
		value_hex(r->binding, sizeof(r->binding)), "signature", signature);
}

static int list_one(void *userdata, const struct receipt *receipt)
{
	return listing_add(userdata, receipt_object(receipt), "%" PRIu64, receipt->id);
}

/* A client's id, which may be shortened; of one that is not known any more it must be whole. */
static bool read_client(struct api_call *c, const struct param *p, uint8_t ret[CLIENT_ID_SIZE])
{
	struct client_record client;
	int r = store_client_get(c->server->store, p->value, &client);
	size_t len = 0;

	if (r == 0)
		memcpy(ret, client.id, CLIENT_ID_SIZE);
	else if (r == -ENOENT &&
		 sodium_hex2bin(
			 ret, CLIENT_ID_SIZE, p->value, strlen(p->value), NULL, &len, NULL) == 0 &&
		 len == CLIENT_ID_SIZE)
		return true;
	else {
		snprintf(c->id, sizeof(c->id), "%.*s", (int)sizeof(c->id) - 1, p->value);
		answer_store_error(c, r, "client");
	}
	return r == 0;
}

void api_receipt_list(struct api_call *c)
{
	struct param params[] = { { .name = "after" }, { .name = "limit" }, { .name = "client" },
		{ .name = "name" } };
	uint8_t client[CLIENT_ID_SIZE];
	struct listing l;
	uint64_t after;
	int r;

	if (!read_query(c, params, COUNT(params)) ||
		!read_number(c, &params[0], 0, INT64_MAX, 0, &after) ||
		!listing_begin(c, &params[1], &l) ||
		(params[2].given && !read_client(c, &params[2], client)))
		return;
	r = store_receipt_each(c->server->store, params[2].given ? client : NULL, params[3].value,
		after, listing_rows(&l), list_one, &l);
	listing_answer(c, &l, r, "receipts", "receipt");
}

void api_receipt_show(struct api_call *c)
{
	struct receipt receipt;
	uint64_t id;
	int r;

	if (!read_query(c, NULL, 0))
		return;
	r = text_number(c->id, 1, INT64_MAX, &id) < 0
		    ? -ENOENT
		    : store_receipt_get(c->server->store, id, &receipt);
	if (r < 0)
		answer_store_error(c, r, "receipt");
	else
		answer_json(c, 200, receipt_object(&receipt));
}

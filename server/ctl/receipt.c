/* SPDX-License-Identifier: MIT */
/* Receipts: what machines have signed, checked with the public keys alone. */
#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "ctl.h"
#include "lib/body.h"
#include "lib/file.h"
#include "lib/session.h"
#include "table.h"

#define FORMAT    "muster-receipt-1"
#define FILE_MAX  16384
#define BYTES_MAX 1200
#define HEAD_SIZE (CLIENT_ID_SIZE + 8)

/* What a receipt consists of; all else in a file is told by the message. */
struct proof {
	enum op op;
	uint8_t client_key[PUBLIC_KEY_SIZE], server_key[PUBLIC_KEY_SIZE];
	uint8_t binding[BINDING_SIZE], signature[SIGNATURE_SIZE];
	uint8_t bytes[BYTES_MAX];
	size_t len;
	uint8_t client[CLIENT_ID_SIZE]; /* from here on: read out of the bytes */
	struct subject subject;
	struct nack nack; /* of a NACK */
};

/* ---- reading */

static bool hex_field(json_t *object, const char *name, void *ret, size_t size, size_t *ret_len)
{
	const char *text = get(object, name);

	return sodium_hex2bin(ret, size, text, strlen(text), NULL, ret_len, NULL) == 0;
}

static bool hex_exactly(json_t *object, const char *name, void *ret, size_t size)
{
	size_t len = 0;

	return hex_field(object, name, ret, size, &len) && len == size;
}

static bool read_message(struct proof *p)
{
	const uint8_t *body = p->bytes + HEAD_SIZE;
	size_t len = p->len - HEAD_SIZE;
	struct ack ack;

	if (p->len < HEAD_SIZE)
		return false;
	memcpy(p->client, p->bytes, sizeof(p->client));
	if (p->op == OP_NACK && nack_decode(body, len, &p->nack) == 0)
		p->subject = p->nack.subject;
	else if (p->op == OP_ACK && ack_decode(body, len, &ack) == 0)
		p->subject = ack.subject;
	else
		return false;
	return true;
}

static bool read_proof(json_t *o, struct proof *ret)
{
	*ret = (struct proof){ .op = strcmp(get(o, "op"), "NACK") == 0 ? OP_NACK : OP_ACK };
	return identity_public_from_text(get(o, "client_key"), ret->client_key) == 0 &&
	       identity_public_from_text(get(o, "server_key"), ret->server_key) == 0 &&
	       hex_exactly(o, "binding", ret->binding, sizeof(ret->binding)) &&
	       hex_exactly(o, "signature", ret->signature, sizeof(ret->signature)) &&
	       hex_field(o, "message", ret->bytes, sizeof(ret->bytes), &ret->len) &&
	       read_message(ret);
}

/* ---- writing: one form only, so that a file can be compared byte for byte */

static void rfc3339(uint64_t at, char ret[static 24])
{
	time_t t = (time_t)at;
	struct tm tm;

	if (at > 253402300799u || !gmtime_r(&t, &tm) ||
		strftime(ret, 24, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		*ret = '\0';
}

static json_t *hex(const void *data, size_t len)
{
	char text[2 * BYTES_MAX + 1];

	return json_string(sodium_bin2hex(text, sizeof(text), data, len));
}

static json_t *said(const struct proof *p)
{
	const struct subject *s = &p->subject;
	char time[24];
	json_t *o;

	rfc3339(s->time, time);
	o = json_pack("{s:o, s:s, s:s, s:s, s:I, s:s, s:o}", "client",
		hex(p->client, sizeof(p->client)), "machine_time", time, "answer",
		p->op == OP_ACK ? "done" : "refused", "name", s->name, "revision",
		(json_int_t)s->revision, "kind", s->kind == ORDER_REMOVE ? "remove" : "set",
		"sha256", hex(s->hash, sizeof(s->hash)));
	if (o && p->op == OP_NACK) {
		json_object_set_new(o, "reason", json_string(nack_name(p->nack.code)));
		json_object_set_new(o, "text", json_string(p->nack.text));
	}
	return o;
}

/* Caller frees; NULL: no memory. */
static char *proof_text(const struct proof *p)
{
	char client_key[IDENTITY_TEXT_SIZE], server_key[IDENTITY_TEXT_SIZE];
	json_t *o;
	char *text;

	identity_public_to_text(p->client_key, client_key);
	identity_public_to_text(p->server_key, server_key);
	o = json_pack("{s:s, s:o, s:s, s:s, s:s, s:o, s:o, s:o}", "format", FORMAT, "says", said(p),
		"op", p->op == OP_ACK ? "ACK" : "NACK", "client_key", client_key, "server_key",
		server_key, "binding", hex(p->binding, sizeof(p->binding)), "message",
		hex(p->bytes, p->len), "signature", hex(p->signature, sizeof(p->signature)));
	text = o ? json_dumps(o, JSON_INDENT(2)) : NULL;
	json_decref(o);
	return text;
}

/* ---- commands */

static void list_one(void *userdata, json_t *receipt)
{
	struct table *t = userdata;
	char time[WHEN_SIZE];
	bool ack = strcmp(get(receipt, "op"), "ACK") == 0;

	table_addf(t, PAINT_NONE, "%lld",
		(long long)json_integer_value(json_object_get(receipt, "id")));
	table_add(t, when(get(receipt, "time"), "", time), PAINT_NONE);
	table_addf(t, PAINT_NONE, "%.12s", get(receipt, "client"));
	table_add(t, get(receipt, "op"), ack ? PAINT_GOOD : PAINT_BAD);
	table_add(t, get(receipt, "name"), PAINT_NONE);
	table_addf(t, PAINT_NONE, "%lld",
		(long long)json_integer_value(json_object_get(receipt, "revision")));
	table_add(t, get(receipt, "kind"), PAINT_NONE);
	table_addf(t, PAINT_NONE, "%.12s", get(receipt, "sha256"));
}

int receipt_list(struct ctl *c, int argc, char **argv)
{
	static const char *const titles[] = { "ID", "TIME", "CLIENT", "ANSWER", "NAME", "REVISION",
		"KIND", "SHA-256" };
	scoped(table_endp) struct table t = { .titles = titles, .columns = COUNT(titles) };
	const char *client = NULL, *name = NULL;
	const struct option options[] = {
		{ "client", OPTION_VALUE, { .value = &client } },
		{ "config", OPTION_VALUE, { .value = &name } },
	};
	char path[2048] = "/api/v1/receipts";
	int r = options_only(c, options, COUNT(options), argc, argv, 0);

	if (r != CTL_OK)
		return r;
	if ((client && strlen(client) > 64) || (name && strlen(name) > 64))
		return complain(CTL_USAGE, "this is neither an id nor a name");
	if (client)
		request_add(path, sizeof(path), "client", client);
	if (name)
		request_add(path, sizeof(path), "name", name);
	r = request_list(c, path, "receipts", list_one, &t);
	if (r == CTL_OK && !c->json && t.count == 0)
		fputs(client || name ? "no such receipts\n"
				     : "no receipts yet: machines sign what they do with a "
				       "configuration\n",
			stderr);
	return r == CTL_OK ? table_print(c, &t) : r;
}

int receipt_export(struct ctl *c, int argc, char **argv)
{
	scoped(freep) char *text = NULL;
	json_t *receipt = NULL;
	struct proof proof;
	char path[256];
	bool whole;
	int r = options_only(c, NULL, 0, argc, argv, 1);

	if (r == CTL_OK && request_path(path, sizeof(path), "receipts", argv[0], NULL) < 0)
		return complain(CTL_NOT_FOUND, "there is no receipt '%s'", argv[0]);
	if (r == CTL_OK)
		r = request_get(c, path, &receipt);
	if (r != CTL_OK)
		return r;
	whole = read_proof(receipt, &proof);
	json_decref(receipt);
	if (!whole)
		return complain(CTL_BROKEN, "receipt %s is not what was stored", argv[0]);
	text = proof_text(&proof);
	if (!text)
		return complain(CTL_FAILED, "no memory");
	puts(text);
	return CTL_OK;
}

/* The file must be the one form of what it proves, so no byte of it can be another. */
static bool read_file(const char *text, size_t len, struct proof *ret)
{
	json_t *object = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
	bool good = object && read_proof(object, ret);
	scoped(freep) char *again = good ? proof_text(ret) : NULL;

	json_decref(object);
	return again && len == strlen(again) + 1 && memcmp(text, again, len - 1) == 0 &&
	       text[len - 1] == '\n';
}

static bool is_signed(const struct proof *p)
{
	uint8_t digest[DIGEST_SIZE];

	session_digest(p->op, FROM_CLIENT, p->binding, p->server_key, p->bytes, p->len, digest);
	return identity_verify(p->client_key, digest, p->signature) == 0;
}

static int check_key(const char *option, const char *text, const uint8_t key[PUBLIC_KEY_SIZE])
{
	uint8_t wanted[PUBLIC_KEY_SIZE];

	if (!text)
		return CTL_OK;
	if (identity_public_from_text(text, wanted) < 0)
		return complain(CTL_USAGE, "--%s: '%s' is not a key of 66 digits", option, text);
	return memcmp(wanted, key, sizeof(wanted)) == 0
		       ? CTL_OK
		       : complain(CTL_BROKEN, "the receipt has another key than --%s", option);
}

static void tell(struct ctl *c, const struct proof *p)
{
	char client[CLIENT_ID_TEXT_SIZE], key[IDENTITY_TEXT_SIZE], time[24];
	char hash[2 * CONFIG_HASH_SIZE + 1];
	const struct subject *s = &p->subject;

	rfc3339(s->time, time);
	sodium_bin2hex(client, sizeof(client), p->client, sizeof(p->client));
	sodium_bin2hex(hash, sizeof(hash), s->hash, sizeof(s->hash));
	field(c, "Client", client);
	field(c, "Said at", time);
	field(c, "Answer", p->op == OP_ACK ? "done" : "refused");
	field(c, "Configuration", s->name);
	fieldf(c, "Revision", "%llu%s", (unsigned long long)s->revision,
		s->kind == ORDER_REMOVE ? ", a removal" : "");
	field(c, "SHA-256", hash);
	if (p->op == OP_NACK)
		fieldf(c, "Why", "%s: %s", nack_name(p->nack.code), p->nack.text);
	identity_public_to_text(p->client_key, key);
	field(c, "Signed by", key);
	identity_public_to_text(p->server_key, key);
	field(c, "For server", key);
}

int receipt_verify(struct ctl *c, int argc, char **argv)
{
	const char *client_key = NULL, *server_key = NULL;
	const struct option options[] = {
		{ "client-key", OPTION_VALUE, { .value = &client_key } },
		{ "server-key", OPTION_VALUE, { .value = &server_key } },
	};
	scoped(freep) char *text = NULL;
	struct proof proof;
	size_t len = 0;
	int r = options_only(c, options, COUNT(options), argc, argv, 1);

	if (r != CTL_OK)
		return r;
	r = file_read(argv[0], FILE_MAX, &text, &len);
	if (r < 0)
		return complain(CTL_USAGE, "cannot read '%s': %s", argv[0], strerror(-r));
	if (!read_file(text, len, &proof))
		return complain(CTL_BROKEN, "this is not a receipt, or it has been changed");
	if (!is_signed(&proof))
		return complain(CTL_BROKEN, "the receipt's signature is wrong");
	r = check_key("client-key", client_key, proof.client_key);
	if (r == CTL_OK)
		r = check_key("server-key", server_key, proof.server_key);
	if (r != CTL_OK)
		return r;
	if (c->json)
		return print_json(said(&proof));
	tell(c, &proof);
	return CTL_OK;
}

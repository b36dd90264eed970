/* SPDX-License-Identifier: MIT */
/* The test vectors of muster-protocol(7), read from the page itself: vectors [PAGE]. */
#include "tests/unit/unit.h"

#include "lib/body.h"
#include "lib/ecies.h"
#include "lib/file.h"
#include "lib/minisign.h"
#include "lib/packet.h"
#include "lib/session.h"

#define VECTORS_MAX 64
#define BYTES_MAX   1024

struct vector {
	char name[40];
	uint8_t bytes[BYTES_MAX];
	size_t len;
	bool used;
};

static const char *page = "man/muster-protocol.7";
static struct vector vectors[VECTORS_MAX];
static size_t count;

static void add_digits(struct vector *v, const char *digits)
{
	size_t len;

	assert_int_equal(sodium_hex2bin(v->bytes + v->len, BYTES_MAX - v->len, digits,
				 strlen(digits), NULL, &len, NULL),
		0);
	v->len += len;
}

/* "name = hex", or "name =" and then lines of a tab and hex. */
static struct vector *read_line(struct vector *open, char *line)
{
	char *sign = strstr(line, " =");

	if (open && *line == '\t') {
		add_digits(open, line + 1);
		return open;
	}
	if (!sign || strspn(line, "abcdefghijklmnopqrstuvwxyz.-") != (size_t)(sign - line) ||
		*line == '.' || (sign[2] != '\0' && sign[2] != ' '))
		return NULL;
	assert_in_range(count, 0, VECTORS_MAX - 1);
	open = &vectors[count++];
	*sign = '\0';
	assert_in_range(strlen(line), 1, sizeof open->name - 1);
	strcpy(open->name, line);
	if (sign[2] == ' ')
		add_digits(open, sign + 3);
	return open;
}

static int read_page(void **state)
{
	scoped(freep) char *text = NULL;
	struct vector *open = NULL;
	char *rest;
	size_t len;

	(void)state;
	if (file_read(page, 1u << 20, &text, &len) < 0) {
		fprintf(stderr, "cannot read %s; run this from the tree or name the page\n", page);
		return -1;
	}
	rest = strstr(text, "\n.Sh TEST VECTORS\n");
	while (rest) {
		char *line = strsep(&rest, "\n");

		open = read_line(open, line);
	}
	return count > 0 ? 0 : -1;
}

static const struct vector *get(const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(vectors[i].name, name) == 0) {
			vectors[i].used = true;
			return &vectors[i];
		}
	fail_msg("the page has no vector %s", name);
	return NULL;
}

static const uint8_t *get_sized(const char *name, size_t len)
{
	const struct vector *v = get(name);

	assert_int_equal(v->len, len);
	return v->bytes;
}

static const struct vector *get_part(const char *message, const char *part)
{
	char name[80];

	snprintf(name, sizeof name, "%s.%s", message, part);
	return get(name);
}

static void assert_vector(const char *name, const void *bytes, size_t len)
{
	assert_memory_equal(get_sized(name, len), bytes, len);
}

static struct identity *identity_of(const char *name)
{
	struct identity *i = NULL;

	assert_int_equal(identity_from_secret(get_sized(name, 32), &i), 0);
	return i;
}

static void the_derived_key(void **state)
{
	scoped(identity_freep) struct identity *sender = identity_of("derive.sender-secret");
	scoped(identity_freep) struct identity *receiver = identity_of("derive.receiver-secret");
	const uint8_t *public = identity_public(sender);
	uint8_t key[32];

	(void)state;
	assert_int_equal(ecies_derive(sender, identity_public(receiver), public, key), 0);
	assert_vector("derive.key", key, sizeof key);
	assert_int_equal(ecies_derive(receiver, public, public, key), 0);
	assert_vector("derive.key", key, sizeof key);
}

/* With key and nonce given, GCM has one ciphertext for one plaintext: opening it checks sealing. */
static void a_sealed_text(void **state)
{
	scoped(identity_freep) struct identity *receiver = identity_of("ecies.receiver-secret");
	scoped(identity_freep) struct identity *ephemeral = identity_of("ecies.ephemeral-secret");
	const uint8_t *public = identity_public(ephemeral);
	const struct vector *sealed = get("ecies.sealed"), *plain = get("ecies.plaintext");
	struct ecies_receiver *r = NULL;
	uint8_t key[32], opened[BYTES_MAX];

	(void)state;
	assert_vector("ecies.receiver-public", identity_public(receiver), PUBLIC_KEY_SIZE);
	assert_int_equal(ecies_derive(ephemeral, identity_public(receiver), public, key), 0);
	assert_vector("ecies.key", key, sizeof key);
	assert_memory_equal(sealed->bytes, public, PUBLIC_KEY_SIZE);
	assert_vector("ecies.nonce", sealed->bytes + PUBLIC_KEY_SIZE, ECIES_NONCE_SIZE);
	assert_int_equal(ecies_receiver_new(receiver, &r), 0);
	assert_int_equal(ecies_open(r, sealed->bytes, sealed->len, opened), 0);
	assert_int_equal(sealed->len, plain->len + ECIES_OVERHEAD);
	assert_memory_equal(opened, plain->bytes, plain->len);
	ecies_receiver_free(r);
}

static void check_frame(const char *message)
{
	scoped(identity_freep) struct identity *ephemeral = identity_of("session.ephemeral-secret");
	const struct vector *frame = get_part(message, "frame");

	assert_int_equal(frame_complete(frame->bytes, frame->len), frame->len);
	assert_memory_equal(frame->bytes + 3, identity_public(ephemeral), PUBLIC_KEY_SIZE);
	assert_vector("session.nonce", frame->bytes + 3 + PUBLIC_KEY_SIZE, ECIES_NONCE_SIZE);
}

static void check_signature(const char *message, enum op op, const struct identity *client,
	const struct identity *server)
{
	uint8_t bytes[BYTES_MAX], digest[DIGEST_SIZE], signature[SIGNATURE_SIZE];
	const struct vector *id = get_part(message, "client-id");
	const struct vector *sequence = get_part(message, "sequence");
	const struct vector *body = get_part(message, "body");
	struct writer w = writer_over(bytes, sizeof bytes);

	write_bytes(&w, id->bytes, id->len);
	write_bytes(&w, sequence->bytes, sequence->len);
	write_bytes(&w, body->bytes, body->len);
	session_digest(op, FROM_CLIENT, get_sized("session.binding", BINDING_SIZE),
		identity_public(server), bytes, w.used, digest);
	assert_memory_equal(get_part(message, "digest")->bytes, digest, sizeof digest);
	assert_int_equal(identity_sign(client, digest, signature), 0);
	assert_memory_equal(get_part(message, "signature")->bytes, signature, sizeof signature);
}

static void check_message(const char *message, enum op op, bool known)
{
	scoped(identity_freep) struct identity *client = identity_of("session.client-secret");
	scoped(identity_freep) struct identity *server = identity_of("session.server-secret");
	scoped(session_freep) struct session *s = NULL;
	struct session_setup setup = { .self = FROM_SERVER, .identity = server };
	const struct vector *frame = get_part(message, "frame"), *body = get_part(message, "body");
	struct message m;

	assert_vector("session.client-public", identity_public(client), PUBLIC_KEY_SIZE);
	assert_vector("session.server-public", identity_public(server), PUBLIC_KEY_SIZE);
	check_frame(message);
	check_signature(message, op, client, server);
	setup.peer = known ? identity_public(client) : NULL;
	memcpy(setup.binding, get_sized("session.binding", BINDING_SIZE), BINDING_SIZE);
	memcpy(setup.client_id, get_part(message, "client-id")->bytes, CLIENT_ID_SIZE);
	assert_int_equal(session_new(&setup, &s), 0);
	assert_int_equal(
		session_open(s, frame->bytes + FRAME_HEAD, frame->len - FRAME_HEAD, &m), 1);
	assert_int_equal(m.op, op);
	assert_int_equal(m.sequence, 1);
	assert_int_equal(m.len, body->len);
	assert_memory_equal(m.body, body->bytes, m.len);
	assert_memory_equal(session_peer(s), identity_public(client), PUBLIC_KEY_SIZE);
}

CODEC(hello);
CODEC(token_query);
CODEC(token_answer);
CODEC(enrol_request);
CODEC(enrolled);
CODEC(ack);
CODEC(nack);
CODEC(update_order);

/* Decodes, and encodes to the same bytes. */
static void decode(const struct codec *c, const char *name, void *ret)
{
	const struct vector *v = get(name);

	assert_int_equal(decode_exactly(c, v->bytes, v->len), 0);
	assert_int_equal(c->decode(v->bytes, v->len, ret), 0);
}

static void a_hello(void **state)
{
	struct hello h;

	(void)state;
	check_message("hello", OP_HELLO, true);
	decode(&hello_codec, "hello.body", &h);
	assert_int_equal(h.time, 1795305600);
	assert_int_equal(h.uptime, 3600);
	assert_string_equal(h.facts.hostname, "web-1");
	assert_string_equal(h.facts.os, "Debian GNU/Linux 12 (bookworm)");
	assert_string_equal(h.facts.version, "0.1.0");
	assert_vector("machine.hash", h.facts.machine, MACHINE_HASH_SIZE);
}

static void a_token_query(void **state)
{
	struct token_query q;
	char text[TOKEN_TEXT_SIZE];

	(void)state;
	check_message("token", OP_TOKEN, false);
	decode(&token_query_codec, "token.body", &q);
	token_format(q.token, text);
	assert_string_equal(text, "0123456789abcdef");
	assert_vector("session.client-public", q.identity, PUBLIC_KEY_SIZE);
}

static void the_hash_of_a_machine(void **state)
{
	const struct vector *id = get("machine.id");
	uint8_t hash[MACHINE_HASH_SIZE];
	char text[33] = {};

	(void)state;
	assert_int_equal(id->len, 32);
	memcpy(text, id->bytes, 32);
	facts_hash_machine(text, hash);
	assert_vector("machine.hash", hash, sizeof hash);
}

static void all_other_bodies(void **state)
{
	static struct token_answer answer;
	static struct enrol_request request;
	static struct enrolled enrolled;
	struct ack ack;
	struct nack nack;
	struct update_order update;

	(void)state;
	decode(&token_answer_codec, "body.token-answer", &answer);
	assert_int_equal(answer.expires - answer.time, 86400);
	assert_int_equal(answer.uses_left, 1);
	assert_string_equal(answer.labels.text[1], "role=web");
	decode(&enrol_request_codec, "body.enrol", &request);
	assert_vector("session.client-public", request.identity, PUBLIC_KEY_SIZE);
	assert_int_equal(request.tls_pin[31], 0x88);
	decode(&enrolled_codec, "body.enrolled", &enrolled);
	assert_int_equal(enrolled.heartbeat, 60);
	assert_int_equal(enrolled.pin_count, 1);
	assert_int_equal(enrolled.pins[0][0], 0x99);
	decode(&ack_codec, "body.ack", &ack);
	assert_int_equal(ack.sequence, 1);
	assert_int_equal(ack.heartbeat, 60);
	decode(&nack_codec, "body.nack", &nack);
	assert_int_equal(nack.code, NACK_TOKEN_EXPIRED);
	assert_string_equal(nack.text, "the token expired");
	decode(&update_order_codec, "body.update", &update);
	assert_int_equal(update.number, 1795305737344);
	assert_vector("manifest.digest", update.release, RELEASE_DIGEST_SIZE);
	assert_string_equal(update.version, "0.1.0");
}

static void the_digest_of_a_release(void **state)
{
	const struct vector *text = get("minisign.data");
	uint8_t digest[RELEASE_DIGEST_SIZE];
	struct manifest m;

	(void)state;
	assert_int_equal(manifest_parse((const char *)text->bytes, text->len, &m), 0);
	assert_int_equal(manifest_digest(&m, digest), 0);
	assert_vector("manifest.digest", digest, sizeof digest);
}

/* A key file of minisign -W with the vector's seed and id. */
static struct minisign_key *key_of_vectors(void)
{
	uint8_t bytes[158] = "Ed\0\0B2", public_key[32];
	char path[] = "/tmp/unit-vectors-XXXXXX", base64[220], text[300];
	struct minisign_key *k = NULL;
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	close(fd);
	memcpy(bytes + 54, get_sized("minisign.key-id", 8), 8);
	crypto_sign_seed_keypair(public_key, bytes + 62, get_sized("minisign.seed", 32));
	sodium_bin2base64(
		base64, sizeof base64, bytes, sizeof bytes, sodium_base64_VARIANT_ORIGINAL);
	snprintf(text, sizeof text, "untrusted comment: test\n%s\n", base64);
	assert_int_equal(file_write_atomic(path, text, strlen(text), 0600), 0);
	assert_int_equal(minisign_load(path, &k), 0);
	assert_int_equal(unlink(path), 0);
	return k;
}

static void a_signature_file(void **state)
{
	scoped(minisign_freep) struct minisign_key *k = key_of_vectors();
	scoped(freep) char *text = NULL;
	const struct vector *data = get("minisign.data"), *file = get("minisign.file");
	char public_text[MINISIGN_PUBLIC_TEXT_SIZE], comment[100] = {};
	struct minisign_public p;

	(void)state;
	minisign_public(k, &p);
	minisign_public_format(&p, public_text);
	assert_vector("minisign.public", public_text, strlen(public_text));
	memcpy(comment, get("minisign.trusted-comment")->bytes,
		get("minisign.trusted-comment")->len);
	assert_int_equal(minisign_sign(k, data->bytes, data->len, comment, &text), 0);
	assert_int_equal(strlen(text), file->len);
	assert_memory_equal(text, file->bytes, file->len);
	assert_int_equal(minisign_verify(&p, data->bytes, data->len, text, strlen(text)), 0);
}

static void every_vector_of_the_page_was_checked(void **state)
{
	(void)state;
	for (size_t i = 0; i < count; i++) {
		if (!vectors[i].used)
			print_error("nothing checks %s\n", vectors[i].name);
		assert_true(vectors[i].used);
		assert_true(vectors[i].len > 0);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = { it(the_derived_key), it(a_sealed_text), it(a_hello),
		it(a_token_query), it(the_hash_of_a_machine), it(all_other_bodies),
		it(the_digest_of_a_release), it(a_signature_file),
		it(every_vector_of_the_page_was_checked) };

	if (argc > 1)
		page = argv[1];
	if (secret_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, read_page, NULL);
}

/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include "lib/cursor.h"
#include "lib/packet.h"
#include "lib/session.h"

#define AROUND 88 /* client id, sequence number and signature */

static const uint8_t binding[BINDING_SIZE] = "the tls exporter's value, 32 byt";
static const uint8_t some_id[CLIENT_ID_SIZE] = "0123456789abcde";

/* Two ends of one connection that know each other. */
struct ends {
	struct identity *client_key, *server_key;
	struct session *client, *server;
	struct buffer wire;
};

static struct session *new_session(
	enum direction self, const struct identity *own, const struct identity *peer)
{
	struct session_setup setup = { .self = self, .identity = own };
	struct session *s = NULL;

	setup.peer = peer ? identity_public(peer) : NULL;
	memcpy(setup.binding, binding, sizeof binding);
	if (peer)
		memcpy(setup.client_id, some_id, sizeof some_id);
	assert_int_equal(session_new(&setup, &s), 0);
	return s;
}

static void meet_again(struct ends *e)
{
	session_free(e->client);
	session_free(e->server);
	buffer_clear(&e->wire);
	e->client = new_session(FROM_CLIENT, e->client_key, e->server_key);
	e->server = new_session(FROM_SERVER, e->server_key, e->client_key);
}

/* The server knows nobody yet and the client has no id. */
static void meet_as_strangers(struct ends *e)
{
	static const uint8_t none[CLIENT_ID_SIZE];

	meet_again(e);
	session_free(e->server);
	e->server = new_session(FROM_SERVER, e->server_key, NULL);
	session_enrolled(e->client, none);
}

static int set_up(void **state)
{
	struct ends *e = calloc(1, sizeof *e);

	*state = e;
	if (!e || identity_generate(&e->client_key) < 0 || identity_generate(&e->server_key) < 0)
		return -1;
	meet_again(e);
	return 0;
}

static int tear_down(void **state)
{
	struct ends *e = *state;

	session_free(e->client);
	session_free(e->server);
	identity_free(e->client_key);
	identity_free(e->server_key);
	buffer_clear(&e->wire);
	free(e);
	return 0;
}

static int open_exactly(struct session *s, const uint8_t *packet, size_t len, struct message *ret)
{
	struct message ignored;
	uint8_t *copy = exactly(packet, len);
	int r = session_open(s, copy, len, ret ? ret : &ignored);

	free(copy);
	return r;
}

/* Opens all frames on the wire; stops at the first that isn't just a part. */
static int receive(struct session *s, struct buffer *wire, struct message *ret)
{
	int r = 0;

	while (r == 0) {
		ssize_t len = frame_complete(wire->data, wire->len);

		if (len <= 0)
			return 0;
		r = open_exactly(s, wire->data + FRAME_HEAD, (size_t)len - FRAME_HEAD, ret);
		buffer_consume(wire, (size_t)len);
	}
	return r;
}

static int send(struct ends *e, struct session *from, enum op op, const void *body, size_t len)
{
	return session_seal(from, op, body, len, &e->wire, NULL);
}

/* A message made by hand, with whatever is wrong in it. */
struct forged {
	enum op op, packet_op; /* signed, shown */
	enum direction from;
	const struct identity *signer, *receiver;
	const uint8_t *binding;
	uint8_t id[CLIENT_ID_SIZE];
	uint64_t sequence;
	const void *body;
	size_t len;
	size_t part;   /* bytes a packet, 0: as many as fit */
	uint8_t flags; /* in addition to "more" */
};

static struct forged honest(struct ends *e, enum op op, const void *body, size_t len)
{
	struct forged f = { .op = op, .packet_op = op, .from = FROM_CLIENT };

	f.signer = e->client_key;
	f.receiver = e->server_key;
	f.binding = binding;
	memcpy(f.id, some_id, sizeof some_id);
	f.sequence = 1;
	f.body = body;
	f.len = len;
	return f;
}

static size_t forge_message(const struct forged *f, uint8_t *message, size_t size)
{
	struct writer w = writer_over(message, size);
	uint8_t digest[DIGEST_SIZE], signature[SIGNATURE_SIZE];

	write_bytes(&w, f->id, sizeof f->id);
	write_u64(&w, f->sequence);
	write_bytes(&w, f->body, f->len);
	session_digest(
		f->op, f->from, f->binding, identity_public(f->receiver), message, w.used, digest);
	assert_int_equal(identity_sign(f->signer, digest, signature), 0);
	write_bytes(&w, signature, sizeof signature);
	assert_true(write_end(&w) > 0);
	return w.used;
}

static void forge_packet(struct ecies_sender *to, enum op op, uint8_t flags, const void *part,
	size_t len, struct buffer *wire)
{
	uint8_t plain[PACKET_DATA_MAX], packet[FRAME_MAX];

	assert_in_range(len, 0, sizeof plain - 1);
	plain[0] = flags;
	memcpy(plain + 1, part, len);
	packet[0] = (uint8_t)((PACKET_HEAD + 1 + len) >> 8);
	packet[1] = (uint8_t)(PACKET_HEAD + 1 + len);
	packet[2] = (uint8_t)op;
	assert_int_equal(ecies_seal(to, plain, len + 1, packet + 3), 0);
	assert_int_equal(buffer_append(wire, packet, FRAME_HEAD + PACKET_HEAD + 1 + len), 0);
}

static int forge(struct ends *e, const struct forged *f, struct message *ret)
{
	static uint8_t message[2u << 20];
	size_t len = forge_message(f, message, sizeof message), part = f->part ? f->part : 437;
	struct ecies_sender *to = NULL;

	assert_int_equal(ecies_sender_new(identity_public(e->server_key), &to), 0);
	for (size_t at = 0; at < len; at += part) {
		size_t n = len - at < part ? len - at : part;

		forge_packet(to, f->packet_op, (uint8_t)(f->flags | (at + n < len)), message + at,
			n, &e->wire);
	}
	ecies_sender_free(to);
	return receive(e->server, &e->wire, ret);
}

static void messages_go_both_ways_in_order(void **state)
{
	struct ends *e = *state;
	struct message m;
	uint64_t sequence;

	for (uint64_t i = 1; i <= 5; i++) {
		assert_int_equal(
			session_seal(e->client, OP_HELLO, "hello", 5, &e->wire, &sequence), 0);
		assert_int_equal(sequence, i);
		assert_int_equal(receive(e->server, &e->wire, &m), 1);
		assert_int_equal(m.op, OP_HELLO);
		assert_int_equal(m.sequence, i);
		assert_int_equal(m.len, 5);
		assert_memory_equal(m.body, "hello", 5);
		assert_int_equal(send(e, e->server, OP_ACK, "ack", 3), 0);
		assert_int_equal(receive(e->client, &e->wire, &m), 1);
		assert_int_equal(m.op, OP_ACK);
		assert_int_equal(m.sequence, i);
		assert_memory_equal(m.body, "ack", 3);
	}
}

static void messages_of_every_size_arrive_whole(void **state)
{
	static uint8_t body[MESSAGE_MAX - AROUND];
	static const size_t sizes[] = { 0, 1, 348, 349, 350, 437, 786, 787, 5000, 100000,
		sizeof body };
	struct ends *e = *state;
	struct message m;

	random_bytes(body, sizeof body);
	for (size_t i = 0; i < COUNT(sizes); i++) {
		assert_int_equal(send(e, e->server, OP_CONFIG, body, sizes[i]), 0);
		assert_int_equal(receive(e->client, &e->wire, &m), 1);
		assert_int_equal(m.len, sizes[i]);
		assert_memory_equal(m.body, body, sizes[i]);
		assert_int_equal(e->wire.len, 0);
	}
}

static void one_packet_holds_what_fits(void **state)
{
	struct ends *e = *state;
	uint8_t body[350] = {};

	assert_int_equal(send(e, e->client, OP_MSG, body, 349), 0);
	assert_int_equal(e->wire.len, FRAME_MAX);
	buffer_clear(&e->wire);
	assert_int_equal(send(e, e->client, OP_MSG, body, 350), 0);
	assert_int_equal(e->wire.len, FRAME_MAX + FRAME_HEAD + PACKET_HEAD + 2);
}

static void all_rows_of_the_op_table_are_kept_by_both_ends(void **state)
{
	struct ends *e = *state;

	for (unsigned code = 0; code < 256; code++) {
		const struct op_row *row = op_find((uint8_t)code);

		for (int from = FROM_CLIENT; from <= FROM_SERVER; from++) {
			bool may =
				row && (from == FROM_CLIENT ? row->from_client : row->from_server);
			struct session *s = from == FROM_CLIENT ? e->client : e->server;
			struct session *other = from == FROM_CLIENT ? e->server : e->client;
			uint8_t packet[PACKET_MIN] = { (uint8_t)code };

			assert_int_equal(send(e, s, code, identity_public(e->client_key),
						 row && row->largest >= 65 ? 65 : 0),
				may ? 0 : -EPERM);
			if (may)
				assert_int_equal(receive(other, &e->wire, NULL), 1);
			else
				assert_int_equal(
					open_exactly(other, packet, sizeof packet, NULL), -EPROTO);
			meet_again(e);
		}
	}
}

static void no_body_is_longer_than_its_op_code_allows(void **state)
{
	static const uint8_t body[MESSAGE_MAX];
	struct ends *e = *state;

	for (unsigned code = 0; code < 256; code++) {
		const struct op_row *row = op_find((uint8_t)code);
		struct forged f = honest(e, code, body, row ? row->largest + 1 : 0);

		if (!row || !row->from_client || row->introduces)
			continue;
		assert_int_equal(send(e, e->client, code, body, row->largest + 1), -EMSGSIZE);
		assert_int_equal(send(e, e->client, code, body, row->largest), 0);
		assert_int_equal(receive(e->server, &e->wire, NULL), 1);
		meet_again(e);
		assert_int_equal(forge(e, &f, NULL), -EMSGSIZE);
		meet_again(e);
	}
}

static void an_honest_message_by_hand_is_taken(void **state)
{
	struct ends *e = *state;
	struct forged f = honest(e, OP_HELLO, "body", 4);
	struct message m;

	assert_int_equal(forge(e, &f, &m), 1);
	assert_memory_equal(m.body, "body", 4);
	f.sequence = 2;
	f.part = 1;
	assert_int_equal(forge(e, &f, &m), 1);
	assert_memory_equal(m.body, "body", 4);
}

static void each_field_that_is_signed_matters(void **state)
{
	static const uint8_t other_binding[BINDING_SIZE] = "another tls connection's exporte";
	struct ends *e = *state;
	struct identity *stranger = NULL;

	assert_int_equal(identity_generate(&stranger), 0);
	for (int i = 0; i < 7; i++) {
		static const int expected[] = { 1, -EKEYREJECTED, -EKEYREJECTED, -EKEYREJECTED,
			-EKEYREJECTED, -EKEYREJECTED, -EILSEQ };
		struct forged f = honest(e, OP_HELLO, "body", 4);

		f.packet_op = i == 1 ? OP_MSG : OP_HELLO;
		f.from = i == 2 ? FROM_SERVER : FROM_CLIENT;
		f.binding = i == 3 ? other_binding : binding;
		f.signer = i == 4 ? stranger : e->client_key;
		f.receiver = i == 5 ? stranger : e->server_key;
		f.id[0] ^= i == 6;
		assert_int_equal(forge(e, &f, NULL), expected[i]);
		meet_again(e);
	}
	identity_free(stranger);
}

static void only_the_next_sequence_number_is_taken(void **state)
{
	static const uint64_t wrong[] = { 0, 2, 3, UINT64_MAX, UINT64_C(1) << 32 };
	struct ends *e = *state;

	for (size_t i = 0; i < COUNT(wrong); i++) {
		struct forged f = honest(e, OP_HELLO, "body", 4);

		f.sequence = wrong[i];
		assert_int_equal(forge(e, &f, NULL), -EILSEQ);
		meet_again(e);
	}
}

static void a_message_sent_again_is_refused(void **state)
{
	struct ends *e = *state;
	struct buffer copy = {};

	assert_int_equal(send(e, e->client, OP_HELLO, "hello", 5), 0);
	assert_int_equal(buffer_append(&copy, e->wire.data, e->wire.len), 0);
	assert_int_equal(receive(e->server, &e->wire, NULL), 1);
	assert_int_equal(receive(e->server, &copy, NULL), -EILSEQ);
	buffer_clear(&copy);
}

static void messages_in_another_order_are_refused(void **state)
{
	struct ends *e = *state;
	struct buffer first = {};

	assert_int_equal(session_seal(e->client, OP_HELLO, "1", 1, &first, NULL), 0);
	assert_int_equal(send(e, e->client, OP_HELLO, "2", 1), 0);
	assert_int_equal(receive(e->server, &e->wire, NULL), -EILSEQ);
	assert_int_equal(receive(e->server, &first, NULL), -ESHUTDOWN);
	buffer_clear(&first);
}

static void a_message_of_another_connection_is_refused(void **state)
{
	struct ends *e = *state;
	struct session_setup setup = { .self = FROM_SERVER, .identity = e->server_key };
	struct session *other = NULL;

	setup.peer = identity_public(e->client_key);
	memcpy(setup.client_id, some_id, sizeof some_id);
	memcpy(setup.binding, binding, sizeof binding);
	setup.binding[31] ^= 1;
	assert_int_equal(session_new(&setup, &other), 0);
	assert_int_equal(send(e, e->client, OP_HELLO, "hello", 5), 0);
	assert_int_equal(receive(other, &e->wire, NULL), -EKEYREJECTED);
	session_free(other);
}

static void a_message_for_another_server_is_refused(void **state)
{
	struct ends *e = *state;
	struct identity *key = NULL;
	struct session *other;

	assert_int_equal(identity_generate(&key), 0);
	other = new_session(FROM_SERVER, key, e->client_key);
	assert_int_equal(send(e, e->client, OP_HELLO, "hello", 5), 0);
	assert_int_equal(receive(other, &e->wire, NULL), -EBADMSG);
	session_free(other);
	identity_free(key);
}

static void one_s_own_messages_are_refused(void **state)
{
	struct ends *e = *state;

	assert_int_equal(send(e, e->client, OP_ACK, "x", 1), 0);
	assert_int_equal(receive(e->client, &e->wire, NULL), -EBADMSG);
	assert_int_equal(send(e, e->server, OP_ACK, "x", 1), 0);
	assert_int_equal(receive(e->server, &e->wire, NULL), -EBADMSG);
}

/* Even two ends with one and the same key keep the directions apart. */
static void reflection_is_refused_with_equal_keys_too(void **state)
{
	struct ends *e = *state;
	struct session *client = new_session(FROM_CLIENT, e->server_key, e->server_key);

	assert_int_equal(send(e, client, OP_ACK, "x", 1), 0);
	assert_int_equal(receive(client, &e->wire, NULL), -EKEYREJECTED);
	session_free(client);
}

static void a_packet_of_any_other_length_is_refused(void **state)
{
	struct ends *e = *state;
	uint8_t packet[PACKET_MAX + 1] = {};
	size_t len;

	assert_int_equal(send(e, e->client, OP_HELLO, "hello", 5), 0);
	len = e->wire.len - FRAME_HEAD;
	memcpy(packet, e->wire.data + FRAME_HEAD, len);
	for (size_t size = 0; size <= sizeof packet; size++) {
		struct session *s = new_session(FROM_SERVER, e->server_key, e->client_key);

		assert_int_equal(open_exactly(s, packet, size, NULL), size == len ? 1 : -EBADMSG);
		session_free(s);
	}
}

static void a_packet_with_any_bit_flipped_is_refused(void **state)
{
	struct ends *e = *state;
	uint8_t *packet;

	assert_int_equal(send(e, e->client, OP_HELLO, "hello", 5), 0);
	packet = e->wire.data + FRAME_HEAD;
	for (size_t bit = 0; bit < 8 * (e->wire.len - FRAME_HEAD); bit++) {
		struct session *s = new_session(FROM_SERVER, e->server_key, e->client_key);

		packet[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_true(open_exactly(s, packet, e->wire.len - FRAME_HEAD, NULL) < 0);
		assert_int_equal(
			open_exactly(s, packet, e->wire.len - FRAME_HEAD, NULL), -ESHUTDOWN);
		packet[bit / 8] ^= (uint8_t)(1u << bit % 8);
		session_free(s);
	}
	assert_int_equal(receive(e->server, &e->wire, NULL), 1);
}

static void hybrid_ephemeral_keys_are_refused(void **state)
{
	struct ends *e = *state;

	for (uint8_t form = 6; form <= 7; form++) {
		assert_int_equal(send(e, e->client, OP_HELLO, "hello", 5), 0);
		e->wire.data[FRAME_HEAD + 1] = form;
		assert_int_equal(receive(e->server, &e->wire, NULL), -EBADMSG);
		meet_again(e);
	}
}

static void an_empty_part_is_refused(void **state)
{
	struct ends *e = *state;
	struct ecies_sender *to = NULL;

	assert_int_equal(ecies_sender_new(identity_public(e->server_key), &to), 0);
	for (uint8_t flags = 0; flags < 2; flags++) {
		forge_packet(to, OP_HELLO, flags, "", 0, &e->wire);
		assert_int_equal(receive(e->server, &e->wire, NULL), -EBADMSG);
		meet_again(e);
	}
	ecies_sender_free(to);
}

static void unknown_flags_are_refused(void **state)
{
	struct ends *e = *state;

	for (unsigned bit = 1; bit < 8; bit++) {
		struct forged f = honest(e, OP_HELLO, "body", 4);

		f.flags = (uint8_t)(1u << bit);
		assert_int_equal(forge(e, &f, NULL), -EBADMSG);
		meet_again(e);
	}
}

static void a_message_shorter_than_its_frame_is_refused(void **state)
{
	static const uint8_t zeros[AROUND];
	struct ends *e = *state;
	struct ecies_sender *to = NULL;

	assert_int_equal(ecies_sender_new(identity_public(e->server_key), &to), 0);
	for (size_t len = 1; len < AROUND; len++) {
		forge_packet(to, OP_HELLO, 0, zeros, len, &e->wire);
		assert_int_equal(receive(e->server, &e->wire, NULL), -EBADMSG);
		meet_again(e);
	}
	ecies_sender_free(to);
}

static void op_codes_are_not_mixed_within_a_message(void **state)
{
	struct ends *e = *state;
	struct ecies_sender *to = NULL;

	assert_int_equal(ecies_sender_new(identity_public(e->server_key), &to), 0);
	forge_packet(to, OP_MSG, 1, "part", 4, &e->wire);
	assert_int_equal(receive(e->server, &e->wire, NULL), 0);
	forge_packet(to, OP_HELLO, 1, "part", 4, &e->wire);
	assert_int_equal(receive(e->server, &e->wire, NULL), -EPROTO);
	ecies_sender_free(to);
}

static void a_part_left_out_or_sent_twice_is_noticed(void **state)
{
	static const uint8_t body[2000];
	struct ends *e = *state;

	for (int twice = 0; twice < 2; twice++) {
		int r = 0;

		assert_int_equal(send(e, e->client, OP_MSG, body, sizeof body), 0);
		for (int part = 0; part < 5 && r == 0; part++) {
			const uint8_t *packet = e->wire.data + part * FRAME_MAX + FRAME_HEAD;
			size_t len = (size_t)frame_complete(
				packet - FRAME_HEAD, e->wire.len - (size_t)part * FRAME_MAX);

			if (part != 2 || twice)
				r = open_exactly(e->server, packet, len - FRAME_HEAD, NULL);
			if (part == 2 && twice)
				r = open_exactly(e->server, packet, len - FRAME_HEAD, NULL);
		}
		assert_int_equal(r, -EKEYREJECTED);
		meet_again(e);
	}
}

static void a_failed_session_refuses_everything_after(void **state)
{
	struct ends *e = *state;
	uint8_t garbage[PACKET_MAX] = {};

	assert_int_equal(open_exactly(e->server, garbage, sizeof garbage, NULL), -EBADMSG);
	assert_int_equal(send(e, e->client, OP_HELLO, "hello", 5), 0);
	assert_int_equal(receive(e->server, &e->wire, NULL), -ESHUTDOWN);
}

static void a_stranger_must_introduce_itself(void **state)
{
	struct ends *e = *state;

	meet_as_strangers(e);
	assert_null(session_peer(e->server));
	assert_int_equal(send(e, e->server, OP_ACK, "x", 1), -ENOKEY);
	assert_int_equal(send(e, e->client, OP_HELLO, "hello", 5), 0);
	assert_int_equal(receive(e->server, &e->wire, NULL), -ENOKEY);
	assert_null(session_peer(e->server));
}

static void an_introduced_stranger_is_known_from_then_on(void **state)
{
	struct ends *e = *state;
	struct message m;

	meet_as_strangers(e);
	assert_int_equal(send(e, e->client, OP_TOKEN, identity_public(e->client_key), 65), 0);
	assert_int_equal(receive(e->server, &e->wire, &m), 1);
	assert_memory_equal(session_peer(e->server), identity_public(e->client_key), 65);
	assert_int_equal(send(e, e->server, OP_TOKEN, "yes", 3), 0);
	assert_int_equal(receive(e->client, &e->wire, &m), 1);
	assert_memory_equal(m.body, "yes", 3);
	assert_int_equal(send(e, e->client, OP_ENROL, identity_public(e->client_key), 65), 0);
	assert_int_equal(receive(e->server, &e->wire, &m), 1);
	assert_int_equal(m.sequence, 2);
	assert_int_equal(send(e, e->server, OP_ENROLLED, "id", 2), 0);
	session_enrolled(e->server, some_id);
	assert_int_equal(receive(e->client, &e->wire, &m), 1);
	session_enrolled(e->client, some_id);
	assert_int_equal(send(e, e->client, OP_LEAVE, NULL, 0), 0);
	assert_int_equal(receive(e->server, &e->wire, &m), 1);
	assert_int_equal(m.len, 0);
}

static void an_end_that_is_not_enrolled_cannot_use_an_id(void **state)
{
	struct ends *e = *state;

	meet_as_strangers(e);
	session_enrolled(e->client, some_id);
	assert_int_equal(send(e, e->client, OP_TOKEN, identity_public(e->client_key), 65), 0);
	assert_int_equal(receive(e->server, &e->wire, NULL), -EILSEQ);
	assert_null(session_peer(e->server));
}

static void nobody_introduces_another_s_key(void **state)
{
	struct ends *e = *state;
	struct identity *victim = NULL;
	uint8_t key[PUBLIC_KEY_SIZE];

	assert_int_equal(identity_generate(&victim), 0);
	meet_as_strangers(e);
	assert_int_equal(send(e, e->client, OP_TOKEN, identity_public(victim), 65), 0);
	assert_int_equal(receive(e->server, &e->wire, NULL), -EKEYREJECTED);
	assert_null(session_peer(e->server));
	meet_as_strangers(e);
	assert_int_equal(send(e, e->client, OP_TOKEN, identity_public(e->client_key), 64), 0);
	assert_int_equal(receive(e->server, &e->wire, NULL), -EBADMSG);
	for (uint8_t form = 6; form <= 7; form++) {
		meet_as_strangers(e);
		memcpy(key, identity_public(e->client_key), sizeof key);
		key[0] = form;
		assert_int_equal(send(e, e->client, OP_TOKEN, key, sizeof key), 0);
		assert_int_equal(receive(e->server, &e->wire, NULL), -EBADMSG);
	}
	identity_free(victim);
}

/* Neither with its own signature nor with that other key's. */
static void nobody_changes_its_key_later(void **state)
{
	struct ends *e = *state;
	struct identity *second = NULL;

	assert_int_equal(identity_generate(&second), 0);
	for (int by_second = 0; by_second < 2; by_second++) {
		struct forged f = honest(e, OP_ENROL, identity_public(second), 65);

		meet_as_strangers(e);
		assert_int_equal(
			send(e, e->client, OP_TOKEN, identity_public(e->client_key), 65), 0);
		assert_int_equal(receive(e->server, &e->wire, NULL), 1);
		memset(f.id, 0, sizeof f.id);
		f.sequence = 2;
		f.signer = by_second ? second : e->client_key;
		assert_int_equal(forge(e, &f, NULL), -EKEYREJECTED);
	}
	identity_free(second);
}

static void a_stranger_s_message_is_short(void **state)
{
	struct ends *e = *state;
	uint8_t body[5000] = {};
	struct forged f = honest(e, OP_TOKEN, body, MESSAGE_MAX_ANON - AROUND);

	memcpy(body, identity_public(e->client_key), PUBLIC_KEY_SIZE);
	memset(f.id, 0, sizeof f.id);
	meet_as_strangers(e);
	assert_int_equal(forge(e, &f, NULL), 1);
	meet_as_strangers(e);
	f.len++;
	assert_int_equal(forge(e, &f, NULL), -EMSGSIZE);
	/* Once it has been enrolled the op code's own limit holds. */
	meet_as_strangers(e);
	session_enrolled(e->server, f.id);
	assert_int_equal(forge(e, &f, NULL), 1);
}

static void a_full_buffer_takes_no_message_and_no_number(void **state)
{
	struct ends *e = *state;
	uint8_t body[3000] = {};
	uint64_t sequence = 0;

	e->wire.limit = 2000;
	assert_int_equal(
		session_seal(e->client, OP_MSG, body, sizeof body, &e->wire, &sequence), -ENOBUFS);
	assert_int_equal(e->wire.len, 0);
	assert_int_equal(session_seal(e->client, OP_MSG, body, 10, &e->wire, &sequence), 0);
	assert_int_equal(sequence, 1);
	assert_int_equal(receive(e->server, &e->wire, NULL), 1);
}

static void a_client_must_know_its_server(void **state)
{
	struct ends *e = *state;
	struct session_setup setup = { .self = FROM_CLIENT, .identity = e->client_key };
	struct session *s = NULL;

	assert_int_equal(session_new(&setup, &s), -EINVAL);
	assert_null(s);
	assert_null(session_free(NULL));
}

static void a_resting_session_goes_on_where_it_was(void **state)
{
	static const uint8_t body[2000];
	struct ends *e = *state;
	struct message m;

	assert_int_equal(send(e, e->client, OP_HELLO, "hello", 5), 0);
	assert_int_equal(receive(e->server, &e->wire, &m), 1);
	session_rest(e->server);
	assert_int_equal(send(e, e->client, OP_MSG, body, sizeof body), 0);
	assert_int_equal(open_exactly(e->server, e->wire.data + FRAME_HEAD, PACKET_MAX, NULL), 0);
	buffer_consume(&e->wire, FRAME_MAX);
	/* In the middle of a message there is nothing to give back. */
	session_rest(e->server);
	assert_int_equal(receive(e->server, &e->wire, &m), 1);
	assert_memory_equal(m.body, body, sizeof body);
}

#define with_ends(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

UNIT(with_ends(messages_go_both_ways_in_order), with_ends(messages_of_every_size_arrive_whole),
	with_ends(one_packet_holds_what_fits),
	with_ends(all_rows_of_the_op_table_are_kept_by_both_ends),
	with_ends(no_body_is_longer_than_its_op_code_allows),
	with_ends(an_honest_message_by_hand_is_taken), with_ends(each_field_that_is_signed_matters),
	with_ends(only_the_next_sequence_number_is_taken),
	with_ends(a_message_sent_again_is_refused),
	with_ends(messages_in_another_order_are_refused),
	with_ends(a_message_of_another_connection_is_refused),
	with_ends(a_message_for_another_server_is_refused),
	with_ends(one_s_own_messages_are_refused),
	with_ends(reflection_is_refused_with_equal_keys_too),
	with_ends(a_packet_of_any_other_length_is_refused),
	with_ends(a_packet_with_any_bit_flipped_is_refused),
	with_ends(hybrid_ephemeral_keys_are_refused), with_ends(an_empty_part_is_refused),
	with_ends(unknown_flags_are_refused),
	with_ends(a_message_shorter_than_its_frame_is_refused),
	with_ends(op_codes_are_not_mixed_within_a_message),
	with_ends(a_part_left_out_or_sent_twice_is_noticed),
	with_ends(a_failed_session_refuses_everything_after),
	with_ends(a_stranger_must_introduce_itself),
	with_ends(an_introduced_stranger_is_known_from_then_on),
	with_ends(an_end_that_is_not_enrolled_cannot_use_an_id),
	with_ends(nobody_introduces_another_s_key), with_ends(nobody_changes_its_key_later),
	with_ends(a_stranger_s_message_is_short),
	with_ends(a_full_buffer_takes_no_message_and_no_number),
	with_ends(a_client_must_know_its_server), with_ends(a_resting_session_goes_on_where_it_was))

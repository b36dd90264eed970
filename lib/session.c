/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "lib/cursor.h"
#include "lib/packet.h"
#include "lib/session.h"

/* A message: client id, sequence number, body, signature. */
#define HEAD_SIZE (CLIENT_ID_SIZE + 8)
#define AROUND    (HEAD_SIZE + SIGNATURE_SIZE)

/* A packet's plaintext: flags, then a part of the message. */
#define FLAG_MORE 0x01
#define PART_MAX  (PACKET_DATA_MAX - 1)

/* Tens of thousands of these are idle at any time on a server: nothing here is bigger than it must
 * be, and what only some need is made when they do. */
struct session {
	const struct identity *identity;
	struct ecies_sender *sender;     /* made for the first message out */
	struct ecies_receiver *receiver; /* made for the first message in */
	struct buffer in;                /* the message that is coming, or the last one */
	uint64_t sent, received;         /* sequence numbers of the last messages */
	uint8_t peer[PUBLIC_KEY_SIZE];
	uint8_t binding[BINDING_SIZE];
	uint8_t client_id[CLIENT_ID_SIZE];
	uint8_t self;      /* enum direction */
	uint8_t in_op;     /* of the message that is coming */
	bool in_parts : 1; /* a message is coming, in has its first parts */
	bool peer_known : 1;
	bool anonymous : 1;
	bool failed : 1;
};

int session_new(const struct session_setup *setup, struct session **ret)
{
	struct session *s;

	if (!setup->peer && setup->self != FROM_SERVER)
		return -EINVAL;
	s = calloc(1, sizeof *s);
	if (!s)
		return -ENOMEM;
	s->identity = setup->identity;
	s->self = (uint8_t)setup->self;
	s->anonymous = !setup->peer;
	s->peer_known = setup->peer;
	if (setup->peer)
		memcpy(s->peer, setup->peer, PUBLIC_KEY_SIZE);
	memcpy(s->binding, setup->binding, BINDING_SIZE);
	memcpy(s->client_id, setup->client_id, CLIENT_ID_SIZE);
	*ret = s;
	return 0;
}

struct session *session_free(struct session *s)
{
	if (s) {
		ecies_sender_free(s->sender);
		ecies_receiver_free(s->receiver);
		buffer_clear(&s->in);
		sodium_memzero(s, sizeof *s);
	}
	free(s);
	return NULL;
}

void session_freep(struct session **s)
{
	*s = session_free(*s);
}

void session_enrolled(struct session *s, const uint8_t client_id[static CLIENT_ID_SIZE])
{
	memcpy(s->client_id, client_id, CLIENT_ID_SIZE);
	s->anonymous = false;
}

const uint8_t *session_peer(const struct session *s)
{
	return s->peer_known ? s->peer : NULL;
}

const uint8_t *session_binding(const struct session *s)
{
	return s->binding;
}

void session_rest(struct session *s)
{
	if (!s->in_parts)
		buffer_clear(&s->in);
}

void session_digest(enum op op, enum direction from, const uint8_t binding[static BINDING_SIZE],
	const uint8_t receiver[static PUBLIC_KEY_SIZE], const void *bytes, size_t len,
	uint8_t ret[static DIGEST_SIZE])
{
	static const char domain[] = "muster-message-1";
	const uint8_t what[] = { (uint8_t)op, (uint8_t)from };
	crypto_hash_sha256_state state;

	crypto_hash_sha256_init(&state);
	crypto_hash_sha256_update(&state, (const uint8_t *)domain, strlen(domain));
	crypto_hash_sha256_update(&state, what, sizeof what);
	crypto_hash_sha256_update(&state, binding, BINDING_SIZE);
	crypto_hash_sha256_update(&state, receiver, PUBLIC_KEY_SIZE);
	crypto_hash_sha256_update(&state, bytes, len);
	crypto_hash_sha256_final(&state, ret);
}

static bool sends(const struct op_row *row, enum direction from)
{
	return from == FROM_CLIENT ? row->from_client : row->from_server;
}

/* The whole message, signed, into ret of len + AROUND bytes. */
static int compose(struct session *s, enum op op, const void *body, size_t len, uint8_t *ret)
{
	struct writer w = writer_over(ret, len + AROUND);
	uint8_t digest[DIGEST_SIZE];

	write_bytes(&w, s->client_id, CLIENT_ID_SIZE);
	write_u64(&w, s->sent + 1);
	write_bytes(&w, body, len);
	session_digest(op, s->self, s->binding, s->peer, ret, w.used, digest);
	return identity_sign(s->identity, digest, ret + w.used);
}

/* One framed packet with one part of a message; its length, or an error. */
static ssize_t seal_part(
	struct session *s, enum op op, const uint8_t *part, size_t len, bool more, uint8_t *ret)
{
	uint8_t plain[PACKET_DATA_MAX];
	size_t packet = PACKET_HEAD + 1 + len;
	int r;

	plain[0] = more ? FLAG_MORE : 0;
	memcpy(plain + 1, part, len);
	ret[0] = (uint8_t)(packet >> 8);
	ret[1] = (uint8_t)packet;
	ret[2] = (uint8_t)op;
	r = ecies_seal(s->sender, plain, 1 + len, ret + FRAME_HEAD + 1);
	sodium_memzero(plain, sizeof plain);
	return r < 0 ? r : (ssize_t)(FRAME_HEAD + packet);
}

/* All packets of a message to the end of out, or none. */
static int seal_parts(
	struct session *s, enum op op, const uint8_t *message, size_t len, struct buffer *out)
{
	size_t parts = (len + PART_MAX - 1) / PART_MAX;
	uint8_t *to = buffer_reserve(out, len + parts * (FRAME_HEAD + PACKET_HEAD + 1));
	size_t sealed = 0;

	if (!to)
		return -ENOBUFS;
	for (size_t at = 0; at < len; at += PART_MAX) {
		size_t part = len - at < PART_MAX ? len - at : PART_MAX;
		ssize_t n = seal_part(s, op, message + at, part, at + part < len, to + sealed);

		if (n < 0)
			return (int)n;
		sealed += (size_t)n;
	}
	buffer_grew(out, sealed);
	return 0;
}

static int may_seal(const struct session *s, enum op op, size_t len)
{
	const struct op_row *row = op_find((uint8_t)op);

	if (!row || !sends(row, s->self))
		return -EPERM;
	if (len > row->largest)
		return -EMSGSIZE;
	return s->peer_known ? 0 : -ENOKEY;
}

int session_seal(struct session *s, enum op op, const void *body, size_t len, struct buffer *out,
	uint64_t *ret_sequence)
{
	struct buffer message = {};
	uint8_t *bytes;
	int r = may_seal(s, op, len);

	if (r == 0 && !s->sender)
		r = ecies_sender_new(s->peer, &s->sender);
	if (r < 0)
		return r;
	bytes = buffer_reserve(&message, len + AROUND);
	if (!bytes)
		return -ENOMEM;
	r = compose(s, op, body, len, bytes);
	if (r == 0)
		r = seal_parts(s, op, bytes, len + AROUND, out);
	buffer_clear(&message);
	if (r < 0)
		return r;
	s->sent++;
	if (ret_sequence)
		*ret_sequence = s->sent;
	return 0;
}

/* What can be refused before any cryptography is spent on it. */
static int may_open(const struct session *s, uint8_t op)
{
	const struct op_row *row = op_find(op);
	enum direction from = s->self == FROM_CLIENT ? FROM_SERVER : FROM_CLIENT;

	if (!row || !sends(row, from))
		return -EPROTO;
	if (s->in_parts && op != s->in_op)
		return -EPROTO;
	if (!s->peer_known && !row->introduces)
		return -ENOKEY;
	return 0;
}

static size_t largest_message(const struct session *s, uint8_t op)
{
	size_t largest = op_find(op)->largest + AROUND;

	return s->anonymous && largest > MESSAGE_MAX_ANON ? MESSAGE_MAX_ANON : largest;
}

/* Appends a packet's part of the message to s->in. 1: it was the last part; 0: more to come. */
static int take_part(struct session *s, const uint8_t *packet, size_t len)
{
	uint8_t plain[PACKET_DATA_MAX];
	size_t part = len - PACKET_HEAD - 1;
	int r = ecies_open(s->receiver, packet + 1, len - 1, plain);

	if (r == 0 && ((plain[0] & ~FLAG_MORE) != 0 || part == 0))
		r = -EBADMSG;
	if (r == 0 && s->in.len + part > largest_message(s, packet[0]))
		r = -EMSGSIZE;
	if (r == 0)
		r = buffer_append(&s->in, plain + 1, part);
	if (r == 0)
		r = !(plain[0] & FLAG_MORE);
	sodium_memzero(plain, sizeof plain);
	return r;
}

/* The key that the message must be signed with: the peer's, which an introducing message starts
 * with. */
static int signer(const struct session *s, uint8_t op, const uint8_t *body, size_t len,
	uint8_t ret[static PUBLIC_KEY_SIZE])
{
	if (s->self == FROM_CLIENT || !op_find(op)->introduces) {
		memcpy(ret, s->peer, PUBLIC_KEY_SIZE);
		return 0;
	}
	if (len < PUBLIC_KEY_SIZE)
		return -EBADMSG;
	if (s->peer_known && memcmp(body, s->peer, PUBLIC_KEY_SIZE) != 0)
		return -EKEYREJECTED;
	memcpy(ret, body, PUBLIC_KEY_SIZE);
	return 0;
}

/* The whole message is in s->in: id, number and signature are checked and the body is given out. */
static int take_message(struct session *s, uint8_t op, struct message *ret)
{
	struct reader r = reader_over(s->in.data, s->in.len);
	const uint8_t *client_id = read_view(&r, CLIENT_ID_SIZE);
	uint64_t sequence = read_u64(&r);
	size_t len = r.left >= SIGNATURE_SIZE ? r.left - SIGNATURE_SIZE : 0;
	const uint8_t *body = read_view(&r, len);
	const uint8_t *signature = read_view(&r, SIGNATURE_SIZE);
	uint8_t key[PUBLIC_KEY_SIZE], digest[DIGEST_SIZE];
	enum direction from = s->self == FROM_CLIENT ? FROM_SERVER : FROM_CLIENT;
	int result;

	if (read_end(&r) < 0)
		return -EBADMSG;
	if (sequence != s->received + 1 || memcmp(client_id, s->client_id, CLIENT_ID_SIZE) != 0)
		return -EILSEQ;
	result = signer(s, op, body, len, key);
	if (result < 0)
		return result;
	session_digest(op, from, s->binding, identity_public(s->identity), s->in.data,
		HEAD_SIZE + len, digest);
	result = identity_verify(key, digest, signature);
	if (result < 0)
		return result;
	memcpy(s->peer, key, PUBLIC_KEY_SIZE);
	s->peer_known = true;
	s->received = sequence;
	*ret = (struct message){ .op = op,
		.sequence = sequence,
		.body = body,
		.len = len,
		.signed_bytes = s->in.data,
		.signed_len = HEAD_SIZE + len,
		.signature = signature };
	return 1;
}

static int open_packet(struct session *s, const uint8_t *packet, size_t len, struct message *ret)
{
	int r;

	if (len < PACKET_MIN || len > PACKET_MAX)
		return -EBADMSG;
	r = may_open(s, packet[0]);
	if (r == 0 && !s->receiver)
		r = ecies_receiver_new(s->identity, &s->receiver);
	if (r < 0)
		return r;
	if (!s->in_parts)
		buffer_clear(&s->in);
	s->in_parts = true;
	s->in_op = packet[0];
	r = take_part(s, packet, len);
	if (r <= 0)
		return r;
	s->in_parts = false;
	return take_message(s, packet[0], ret);
}

int session_open(struct session *s, const uint8_t *packet, size_t len, struct message *ret)
{
	int r;

	if (s->failed)
		return -ESHUTDOWN;
	r = open_packet(s, packet, len, ret);
	if (r < 0) {
		s->failed = true;
		buffer_clear(&s->in);
	}
	return r;
}

/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include "lib/ecies.h"

struct pair {
	struct identity *self;
	struct ecies_sender *sender;
	struct ecies_receiver *receiver;
};

static int set_up(void **state)
{
	struct pair *p = calloc(1, sizeof *p);

	*state = p;
	if (!p || identity_generate(&p->self) < 0)
		return -1;
	if (ecies_sender_new(identity_public(p->self), &p->sender) < 0)
		return -1;
	return ecies_receiver_new(p->self, &p->receiver);
}

static int tear_down(void **state)
{
	struct pair *p = *state;

	ecies_sender_free(p->sender);
	ecies_receiver_free(p->receiver);
	identity_free(p->self);
	free(p);
	return 0;
}

/* From an exactly sized copy, into exactly sized memory. */
static int open_exactly(struct ecies_receiver *r, const uint8_t *sealed, size_t len, uint8_t *ret)
{
	size_t plain_len = len > ECIES_OVERHEAD ? len - ECIES_OVERHEAD : 0;
	uint8_t *copy = exactly(sealed, len), *plain = malloc(plain_len);
	int result;

	assert_non_null(plain);
	memset(plain, 0xaa, plain_len);
	result = ecies_open(r, copy, len, plain);
	if (result == 0 && ret)
		memcpy(ret, plain, plain_len);
	for (size_t i = 0; result < 0 && i < plain_len; i++)
		assert_true(plain[i] == 0 || plain[i] == 0xaa);
	free(copy);
	free(plain);
	return result;
}

static void every_length_of_a_packet_goes_through(void **state)
{
	struct pair *p = *state;
	uint8_t plain[1000], again[1000], sealed[1000 + ECIES_OVERHEAD];

	for (size_t len = 1; len <= sizeof plain; len++) {
		random_bytes(plain, len);
		assert_int_equal(ecies_seal(p->sender, plain, len, sealed), 0);
		assert_int_equal(open_exactly(p->receiver, sealed, len + ECIES_OVERHEAD, again), 0);
		assert_memory_equal(plain, again, len);
	}
}

static void nothing_is_no_plaintext(void **state)
{
	struct pair *p = *state;
	uint8_t sealed[ECIES_OVERHEAD + 1];

	assert_int_equal(ecies_seal(p->sender, "", 0, sealed), -EINVAL);
	assert_int_equal(ecies_seal(p->sender, "x", 1, sealed), 0);
	for (size_t len = 0; len <= ECIES_OVERHEAD; len++)
		assert_int_equal(open_exactly(p->receiver, sealed, len, NULL), -EBADMSG);
}

static void truncated_or_lengthened_it_does_not_open(void **state)
{
	struct pair *p = *state;
	uint8_t sealed[ECIES_OVERHEAD + 101] = {};

	assert_int_equal(ecies_seal(p->sender, sealed, 100, sealed), 0);
	for (size_t len = 0; len < ECIES_OVERHEAD + 100; len++)
		assert_int_equal(open_exactly(p->receiver, sealed, len, NULL), -EBADMSG);
	assert_int_equal(open_exactly(p->receiver, sealed, ECIES_OVERHEAD + 101, NULL), -EBADMSG);
	assert_int_equal(open_exactly(p->receiver, sealed, ECIES_OVERHEAD + 100, NULL), 0);
}

static void with_any_bit_flipped_it_does_not_open(void **state)
{
	struct pair *p = *state;
	uint8_t sealed[ECIES_OVERHEAD + 40] = {};

	assert_int_equal(ecies_seal(p->sender, sealed, 40, sealed), 0);
	for (size_t bit = 0; bit < 8 * sizeof sealed; bit++) {
		sealed[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_int_equal(open_exactly(p->receiver, sealed, sizeof sealed, NULL), -EBADMSG);
		sealed[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	assert_int_equal(open_exactly(p->receiver, sealed, sizeof sealed, NULL), 0);
}

static void hybrid_and_compressed_keys_are_refused(void **state)
{
	struct pair *p = *state;
	uint8_t sealed[ECIES_OVERHEAD + 1];

	assert_int_equal(ecies_seal(p->sender, "x", 1, sealed), 0);
	for (unsigned form = 0; form < 256; form++) {
		sealed[0] = (uint8_t)form;
		assert_int_equal(open_exactly(p->receiver, sealed, sizeof sealed, NULL),
			form == 4 ? 0 : -EBADMSG);
	}
}

static void another_receiver_cannot_open_it(void **state)
{
	struct pair *p = *state;
	struct identity *other = NULL;
	struct ecies_receiver *r = NULL;
	uint8_t sealed[ECIES_OVERHEAD + 1];

	assert_int_equal(identity_generate(&other), 0);
	assert_int_equal(ecies_receiver_new(other, &r), 0);
	assert_int_equal(ecies_seal(p->sender, "x", 1, sealed), 0);
	assert_int_equal(open_exactly(r, sealed, sizeof sealed, NULL), -EBADMSG);
	ecies_receiver_free(r);
	identity_free(other);
}

static void a_sender_keeps_its_key_and_changes_its_nonce(void **state)
{
	struct pair *p = *state;
	uint8_t a[ECIES_OVERHEAD + 1], b[ECIES_OVERHEAD + 1];

	assert_int_equal(ecies_seal(p->sender, "x", 1, a), 0);
	assert_int_equal(ecies_seal(p->sender, "x", 1, b), 0);
	assert_memory_equal(a, b, PUBLIC_KEY_SIZE);
	assert_memory_not_equal(a + PUBLIC_KEY_SIZE, b + PUBLIC_KEY_SIZE, ECIES_NONCE_SIZE);
}

static void senders_and_receivers_may_take_turns(void **state)
{
	struct pair *p = *state;
	struct ecies_sender *other = NULL;
	uint8_t sealed[ECIES_OVERHEAD + 2], plain[2];

	assert_int_equal(ecies_sender_new(identity_public(p->self), &other), 0);
	for (int i = 0; i < 10; i++) {
		struct ecies_sender *s = i % 2 ? other : p->sender;
		uint8_t text[2] = { (uint8_t)i, 0xff };

		assert_int_equal(ecies_seal(s, text, sizeof text, sealed), 0);
		/* A packet that fails between them must not spoil the next. */
		sealed[PUBLIC_KEY_SIZE] ^= 1;
		assert_int_equal(open_exactly(p->receiver, sealed, sizeof sealed, NULL), -EBADMSG);
		sealed[PUBLIC_KEY_SIZE] ^= 1;
		assert_int_equal(open_exactly(p->receiver, sealed, sizeof sealed, plain), 0);
		assert_memory_equal(plain, text, sizeof text);
	}
	ecies_sender_free(other);
	assert_int_equal(ecies_seal(p->sender, "ab", 2, sealed), 0);
	assert_int_equal(open_exactly(p->receiver, sealed, sizeof sealed, plain), 0);
}

static void a_sender_changes_its_key_after_its_share_of_packets(void **state)
{
	struct pair *p = *state;
	uint8_t first[ECIES_OVERHEAD + 1], sealed[ECIES_OVERHEAD + 1], plain[1];

	assert_int_equal(ecies_seal(p->sender, "x", 1, first), 0);
	for (unsigned i = 1; i < ECIES_SENDER_MAX; i++)
		assert_int_equal(ecies_seal(p->sender, "x", 1, sealed), 0);
	assert_memory_equal(first, sealed, PUBLIC_KEY_SIZE);
	assert_int_equal(ecies_seal(p->sender, "y", 1, sealed), 0);
	assert_memory_not_equal(first, sealed, PUBLIC_KEY_SIZE);
	assert_int_equal(open_exactly(p->receiver, sealed, sizeof sealed, plain), 0);
	assert_int_equal(plain[0], 'y');
}

static void a_sender_to_no_key_is_refused(void **state)
{
	uint8_t key[PUBLIC_KEY_SIZE] = { 4 };
	struct ecies_sender *s = NULL;

	(void)state;
	assert_int_equal(ecies_sender_new(key, &s), -EBADMSG);
	assert_null(s);
}

static void secret_keys_two_and_three_derive_the_known_key(void **state)
{
	uint8_t secret[32] = {}, expected[32], key[32];
	struct identity *two = NULL, *three = NULL;

	(void)state;
	secret[31] = 2;
	assert_int_equal(identity_from_secret(secret, &two), 0);
	secret[31] = 3;
	assert_int_equal(identity_from_secret(secret, &three), 0);
	from_hex("6f982d63e8590c9d9b5b4c1959ff80315d772edd8f60287c9361d548d5200f82", expected, 32);
	/* The sender's side, then the receiver's. */
	assert_int_equal(ecies_derive(two, identity_public(three), identity_public(two), key), 0);
	assert_memory_equal(key, expected, 32);
	assert_int_equal(ecies_derive(three, identity_public(two), identity_public(two), key), 0);
	assert_memory_equal(key, expected, 32);
	identity_free(two);
	identity_free(three);
}

#define with_pair(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

UNIT(with_pair(every_length_of_a_packet_goes_through), with_pair(nothing_is_no_plaintext),
	with_pair(truncated_or_lengthened_it_does_not_open),
	with_pair(with_any_bit_flipped_it_does_not_open),
	with_pair(hybrid_and_compressed_keys_are_refused),
	with_pair(another_receiver_cannot_open_it),
	with_pair(a_sender_keeps_its_key_and_changes_its_nonce),
	with_pair(senders_and_receivers_may_take_turns),
	with_pair(a_sender_changes_its_key_after_its_share_of_packets),
	it(a_sender_to_no_key_is_refused), it(secret_keys_two_and_three_derive_the_known_key))

/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include "lib/packet.h"

static void the_sizes_are_those_of_the_protocol_page(void **state)
{
	(void)state;
	assert_int_equal(ECIES_OVERHEAD, 97);
	assert_int_equal(PACKET_HEAD, 98);
	assert_int_equal(PACKET_MIN, 99);
	assert_int_equal(PACKET_MAX, 536);
	assert_int_equal(FRAME_MAX, 538);
}

static void every_length_is_a_packet_s_or_refused(void **state)
{
	uint8_t frame[FRAME_MAX] = {};

	(void)state;
	for (unsigned len = 0; len < 65536; len++) {
		ssize_t whole = len >= 99 && len <= 536 ? (ssize_t)len + 2 : -EBADMSG;

		frame[0] = (uint8_t)(len >> 8);
		frame[1] = (uint8_t)len;
		assert_int_equal(frame_complete(frame, sizeof frame), whole);
		assert_int_equal(frame_complete(frame, 2), whole < 0 ? whole : 0);
	}
}

static void an_incomplete_frame_waits_for_more(void **state)
{
	uint8_t frame[FRAME_HEAD + PACKET_MIN + 1] = { 0, PACKET_MIN };

	(void)state;
	for (size_t len = 0; len < FRAME_HEAD + PACKET_MIN; len++) {
		uint8_t *copy = exactly(frame, len);

		assert_int_equal(frame_complete(copy, len), 0);
		free(copy);
	}
	assert_int_equal(frame_complete(frame, sizeof frame - 1), FRAME_HEAD + PACKET_MIN);
	assert_int_equal(frame_complete(frame, sizeof frame), FRAME_HEAD + PACKET_MIN);
}

UNIT(it(the_sizes_are_those_of_the_protocol_page), it(every_length_is_a_packet_s_or_refused),
	it(an_incomplete_frame_waits_for_more))

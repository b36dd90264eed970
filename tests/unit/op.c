/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include "lib/op.h"

static const struct {
	uint8_t code;
	const char *name;
	bool from_client, from_server, introduces;
} expected[] = {
	{ 0, "HELLO", true, false, false },
	{ 1, "MSG", true, false, false },
	{ 2, "CONFIG", false, true, false },
	{ 3, "RESET", false, true, false },
	{ 16, "TOKEN", true, true, true },
	{ 17, "ENROL", true, false, true },
	{ 18, "ENROLLED", false, true, false },
	{ 32, "ROTATE", false, true, false },
	{ 33, "PINS", false, true, false },
	{ 34, "UPDATE", false, true, false },
	{ 35, "STATE", false, true, false },
	{ 36, "LEAVE", true, false, false },
	{ 150, "ACK", true, true, false },
	{ 151, "NACK", true, true, false },
};

static void every_op_code_has_the_row_of_the_protocol_page(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(expected); i++) {
		const struct op_row *row = op_find(expected[i].code);

		assert_non_null(row);
		assert_string_equal(row->name, expected[i].name);
		assert_int_equal(row->from_client, expected[i].from_client);
		assert_int_equal(row->from_server, expected[i].from_server);
		assert_int_equal(row->introduces, expected[i].introduces);
		assert_true(row->largest <= MESSAGE_MAX - 88);
	}
}

static void no_other_op_code_has_one(void **state)
{
	size_t found = 0;

	(void)state;
	for (unsigned code = 0; code < 256; code++)
		found += op_find((uint8_t)code) != NULL;
	assert_int_equal(found, COUNT(expected));
}

UNIT(it(every_op_code_has_the_row_of_the_protocol_page), it(no_other_op_code_has_one))

/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include <openssl/evp.h>
#include <string.h>

#include "lib/memory.h"

static void hash(uint8_t ret[static 32])
{
	assert_int_equal(EVP_Digest("abc", 3, ret, NULL, EVP_sha256(), NULL), 1);
}

/* Bytes of this program's and its libraries' files that are mapped: Shared and Private_Clean. */
static unsigned long clean_kib(void)
{
	FILE *f = fopen("/proc/self/smaps_rollup", "re");
	char line[128];
	unsigned long sum = 0, kib;

	assert_non_null(f);
	while (fgets(line, sizeof line, f))
		if (sscanf(line, "Shared_Clean: %lu", &kib) == 1 ||
			sscanf(line, "Private_Clean: %lu", &kib) == 1)
			sum += kib;
	fclose(f);
	return sum;
}

static void what_is_given_back_is_gone_and_comes_again(void **state)
{
	static int written = 7; /* data is nobody's to give back */
	uint8_t before[32], after[32];
	unsigned long mapped;

	(void)state;
	hash(before);
	written++;
	mapped = clean_kib();
	memory_give_back();
	assert_true(clean_kib() < mapped);
	memory_rest();
	hash(after);
	assert_memory_equal(before, after, sizeof before);
	assert_int_equal(written, 8);
}

UNIT(it(what_is_given_back_is_gone_and_comes_again))

/* SPDX-License-Identifier: MIT */
#include "logins.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "../guesses.h"
#include "lib/secret.h"

#define MINUTE_MS 60000u

struct logins {
	struct guesses *sources, *pairs;
	uint8_t key[crypto_shorthash_KEYBYTES];
	uint64_t since;
	uint32_t told, untold;
};

static int table(uint32_t burst, struct guesses **ret)
{
	int r = guesses_new(ret);

	if (r < 0)
		return r;
	guesses_limit(*ret, burst, LOGINS_A_SECOND);
	guesses_pace(*ret, LOGINS_REFILL_MS);
	return 0;
}

int logins_new(struct logins **ret)
{
	struct logins *l = calloc(1, sizeof(*l));
	int r = l ? table(LOGINS_PER_SOURCE, &l->sources) : -ENOMEM;

	if (r == 0)
		r = table(LOGINS_PER_PAIR, &l->pairs);
	if (r < 0) {
		logins_free(l);
		return r;
	}
	random_bytes(l->key, sizeof(l->key));
	*ret = l;
	return 0;
}

struct logins *logins_free(struct logins *l)
{
	if (!l)
		return NULL;
	guesses_free(l->sources);
	guesses_free(l->pairs);
	free(l);
	return NULL;
}

/* A network of its own for each name at each source: 64 bits that nobody outside can foretell. */
static struct source pair_of(const struct logins *l, const struct source *s, const char *name)
{
	struct source network = source_network(s), pair = {};
	uint8_t text[sizeof(network.address) + 128];
	size_t len = strnlen(name, 128);

	memcpy(text, &network.address, sizeof(network.address));
	memcpy(text + sizeof(network.address), name, len);
	crypto_shorthash(pair.address.s6_addr, text, sizeof(network.address) + len, l->key);
	return pair;
}

uint32_t logins_try(struct logins *l, const struct source *s, const char *name, uint64_t now_ms)
{
	struct source pair = pair_of(l, s, name);
	uint32_t one = guesses_wait(l->sources, s, now_ms);
	uint32_t other = guesses_wait(l->pairs, &pair, now_ms);

	if (one > 0 || other > 0)
		return one > other ? one : other;
	guesses_wrong(l->sources, s, now_ms);
	guesses_wrong(l->pairs, &pair, now_ms);
	return 0;
}

void logins_right(struct logins *l, const struct source *s, const char *name, uint64_t now_ms)
{
	struct source pair = pair_of(l, s, name);

	guesses_right(l->sources, s, now_ms);
	guesses_right(l->pairs, &pair, now_ms);
}

bool logins_tell(struct logins *l, uint64_t now_ms, uint32_t *ret_untold)
{
	if (now_ms - l->since >= MINUTE_MS) {
		l->since = now_ms;
		l->told = 0;
	}
	if (l->told >= LOGINS_TOLD) {
		l->untold++;
		return false;
	}
	l->told++;
	*ret_untold = l->untold;
	l->untold = 0;
	return true;
}

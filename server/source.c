/* SPDX-License-Identifier: MIT */
#include "source.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "lib/secret.h"

#define CROWD_SLOTS 4096u

struct source source_of(const struct sockaddr_storage *peer)
{
	struct source s = {};

	if (peer->ss_family == AF_INET6) {
		s.address = ((const struct sockaddr_in6 *)peer)->sin6_addr;
	} else if (peer->ss_family == AF_INET) {
		s.address.s6_addr[10] = s.address.s6_addr[11] = 0xff;
		memcpy(s.address.s6_addr + 12, &((const struct sockaddr_in *)peer)->sin_addr, 4);
	}
	return s;
}

void source_text(const struct source *s, char ret[static ADDRESS_SIZE])
{
	if (IN6_IS_ADDR_V4MAPPED(&s->address))
		inet_ntop(AF_INET, s->address.s6_addr + 12, ret, ADDRESS_SIZE);
	else
		inet_ntop(AF_INET6, &s->address, ret, ADDRESS_SIZE);
}

bool source_is_one(const struct source *s)
{
	const struct in6_addr *a = &s->address;
	const uint8_t *v4 = a->s6_addr + 12;

	if (IN6_IS_ADDR_V4MAPPED(a))
		return v4[0] != 0 && v4[0] < 224;
	return !IN6_IS_ADDR_UNSPECIFIED(a) && !IN6_IS_ADDR_MULTICAST(a) && !IN6_IS_ADDR_V4COMPAT(a);
}

bool source_may_be_dialled(const struct source *s)
{
	const struct in6_addr *a = &s->address;
	const uint8_t *v4 = a->s6_addr + 12;

	if (!source_is_one(s))
		return false;
	if (IN6_IS_ADDR_V4MAPPED(a))
		return v4[0] != 127 && !(v4[0] == 169 && v4[1] == 254);
	return !IN6_IS_ADDR_LOOPBACK(a) && !IN6_IS_ADDR_LINKLOCAL(a);
}

struct source source_network(const struct source *s)
{
	struct source network = *s;

	if (!IN6_IS_ADDR_V4MAPPED(&s->address))
		memset(network.address.s6_addr + 8, 0, 8);
	return network;
}

bool source_equal(const struct source *a, const struct source *b)
{
	return memcmp(&a->address, &b->address, sizeof(a->address)) == 0;
}

uint64_t source_hash(const struct source *s)
{
	static uint8_t key[crypto_shorthash_KEYBYTES];
	static bool keyed;
	uint8_t hash[crypto_shorthash_BYTES];
	uint64_t value;

	if (!keyed) {
		random_bytes(key, sizeof(key));
		keyed = true;
	}
	crypto_shorthash(hash, s->address.s6_addr, sizeof(s->address), key);
	memcpy(&value, hash, sizeof(value));
	return value;
}

struct member {
	struct member *next;
	struct source network;
	uint32_t count;
};

struct crowd {
	struct member *slots[CROWD_SLOTS];
};

int crowd_new(struct crowd **ret)
{
	struct crowd *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return -ENOMEM;
	*ret = c;
	return 0;
}

struct crowd *crowd_free(struct crowd *c)
{
	for (size_t i = 0; c != NULL && i < CROWD_SLOTS; i++) {
		for (struct member *m = c->slots[i], *next; m != NULL; m = next) {
			next = m->next;
			free(m);
		}
	}
	free(c);
	return NULL;
}

/* Where the network's member is, or where one belongs. */
static struct member **member_at(struct crowd *c, const struct source *network)
{
	struct member **m = &c->slots[source_hash(network) % CROWD_SLOTS];

	while (*m != NULL && !source_equal(&(*m)->network, network))
		m = &(*m)->next;
	return m;
}

int crowd_enter(struct crowd *c, const struct source *network, uint32_t limit)
{
	struct member **m = member_at(c, network);

	if (*m == NULL) {
		*m = calloc(1, sizeof(**m));
		if (*m == NULL)
			return -ENOMEM;
		(*m)->network = *network;
	}
	if ((*m)->count >= limit)
		return -EUSERS;
	(*m)->count++;
	return 0;
}

void crowd_leave(struct crowd *c, const struct source *network)
{
	struct member **m = member_at(c, network), *gone = *m;

	if (gone == NULL || --gone->count > 0)
		return;
	*m = gone->next;
	free(gone);
}

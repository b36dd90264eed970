/* SPDX-License-Identifier: MIT */
/*
 * lib/'s end of the interoperability test: one request a line on stdin, one answer a line on
 * stdout, all bytes in hex. The secret key is the only argument.
 *
 *	key                     this end's public key
 *	sender PUBLIC           seals to that key from now on, under a new ephemeral key
 *	seal PLAIN              sealed
 *	open SEALED             the plaintext, or "refused"
 */
#include <sodium.h>
#include <string.h>

#include "lib/ecies.h"
#include "lib/secret.h"

struct end {
	struct identity *self;
	struct ecies_sender *sender;
	struct ecies_receiver *receiver;
};

#define BYTES_MAX 4096

static void answer(const uint8_t *bytes, size_t len)
{
	char hex[2 * BYTES_MAX + 1];

	puts(sodium_bin2hex(hex, sizeof hex, bytes, len));
}

static int act(struct end *e, const char *request, const uint8_t *bytes, size_t len)
{
	uint8_t out[BYTES_MAX];

	if (strcmp(request, "key") == 0) {
		answer(identity_public(e->self), PUBLIC_KEY_SIZE);
	} else if (strcmp(request, "sender") == 0 && len == PUBLIC_KEY_SIZE) {
		e->sender = ecies_sender_free(e->sender);
		puts(ecies_sender_new(bytes, &e->sender) < 0 ? "refused" : "ok");
	} else if (strcmp(request, "seal") == 0 && e->sender && len + ECIES_OVERHEAD <= BYTES_MAX) {
		if (ecies_seal(e->sender, bytes, len, out) < 0)
			puts("refused");
		else
			answer(out, len + ECIES_OVERHEAD);
	} else if (strcmp(request, "open") == 0) {
		if (ecies_open(e->receiver, bytes, len, out) < 0)
			puts("refused");
		else
			answer(out, len - ECIES_OVERHEAD);
	} else {
		return -1;
	}
	return fflush(stdout);
}

static int serve(struct end *e)
{
	char line[2 * BYTES_MAX + 16];
	uint8_t bytes[BYTES_MAX];

	while (fgets(line, sizeof line, stdin)) {
		char *hex = line + strcspn(line, " \n");
		size_t len = 0;

		if (*hex == ' ') {
			*hex++ = '\0';
			hex[strcspn(hex, "\n")] = '\0';
			if (sodium_hex2bin(
				    bytes, sizeof bytes, hex, strlen(hex), NULL, &len, NULL) < 0)
				return -1;
		}
		*hex = '\0';
		if (act(e, line, bytes, len) < 0)
			return -1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct end e = {};
	uint8_t secret[32];
	size_t len;
	int r;

	if (secret_init() < 0 || argc != 2 ||
		sodium_hex2bin(secret, sizeof secret, argv[1], strlen(argv[1]), NULL, &len, NULL) <
			0 ||
		len != sizeof secret || identity_from_secret(secret, &e.self) < 0 ||
		ecies_receiver_new(e.self, &e.receiver) < 0) {
		fprintf(stderr, "usage: interop-ecies SECRET (64 hex digits)\n");
		return 2;
	}
	r = serve(&e);
	ecies_sender_free(e.sender);
	ecies_receiver_free(e.receiver);
	identity_free(e.self);
	return r < 0;
}

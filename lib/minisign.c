/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>
#include <sodium.h>
#include <string.h>

#include "lib/cursor.h"
#include "lib/file.h"
#include "lib/minisign.h"
#include "lib/secret.h"
#include "lib/text.h"

#define ID_SIZE      8
#define PUBLIC_SIZE  (2 + ID_SIZE + crypto_sign_PUBLICKEYBYTES)
#define SIGNED_SIZE  (2 + ID_SIZE + crypto_sign_BYTES)
#define CHECK_SIZE   32
#define SALT_SIZE    (32 + 8 + 8) /* with the limits of the password's hash */
#define SECRET_SIZE  (2 + 2 + 2 + SALT_SIZE + ID_SIZE + crypto_sign_SECRETKEYBYTES + CHECK_SIZE)
#define BASE64(size) (((size) + 2) / 3 * 4 + 1) /* characters with the NUL */
#define COMMENT_MAX  1024
#define HASH_SIZE    crypto_generichash_BYTES_MAX

static const char untrusted[] = "untrusted comment: ";
static const char trusted[] = "trusted comment: ";

struct minisign_key {
	uint8_t id[ID_SIZE];
	uint8_t key[crypto_sign_SECRETKEYBYTES]; /* seed, then the public key */
};

/* Cuts the next line off text: it is NUL-terminated in place. NULL: no whole line is left. */
static char *next_line(char **text)
{
	char *line = *text;
	char *end = strchr(line, '\n');

	if (!end)
		return NULL;
	*end = '\0';
	*text = end + 1;
	return line;
}

/* Printable, or with tabs: minisign's own trusted comments have them. */
static bool comment_ok(const char *line)
{
	for (;;) {
		size_t len = strcspn(line, "\t");

		if (!text_printable(line, len))
			return false;
		if (line[len] == '\0')
			return true;
		line += len + 1;
	}
}

/* The next line, which must start so, behind that start. */
static char *next_comment(char **text, const char *start)
{
	char *line = next_line(text);

	if (!line || strncmp(line, start, strlen(start)) != 0)
		return NULL;
	line += strlen(start);
	return comment_ok(line) ? line : NULL;
}

static bool from_base64(const char *line, uint8_t *ret, size_t size)
{
	return line && text_base64(line, ret, size) == 0;
}

static void to_base64(const uint8_t *bytes, size_t len, char *ret, size_t size)
{
	sodium_bin2base64(ret, size, bytes, len, sodium_base64_VARIANT_ORIGINAL);
}

int minisign_generate(struct minisign_key **ret)
{
	struct minisign_key *k = secret_alloc(sizeof *k);
	uint8_t public_key[crypto_sign_PUBLICKEYBYTES];

	if (!k)
		return -ENOMEM;
	random_bytes(k->id, sizeof k->id);
	crypto_sign_keypair(public_key, k->key);
	*ret = k;
	return 0;
}

/* The public half is stored too and must fit the seed: the checksum of a key without a password is
 * zero in minisign's own files. */
static bool halves_fit(const struct minisign_key *k)
{
	uint8_t seed[crypto_sign_SEEDBYTES], public_key[crypto_sign_PUBLICKEYBYTES];
	uint8_t again[crypto_sign_SECRETKEYBYTES];
	bool fit;

	crypto_sign_ed25519_sk_to_seed(seed, k->key);
	crypto_sign_seed_keypair(public_key, again, seed);
	fit = sodium_memcmp(again, k->key, sizeof again) == 0;
	sodium_memzero(seed, sizeof seed);
	sodium_memzero(again, sizeof again);
	return fit;
}

static int decode_secret(const uint8_t bytes[static SECRET_SIZE], struct minisign_key *ret)
{
	struct reader r = reader_over(bytes, SECRET_SIZE);
	const uint8_t *signing = read_view(&r, 2);
	const uint8_t *password = read_view(&r, 2);
	const uint8_t *checksum = read_view(&r, 2);

	read_view(&r, SALT_SIZE);
	read_bytes(&r, ret->id, sizeof ret->id);
	read_bytes(&r, ret->key, sizeof ret->key);
	read_view(&r, CHECK_SIZE);
	if (read_end(&r) < 0 || memcmp(signing, "Ed", 2) != 0 || memcmp(checksum, "B2", 2) != 0)
		return -EBADMSG;
	if (memcmp(password, "\0\0", 2) != 0)
		return -ENOTSUP;
	return halves_fit(ret) ? 0 : -EBADMSG;
}

static int parse_secret(char *text, struct minisign_key *ret)
{
	uint8_t bytes[SECRET_SIZE];
	int r = -EBADMSG;

	if (next_comment(&text, untrusted) && from_base64(next_line(&text), bytes, sizeof bytes) &&
		*text == '\0')
		r = decode_secret(bytes, ret);
	sodium_memzero(bytes, sizeof bytes);
	return r;
}

int minisign_load(const char *path, struct minisign_key **ret)
{
	scoped(secret_freep) char *text = NULL;
	scoped(minisign_freep) struct minisign_key *k = NULL;
	size_t len;
	int r = file_read_secret(path, MINISIGN_FILE_MAX, &text, &len);

	if (r < 0)
		return r == -EFBIG ? -EBADMSG : r;
	k = secret_alloc(sizeof *k);
	if (!k)
		return -ENOMEM;
	if (strlen(text) != len)
		return -EBADMSG;
	r = parse_secret(text, k);
	if (r < 0)
		return r;
	*ret = give(k);
	return 0;
}

int minisign_save(const struct minisign_key *k, const char *path)
{
	static const uint8_t zeros[SALT_SIZE];
	uint8_t bytes[SECRET_SIZE];
	char base64[BASE64(SECRET_SIZE)];
	char text[sizeof base64 + 64];
	struct writer w = writer_over(bytes, sizeof bytes);
	int len, r;

	write_bytes(&w, "Ed\0\0B2", 6);
	write_bytes(&w, zeros, SALT_SIZE);
	write_bytes(&w, k->id, sizeof k->id);
	write_bytes(&w, k->key, sizeof k->key);
	write_bytes(&w, zeros, CHECK_SIZE);
	to_base64(bytes, sizeof bytes, base64, sizeof base64);
	len = snprintf(
		text, sizeof text, "%sminisign unencrypted secret key\n%s\n", untrusted, base64);
	r = file_create(path, text, (size_t)len, 0600);
	sodium_memzero(bytes, sizeof bytes);
	sodium_memzero(base64, sizeof base64);
	sodium_memzero(text, sizeof text);
	return r;
}

struct minisign_key *minisign_free(struct minisign_key *k)
{
	return secret_free(k);
}

void minisign_freep(struct minisign_key **k)
{
	*k = minisign_free(*k);
}

void minisign_public(const struct minisign_key *k, struct minisign_public *ret)
{
	memcpy(ret->id, k->id, sizeof ret->id);
	crypto_sign_ed25519_sk_to_pk(ret->key, k->key);
}

int minisign_public_parse(const char *text, struct minisign_public *ret)
{
	uint8_t bytes[PUBLIC_SIZE];

	if (!from_base64(text, bytes, sizeof bytes) || memcmp(bytes, "Ed", 2) != 0)
		return -EINVAL;
	memcpy(ret->id, bytes + 2, sizeof ret->id);
	memcpy(ret->key, bytes + 2 + ID_SIZE, sizeof ret->key);
	return 0;
}

void minisign_public_format(
	const struct minisign_public *p, char ret[static MINISIGN_PUBLIC_TEXT_SIZE])
{
	uint8_t bytes[PUBLIC_SIZE];
	struct writer w = writer_over(bytes, sizeof bytes);

	write_bytes(&w, "Ed", 2);
	write_bytes(&w, p->id, sizeof p->id);
	write_bytes(&w, p->key, sizeof p->key);
	to_base64(bytes, sizeof bytes, ret, MINISIGN_PUBLIC_TEXT_SIZE);
}

char *minisign_public_file(const struct minisign_public *p)
{
	char base64[MINISIGN_PUBLIC_TEXT_SIZE];
	uint64_t id = 0;
	char *text;

	/* minisign shows the id as a little-endian number. */
	for (size_t i = ID_SIZE; i > 0; i--)
		id = id << 8 | p->id[i - 1];
	minisign_public_format(p, base64);
	if (asprintf(&text, "%sminisign public key %016" PRIX64 "\n%s\n", untrusted, id, base64) <
		0)
		return NULL;
	return text;
}

/* What the second signature signs: the first one, then the trusted comment. */
static size_t comment_bytes(const uint8_t signature[static crypto_sign_BYTES], const char *comment,
	uint8_t ret[static crypto_sign_BYTES + COMMENT_MAX])
{
	memcpy(ret, signature, crypto_sign_BYTES);
	memcpy(ret + crypto_sign_BYTES, comment, strlen(comment));
	return crypto_sign_BYTES + strlen(comment);
}

int minisign_sign(const struct minisign_key *k, const void *data, size_t len,
	const char *trusted_comment, char **ret)
{
	uint8_t hash[HASH_SIZE], first[SIGNED_SIZE], second[crypto_sign_BYTES];
	uint8_t bytes[crypto_sign_BYTES + COMMENT_MAX];
	char first_text[BASE64(SIGNED_SIZE)], second_text[BASE64(crypto_sign_BYTES)];
	size_t comment_len = strlen(trusted_comment);

	if (comment_len > COMMENT_MAX || !comment_ok(trusted_comment))
		return -EINVAL;
	memcpy(first, "ED", 2);
	memcpy(first + 2, k->id, ID_SIZE);
	crypto_generichash(hash, sizeof hash, data, len, NULL, 0);
	crypto_sign_detached(first + 2 + ID_SIZE, NULL, hash, sizeof hash, k->key);
	comment_len = comment_bytes(first + 2 + ID_SIZE, trusted_comment, bytes);
	crypto_sign_detached(second, NULL, bytes, comment_len, k->key);
	to_base64(first, sizeof first, first_text, sizeof first_text);
	to_base64(second, sizeof second, second_text, sizeof second_text);
	if (asprintf(ret, "%ssignature by muster\n%s\n%s%s\n%s\n", untrusted, first_text, trusted,
		    trusted_comment, second_text) < 0)
		return -ENOMEM;
	return 0;
}

/* A signature file, taken apart. */
struct signature {
	uint8_t first[SIGNED_SIZE];
	uint8_t second[crypto_sign_BYTES];
	const char *comment;
};

static bool parse_signature(char *text, struct signature *ret)
{
	if (!next_comment(&text, untrusted) ||
		!from_base64(next_line(&text), ret->first, sizeof ret->first))
		return false;
	ret->comment = next_comment(&text, trusted);
	return ret->comment && strlen(ret->comment) <= COMMENT_MAX &&
	       from_base64(next_line(&text), ret->second, sizeof ret->second) && *text == '\0' &&
	       memcmp(ret->first, "ED", 2) == 0;
}

static int check(
	const struct minisign_public *p, const void *data, size_t len, const struct signature *s)
{
	const uint8_t *first = s->first + 2 + ID_SIZE;
	uint8_t hash[HASH_SIZE], bytes[crypto_sign_BYTES + COMMENT_MAX];
	size_t comment_len;

	if (memcmp(s->first + 2, p->id, ID_SIZE) != 0)
		return -ENOKEY;
	crypto_generichash(hash, sizeof hash, data, len, NULL, 0);
	if (crypto_sign_verify_detached(first, hash, sizeof hash, p->key) != 0)
		return -EKEYREJECTED;
	comment_len = comment_bytes(first, s->comment, bytes);
	if (crypto_sign_verify_detached(s->second, bytes, comment_len, p->key) != 0)
		return -EKEYREJECTED;
	return 0;
}

int minisign_verify(const struct minisign_public *p, const void *data, size_t len,
	const char *signature, size_t signature_len)
{
	char text[MINISIGN_FILE_MAX + 1];
	struct signature s;

	if (signature_len > MINISIGN_FILE_MAX || memchr(signature, '\0', signature_len))
		return -EBADMSG;
	memcpy(text, signature, signature_len);
	text[signature_len] = '\0';
	if (!parse_signature(text, &s))
		return -EBADMSG;
	return check(p, data, len, &s);
}

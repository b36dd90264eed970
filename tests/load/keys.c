/* SPDX-License-Identifier: MIT */
#include "keys.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

static int fill_tls(struct member *m)
{
	struct tlskey k;
	uint8_t *key = NULL, *certificate = NULL;
	int r = tlskey_generate(TLSKEY_ED25519, "muster-agent", &k);

	if (r < 0)
		return r;
	int key_len = i2d_PrivateKey(k.key, &key);
	int certificate_len = i2d_X509(k.certificate, &certificate);

	if (key_len > 0 && (size_t)key_len <= sizeof m->key && certificate_len > 0 &&
		(size_t)certificate_len <= sizeof m->certificate) {
		memcpy(m->key, key, (size_t)key_len);
		memcpy(m->certificate, certificate, (size_t)certificate_len);
		memcpy(m->pin, k.pin, PIN_SIZE);
		m->key_len = (uint16_t)key_len;
		m->certificate_len = (uint16_t)certificate_len;
	} else {
		r = -EMSGSIZE;
	}
	OPENSSL_free(key);
	OPENSSL_free(certificate);
	tlskey_clear(&k);
	return r;
}

static int fill(struct member *m)
{
	scoped(identity_freep) struct identity *i = NULL;
	int r = identity_generate(&i);

	if (r < 0)
		return r;
	memcpy(m->secret, identity_secret(i), sizeof m->secret);
	memcpy(m->public_key, identity_public(i), PUBLIC_KEY_SIZE);
	return fill_tls(m);
}

int keys_make(const char *path, size_t count)
{
	scoped(fclosep) FILE *file = NULL;
	struct stat st;

	if (stat(path, &st) == 0 && (size_t)st.st_size >= count * sizeof(struct member))
		return 0;
	file = fopen(path, "we");
	if (!file)
		return -errno;
	for (size_t i = 0; i < count; i++) {
		struct member m = {};
		int r = fill(&m);

		if (r < 0)
			return r;
		if (fwrite(&m, sizeof m, 1, file) != 1)
			return -EIO;
	}
	return fflush(file) == 0 ? 0 : -EIO;
}

int keys_map(const char *path, size_t count, struct member **ret)
{
	scoped(closep) int fd = open(path, O_RDWR | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if ((size_t)st.st_size < count * sizeof(struct member))
		return -ERANGE;
	void *map = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return -errno;
	*ret = map;
	return 0;
}

int member_tls(const struct member *m, struct tlskey *ret)
{
	const uint8_t *key = m->key, *certificate = m->certificate;

	ret->key = d2i_AutoPrivateKey(NULL, &key, m->key_len);
	ret->certificate = d2i_X509(NULL, &certificate, m->certificate_len);
	memcpy(ret->pin, m->pin, PIN_SIZE);
	if (ret->key && ret->certificate)
		return 0;
	tlskey_clear(ret);
	return -EBADMSG;
}

int member_save(const struct member *m, const char *folder)
{
	scoped(identity_freep) struct identity *i = NULL;
	struct tlskey tls;
	char path[512];
	int r = identity_from_secret(m->secret, &i);

	if (r < 0)
		return r;
	snprintf(path, sizeof path, "%s/identity.key", folder);
	r = identity_save(i, path);
	if (r == 0)
		r = member_tls(m, &tls);
	if (r < 0)
		return r;
	snprintf(path, sizeof path, "%s/tls.pem", folder);
	r = tlskey_save(&tls, path);
	tlskey_clear(&tls);
	return r;
}

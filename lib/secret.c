/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <sodium.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "lib/secret.h"

int secret_init(void)
{
	return sodium_init() < 0 ? -EIO : 0;
}

int secret_protect_process(void)
{
	const struct rlimit none = {};

	if (setrlimit(RLIMIT_CORE, &none) < 0)
		return -errno;
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return -errno;
	return 0;
}

void *secret_alloc(size_t len)
{
	void *secret = sodium_malloc(len);

	if (secret)
		memset(secret, 0, len);
	return secret;
}

void *secret_free(void *secret)
{
	int saved = errno;

	sodium_free(secret);
	errno = saved;
	return NULL;
}

void secret_freep(void *pointer)
{
	void **p = pointer;

	*p = secret_free(*p);
}

void random_bytes(void *ret, size_t len)
{
	randombytes_buf(ret, len);
}

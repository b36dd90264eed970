/* SPDX-License-Identifier: MIT */
#include "hasher.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sodium.h>
#include <string.h>
#include <uninorm.h>

#include "lib/secret.h"
#include "lib/text.h"

struct hashing {
	struct hasher *hasher;
	struct hashing *next;
	char *password; /* secret memory */
	char hash[PASSWORD_HASH_SIZE];
	bool make;
	bool running, done;
	bool abandoned; /* while it was running: the thread frees it */
	int result;
};

struct hasher {
	pthread_mutex_t lock; /* of all below, and of what jobs tell of their state */
	pthread_cond_t wake;
	pthread_t thread;
	bool started, stop;
	struct hashing *first;
	size_t count;
	char nobody[PASSWORD_HASH_SIZE];
};

/* The hash of no password that anybody knows: random salt, random result. */
static void make_nobody(char ret[static PASSWORD_HASH_SIZE])
{
	uint8_t salt[16], result[32];
	char salt_text[32], result_text[64];
	const int variant = sodium_base64_VARIANT_ORIGINAL_NO_PADDING;

	random_bytes(salt, sizeof(salt));
	random_bytes(result, sizeof(result));
	sodium_bin2base64(salt_text, sizeof(salt_text), salt, sizeof(salt), variant);
	sodium_bin2base64(result_text, sizeof(result_text), result, sizeof(result), variant);
	memset(ret, 0, PASSWORD_HASH_SIZE);
	snprintf(ret, PASSWORD_HASH_SIZE, "$argon2id$v=19$m=%u,t=%d,p=1$%s$%s",
		HASHER_MEMORY / 1024, HASHER_PASSES, salt_text, result_text);
}

int hasher_new(struct hasher **ret)
{
	struct hasher *h = calloc(1, sizeof(*h));

	if (!h)
		return -ENOMEM;
	pthread_mutex_init(&h->lock, NULL);
	pthread_cond_init(&h->wake, NULL);
	make_nobody(h->nobody);
	*ret = h;
	return 0;
}

static void job_free(struct hashing *j)
{
	secret_free(j->password);
	sodium_memzero(j, sizeof(*j));
	free(j);
}

/* ---- the thread */

static int work(struct hashing *j)
{
	size_t len = strlen(j->password);

	if (!j->make)
		return crypto_pwhash_str_verify(j->hash, j->password, len) == 0 ? 0 : -EACCES;
	if (crypto_pwhash_str_alg(j->hash, j->password, len, HASHER_PASSES, HASHER_MEMORY,
		    crypto_pwhash_ALG_ARGON2ID13) == 0)
		return 0;
	return -ENOMEM;
}

/* The next job; NULL: the end has come. */
static struct hashing *take(struct hasher *h)
{
	struct hashing *j;

	while (!h->first && !h->stop)
		pthread_cond_wait(&h->wake, &h->lock);
	if (h->stop)
		return NULL;
	j = h->first;
	h->first = j->next;
	h->count--;
	j->next = NULL;
	j->running = true;
	return j;
}

static void *run(void *userdata)
{
	struct hasher *h = userdata;
	struct hashing *j;

	pthread_mutex_lock(&h->lock);
	while ((j = take(h))) {
		int r;

		pthread_mutex_unlock(&h->lock);
		r = work(j);
		pthread_mutex_lock(&h->lock);
		j->running = false;
		j->done = true;
		j->result = r;
		if (j->abandoned)
			job_free(j);
	}
	pthread_mutex_unlock(&h->lock);
	return NULL;
}

/* At the first job: a server to which nobody logs in has no thread, and one that makes processes of
 * itself before has none to lose. Signals are the loop's. */
static int start(struct hasher *h)
{
	sigset_t all, before;
	int r;

	if (h->started)
		return 0;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&h->thread, NULL, run, h);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	h->started = r == 0;
	return -r;
}

struct hasher *hasher_free(struct hasher *h)
{
	if (!h)
		return NULL;
	pthread_mutex_lock(&h->lock);
	h->stop = true;
	pthread_cond_signal(&h->wake);
	pthread_mutex_unlock(&h->lock);
	if (h->started)
		pthread_join(h->thread, NULL);
	pthread_cond_destroy(&h->wake);
	pthread_mutex_destroy(&h->lock);
	free(h);
	return NULL;
}

/* ---- jobs */

static struct hashing *job_new(struct hasher *h, const char *hash, const char *password)
{
	struct hashing *j = calloc(1, sizeof(*j));

	if (!j)
		return NULL;
	j->hasher = h;
	j->make = !hash;
	j->password = secret_alloc(strlen(password) + 1);
	if (!j->password) {
		free(j);
		return NULL;
	}
	strcpy(j->password, password);
	if (hash)
		memcpy(j->hash, hash, sizeof(j->hash));
	return j;
}

static int enqueue(struct hasher *h, struct hashing *j, struct hashing **ret)
{
	struct hashing **end = &h->first;
	int r = start(h);

	pthread_mutex_lock(&h->lock);
	if (r == 0 && h->count >= HASHER_QUEUE)
		r = -EBUSY;
	if (r == 0) {
		while (*end)
			end = &(*end)->next;
		*end = j;
		h->count++;
		pthread_cond_signal(&h->wake);
		*ret = j;
	}
	pthread_mutex_unlock(&h->lock);
	if (r < 0)
		job_free(j);
	return r;
}

int hasher_check(struct hasher *h, const char *hash, const char *password, struct hashing **ret)
{
	struct hashing *j = job_new(h, hash && *hash ? hash : h->nobody, password);

	return j ? enqueue(h, j, ret) : -ENOMEM;
}

int hasher_make(struct hasher *h, const char *password, struct hashing **ret)
{
	struct hashing *j = job_new(h, NULL, password);

	return j ? enqueue(h, j, ret) : -ENOMEM;
}

bool hashing_is_done(struct hashing *j)
{
	bool done;

	pthread_mutex_lock(&j->hasher->lock);
	done = j->done;
	pthread_mutex_unlock(&j->hasher->lock);
	return done;
}

int hashing_result(struct hashing *j, char ret_hash[static PASSWORD_HASH_SIZE])
{
	memcpy(ret_hash, j->hash, sizeof(j->hash));
	return j->result;
}

/* false: the thread has it. */
static bool withdraw(struct hasher *h, struct hashing *j)
{
	for (struct hashing **at = &h->first; *at; at = &(*at)->next) {
		if (*at != j)
			continue;
		*at = j->next;
		h->count--;
		break;
	}
	j->abandoned = j->running;
	return !j->running;
}

struct hashing *hashing_free(struct hashing *j)
{
	struct hasher *h = j ? j->hasher : NULL;
	bool mine;

	if (!j)
		return NULL;
	pthread_mutex_lock(&h->lock);
	mine = withdraw(h, j);
	pthread_mutex_unlock(&h->lock);
	if (mine)
		job_free(j);
	return NULL;
}

/* ---- passwords */

int password_normal(const char *password, char ret[static PASSWORD_SIZE])
{
	size_t len = strlen(password), size = PASSWORD_SIZE - 1;

	if (len > PASSWORD_MAX || !text_utf8(password, len))
		return -EINVAL;
	if (len == 0) {
		*ret = '\0';
		return 0;
	}
	/* No character becomes more than three times as long: ret has room. */
	if (u8_normalize(UNINORM_NFC, (const uint8_t *)password, len, (uint8_t *)ret, &size) !=
		(uint8_t *)ret)
		return -EINVAL;
	ret[size] = '\0';
	return 0;
}

size_t password_length(const char *password)
{
	size_t n = 0;

	for (; *password; password++)
		n += ((unsigned char)*password & 0xc0) != 0x80;
	return n;
}

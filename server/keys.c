/* SPDX-License-Identifier: MIT */
#include "keys.h"

#include <errno.h>
#include <limits.h>
#include <sodium.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/file.h"
#include "lib/secret.h"
#include "log.h"
#include "store/store.h"

/* "STATE/NAME"; config.c keeps STATE short enough. */
static void path_in(const char *state, const char *name, char ret[static PATH_MAX])
{
	snprintf(ret, PATH_MAX, "%s/%s", state, name);
}

static int state_make(const char *state)
{
	struct stat st;

	if (mkdir(state, 0700) < 0 && errno != EEXIST)
		return log_err(-errno, "cannot make the state folder '%s'", state);
	if (stat(state, &st) < 0)
		return log_err(-errno, "cannot use the state folder '%s'", state);
	if (!S_ISDIR(st.st_mode))
		return log_err(-ENOTDIR, "cannot use the state folder '%s'", state);
	if ((st.st_mode & 077) != 0) {
		log_at(LOG_ERR, "others may enter the state folder '%s'; do: chmod 0700 %s", state,
			state);
		return -EPERM;
	}
	return 0;
}

static bool exists(const char *state, const char *name)
{
	char path[PATH_MAX];

	path_in(state, name, path);
	return access(path, F_OK) == 0;
}

/* May this key be made? Not once there is a database that other keys belong to. */
static int may_make(const char *state, const char *name)
{
	const char *sign = exists(state, DATABASE_NAME) ? DATABASE_NAME : CLAIM_NAME;

	if (!exists(state, sign))
		return 0;
	log_at(LOG_ERR,
		"'%s/%s' is missing, but there is a database beside it: machines may know that "
		"key. Put the file back from a backup; or, to begin anew with no machine enrolled, "
		"move '%s/%s' away as well",
		state, name, state, sign);
	return -ENOKEY;
}

int keys_claimed(const char *state)
{
	static const char text[] = "These keys are those of a database elsewhere.\n";
	char path[PATH_MAX];
	int r;

	path_in(state, CLAIM_NAME, path);
	r = file_create(path, text, strlen(text), 0600);
	return r == -EEXIST ? 0 : r < 0 ? log_err(r, "cannot make '%s'", path) : 0;
}

static int key_failed(int error, const char *path)
{
	if (error == -EPERM)
		log_at(LOG_ERR, "others may read the key file '%s', or own it; do: chmod 0600 %s",
			path, path);
	else if (error == -EBADMSG)
		log_at(LOG_ERR, "'%s' is not such a key file; put it back from a backup", path);
	else if (error == -ENOTSUP)
		log_at(LOG_ERR, "the key in '%s' has a password; muster can't use such a key",
			path);
	else
		return log_err(error, "cannot use the key file '%s'", path);
	return error;
}

static int load_identity(const char *state, struct identity **ret)
{
	char path[PATH_MAX];

	path_in(state, "identity.key", path);
	int r = identity_load(path, ret);
	if (r == -ENOENT) {
		r = may_make(state, "identity.key");
		if (r < 0)
			return r;
		r = identity_generate(ret);
		if (r >= 0)
			r = identity_save(*ret, path);
	}
	return r < 0 ? key_failed(r, path) : 0;
}

static int load_tls(const char *state, struct tlskey *ret)
{
	char path[PATH_MAX];

	path_in(state, "tls.pem", path);
	int r = tlskey_load(path, ret);
	if (r == -ENOENT) {
		r = may_make(state, "tls.pem");
		if (r < 0)
			return r;
		r = tlskey_generate(TLSKEY_P256, "muster-server", ret);
		if (r >= 0)
			r = tlskey_save(ret, path);
	}
	return r < 0 ? key_failed(r, path) : 0;
}

/* 64 hex digits and a newline. */
static int read_token_key(const char *path, uint8_t *ret)
{
	scoped(secret_freep) char *text = NULL;
	size_t len, bytes;

	int r = file_read_secret(path, 80, &text, &len);
	if (r < 0)
		return r == -EFBIG ? -EBADMSG : r;
	if (len != 65 || text[64] != '\n' ||
		sodium_hex2bin(ret, TOKEN_KEY_SIZE, text, 64, NULL, &bytes, NULL) < 0 ||
		bytes != TOKEN_KEY_SIZE)
		return -EBADMSG;
	return 0;
}

static int make_token_key(const char *path, uint8_t *ret)
{
	scoped(secret_freep) char *text = secret_alloc(66);

	if (text == NULL)
		return -ENOMEM;
	random_bytes(ret, TOKEN_KEY_SIZE);
	sodium_bin2hex(text, 66, ret, TOKEN_KEY_SIZE);
	text[64] = '\n';
	return file_create(path, text, 65, 0600);
}

static int load_token_key(const char *state, uint8_t **ret)
{
	char path[PATH_MAX];

	path_in(state, "token.key", path);
	*ret = secret_alloc(TOKEN_KEY_SIZE);
	int r = *ret == NULL ? -ENOMEM : read_token_key(path, *ret);
	if (r == -ENOENT) {
		r = may_make(state, "token.key");
		if (r < 0)
			return r;
		r = make_token_key(path, *ret);
	}
	return r < 0 ? key_failed(r, path) : 0;
}

/* release.pub as minisign writes it: a comment line, then the key. */
static int read_release_public(const char *path, struct minisign_public *ret)
{
	scoped(freep) char *text = NULL;
	size_t len;

	int r = file_read(path, MINISIGN_FILE_MAX, &text, &len);
	if (r < 0)
		return r;
	char *key = strchr(text, '\n');
	if (key == NULL)
		return -EBADMSG;
	key++;
	key[strcspn(key, "\r\n")] = '\0';
	return minisign_public_parse(key, ret) < 0 ? -EBADMSG : 0;
}

static int write_release_public(const char *path, const struct minisign_public *public)
{
	scoped(freep) char *text = minisign_public_file(public);

	return text == NULL ? -ENOMEM : file_write_atomic(path, text, strlen(text), 0644);
}

/* The secret key has its public part; beside it lies release.pub for minisign(1). Alone,
 * release.pub means that the secret key is kept offline. */
static int load_release(const char *state, struct keys *k)
{
	char path[PATH_MAX], public[PATH_MAX];
	struct minisign_public there;

	path_in(state, "release.key", path);
	path_in(state, "release.pub", public);
	int r = minisign_load(path, &k->release);
	if (r == -ENOENT) {
		r = read_release_public(public, &k->release_public);
		if (r != -ENOENT)
			return r < 0 ? key_failed(r, public) : 0;
		r = may_make(state, "release.key");
		if (r < 0)
			return r;
		r = minisign_generate(&k->release);
		if (r >= 0)
			r = minisign_save(k->release, path);
	}
	if (r < 0)
		return key_failed(r, path);
	minisign_public(k->release, &k->release_public);
	r = read_release_public(public, &there);
	if (r == -ENOENT)
		r = write_release_public(public, &k->release_public);
	else if (r >= 0 && memcmp(&there, &k->release_public, sizeof(there)) != 0) {
		log_at(LOG_ERR, "'%s' is not the public part of '%s'; move one of them away",
			public, path);
		return -EBADMSG;
	}
	return r < 0 ? key_failed(r, public) : 0;
}

int keys_load(const char *state, struct keys *ret)
{
	struct keys k = {};
	int r = state_make(state);

	if (r >= 0)
		r = load_identity(state, &k.identity);
	if (r >= 0)
		r = load_tls(state, &k.tls);
	if (r >= 0)
		r = load_token_key(state, &k.token_key);
	if (r >= 0)
		r = load_release(state, &k);
	if (r < 0) {
		keys_clear(&k);
		return r;
	}
	*ret = k;
	return 0;
}

void keys_clear(struct keys *k)
{
	k->identity = identity_free(k->identity);
	tlskey_clear(&k->tls);
	k->release = minisign_free(k->release);
	k->token_key = secret_free(k->token_key);
}

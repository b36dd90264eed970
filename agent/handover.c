/* SPDX-License-Identifier: MIT */
#include "agent/handover.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/cursor.h"
#include "lib/file.h"

#define FILE_NAME "order"
#define PATH_SIZE 512
#define BODY_AT   (HANDOVER_HEAD + CLIENT_ID_SIZE + 8)

void handover_clear(struct handover *h)
{
	free(h->bytes);
	*h = (struct handover){};
}

const uint8_t *handover_signature(const struct handover *h)
{
	return h->bytes + PUBLIC_KEY_SIZE + BINDING_SIZE;
}

const uint8_t *handover_body(const struct handover *h, size_t *ret_len)
{
	*ret_len = h->len - BODY_AT;
	return h->bytes + BODY_AT;
}

/* ---------------------------------------------------------------- the agent's side */

int handover_pack(const struct message *m, const uint8_t self[static PUBLIC_KEY_SIZE],
	const uint8_t binding[static BINDING_SIZE], struct handover *ret)
{
	size_t len = HANDOVER_HEAD + m->signed_len;
	uint8_t *bytes = malloc(len);
	struct writer w = writer_over(bytes, len);

	if (!bytes)
		return -ENOMEM;
	write_bytes(&w, self, PUBLIC_KEY_SIZE);
	write_bytes(&w, binding, BINDING_SIZE);
	write_bytes(&w, m->signature, SIGNATURE_SIZE);
	write_bytes(&w, m->signed_bytes, m->signed_len);
	*ret = (struct handover){ bytes, len };
	return 0;
}

static int path_of(
	const char *state, const char *name, const char *file, char ret[static PATH_SIZE])
{
	int len = snprintf(ret, PATH_SIZE, "%s/%s%s", state, name, file);

	return len > 0 && len < PATH_SIZE ? 0 : -ENAMETOOLONG;
}

int handover_give(const char *state, const char *name, const struct handover *h)
{
	char folder[PATH_SIZE], path[PATH_SIZE];
	int r = path_of(state, name, "/" FILE_NAME, path);

	if (r == 0)
		r = path_of(state, name, "", folder);
	if (r == 0 && mkdir(folder, 0700) < 0 && errno != EEXIST)
		r = -errno;
	return r < 0 ? r : file_write_atomic(path, h->bytes, h->len, 0600);
}

void handover_withdraw(const char *state, const char *name)
{
	char path[PATH_SIZE];

	if (path_of(state, name, "/" FILE_NAME, path) == 0)
		(void)unlink(path);
}

/* ---------------------------------------------------------------- root's side */

/* A name without slashes: there is no way out of the folder but a link, which is not followed. */
static int open_in(int folder, const char *name, int flags)
{
	int fd = openat(folder, name, flags | O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	return fd < 0 ? -errno : fd;
}

/* Another name of it could be another's file, which root can read and the agent can't. */
static int read_whole(int fd, struct handover *ret)
{
	struct handover h = {};
	struct stat st;
	ssize_t n;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_nlink > 1)
		return -EINVAL;
	h.bytes = malloc(HANDOVER_MAX + 1);
	if (!h.bytes)
		return -ENOMEM;
	while ((n = read(fd, h.bytes + h.len, HANDOVER_MAX + 1 - h.len)) > 0)
		h.len += (size_t)n;
	if (n < 0 || h.len > HANDOVER_MAX) {
		int r = n < 0 ? -errno : -EFBIG;

		handover_clear(&h);
		return r;
	}
	*ret = h;
	return 0;
}

int handover_take(const char *state, const char *name, struct handover *ret)
{
	scoped(closep) int folder = open(state, O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	scoped(closep) int below = folder < 0 ? -errno : open_in(folder, name, O_DIRECTORY);
	scoped(closep) int fd = below < 0 ? below : open_in(below, FILE_NAME, 0);
	int r;

	if (fd == -ENOENT)
		return fd;
	r = fd < 0 ? fd : read_whole(fd, ret);
	if (below < 0 || (unlinkat(below, FILE_NAME, 0) < 0 && errno != ENOENT)) {
		r = below < 0 ? below : -errno;
		handover_clear(ret);
	}
	return r;
}

int handover_load(const char *path, struct handover *ret)
{
	scoped(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	return fd < 0 ? -errno : read_whole(fd, ret);
}

int handover_verify(const struct handover *h, enum op op, const struct config *c)
{
	const uint8_t *receiver = h->bytes, *binding = receiver + PUBLIC_KEY_SIZE;
	const uint8_t *bytes = h->bytes + HANDOVER_HEAD;
	uint8_t digest[DIGEST_SIZE];
	int r;

	if (h->len < BODY_AT)
		return -EBADMSG;
	session_digest(op, FROM_SERVER, binding, receiver, bytes, h->len - HANDOVER_HEAD, digest);
	r = identity_verify(c->server_key, digest, handover_signature(h));
	if (r == 0 && memcmp(bytes, c->client_id, CLIENT_ID_SIZE) != 0)
		r = -EKEYREJECTED;
	return r;
}

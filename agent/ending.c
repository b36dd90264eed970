/* SPDX-License-Identifier: MIT */
#include "agent/ending.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/file.h"
#include "lib/text.h"

#define NAME      "revoked"
#define PATH_SIZE 256
#define KEY_MAX   65536

static int path_of(const char *folder, const char *name, char ret[static PATH_SIZE])
{
	int len = snprintf(ret, PATH_SIZE, "%s/%s", folder, name);

	return len < 0 || len >= PATH_SIZE ? -ENAMETOOLONG : 0;
}

static int overwrite(int fd)
{
	static const uint8_t zeros[4096];
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	for (off_t at = 0; at < st.st_size && at < KEY_MAX;) {
		off_t rest = st.st_size - at;
		ssize_t n = pwrite(
			fd, zeros, rest < (off_t)sizeof zeros ? (size_t)rest : sizeof zeros, at);

		if (n < 0)
			return -errno;
		at += n;
	}
	return fdatasync(fd) < 0 ? -errno : 0;
}

/* What can't be overwritten is removed all the same. */
static int wipe(const char *folder, const char *name)
{
	char path[PATH_SIZE];
	int r = path_of(folder, name, path);

	if (r < 0)
		return r;
	scoped(closep) int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	r = fd >= 0 ? overwrite(fd) : errno == ENOENT ? 0 : -errno;
	if (unlink(path) < 0 && errno != ENOENT)
		r = r < 0 ? r : -errno;
	return r;
}

int ending_make(const char *folder, const char *why)
{
	static const char *const keys[] = { "identity.key", "tls.pem" };
	char path[PATH_SIZE], line[ENDING_SIZE + 1];
	int r = path_of(folder, NAME, path);

	if (r == 0) {
		(void)snprintf(line, sizeof line, "%s\n", why);
		r = file_write_atomic(path, line, strlen(line), 0600);
	}
	for (size_t i = 0; i < COUNT(keys); i++) {
		int wiped = wipe(folder, keys[i]);

		r = r < 0 ? r : wiped;
	}
	return r;
}

int ending_read(const char *folder, char ret[static ENDING_SIZE])
{
	scoped(freep) char *text = NULL;
	char path[PATH_SIZE];
	size_t len;
	int r = path_of(folder, NAME, path);

	if (r == 0)
		r = file_read(path, ENDING_SIZE, &text, &len);
	if (r < 0)
		return r;
	len = strcspn(text, "\n");
	if (!text_printable(text, len))
		return -EBADMSG;
	(void)snprintf(ret, ENDING_SIZE, "%.*s", (int)len, text);
	return 0;
}

/* SPDX-License-Identifier: MIT */
#include "agent/rekey.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/file.h"

#define CLIENT_MAX 8192
#define PATH_SIZE  256

static int path_of(const char *folder, const char *name, char ret[static PATH_SIZE])
{
	int len = snprintf(ret, PATH_SIZE, "%s/%s", folder, name);

	return len < 0 || len >= PATH_SIZE ? -ENAMETOOLONG : 0;
}

bool rekey_is_due(const char *state, const uint8_t client_id[static CLIENT_ID_SIZE])
{
	char path[PATH_SIZE], line[sizeof "client=\n" + 2 * CLIENT_ID_SIZE] = "client=";
	scoped(freep) char *text = NULL;
	size_t len, at = strlen(line);

	for (size_t i = 0; i < CLIENT_ID_SIZE; i++)
		at += (size_t)snprintf(line + at, sizeof line - at, "%02x", client_id[i]);
	if (path_of(state, "client.next", path) < 0 || file_read(path, CLIENT_MAX, &text, &len) < 0)
		return false;
	return strncmp(text, line, at) == 0 && text[at] == '\n';
}

/* What isn't there any more was taken before. */
static int take(int folder, const char *next, const char *name)
{
	return renameat(folder, next, folder, name) < 0 && errno != ENOENT ? -errno : 0;
}

static int drop(int folder, const char *name)
{
	return unlinkat(folder, name, 0) < 0 && errno != ENOENT ? -errno : 0;
}

/* A folder of files. */
static int drop_folder(int folder, const char *name)
{
	int r = 0, fd = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!d)
		return fd < 0 && errno == ENOENT ? 0 : -errno;
	while (r == 0 && (entry = readdir(d)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			r = drop(dirfd(d), entry->d_name);
	closedir(d);
	return r == 0 && unlinkat(folder, name, AT_REMOVEDIR) < 0 ? -errno : r;
}

int rekey_finish(const char *state)
{
	scoped(closep) int folder = open(state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = folder < 0 ? -errno : drop_folder(folder, "spool");

	if (r == 0)
		r = drop(folder, "reset");
	if (r == 0)
		r = drop(folder, "revoked");
	if (r == 0)
		r = take(folder, "identity.key.next", "identity.key");
	if (r == 0)
		r = take(folder, "tls.pem.next", "tls.pem");
	if (r == 0 && fsync(folder) < 0)
		r = -errno;
	if (r == 0) /* the last: by it the rest is known to be due */
		r = take(folder, "client.next", "client");
	return r == 0 && fsync(folder) < 0 ? -errno : r;
}

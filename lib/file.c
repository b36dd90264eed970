/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/file.h"
#include "lib/secret.h"

/* O_NONBLOCK: opening a FIFO that somebody planted must not wait for a writer. */
static int open_regular(const char *path, struct stat *ret)
{
	scoped(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	int opened = fd;

	if (fd < 0)
		return -errno;
	if (fstat(fd, ret) < 0)
		return -errno;
	if (!S_ISREG(ret->st_mode))
		return -EINVAL;
	fd = -1;
	return opened;
}

/* Reads to the end, at most size bytes. */
static ssize_t read_all(int fd, char *ret, size_t size)
{
	size_t len = 0;

	while (len < size) {
		ssize_t n = read(fd, ret + len, size - len);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 0)
			break;
		if (n > 0)
			len += (size_t)n;
	}
	return (ssize_t)len;
}

/* One byte more than the limit is asked for, to tell a file that is longer. */
static int read_bounded(int fd, char *memory, size_t limit, size_t *ret_len)
{
	ssize_t len = read_all(fd, memory, limit + 1);

	if (len < 0)
		return (int)len;
	if ((size_t)len > limit)
		return -EFBIG;
	memory[len] = '\0';
	*ret_len = (size_t)len;
	return 0;
}

int file_read(const char *path, size_t limit, char **ret, size_t *ret_len)
{
	scoped(closep) int fd = -1;
	scoped(freep) char *text = NULL;
	struct stat st;
	char *fitted;
	int r;

	fd = open_regular(path, &st);
	if (fd < 0)
		return fd;
	if (limit > SSIZE_MAX - 2 || st.st_size > (off_t)limit)
		return -EFBIG;
	text = malloc(limit + 1);
	if (!text)
		return -ENOMEM;
	r = read_bounded(fd, text, limit, ret_len);
	if (r < 0)
		return r;
	fitted = realloc(text, *ret_len + 1);
	if (fitted)
		text = fitted;
	*ret = give(text);
	return 0;
}

int file_read_secret(const char *path, size_t limit, char **ret, size_t *ret_len)
{
	scoped(closep) int fd = -1;
	scoped(secret_freep) char *text = NULL;
	struct stat st;
	int r;

	fd = open_regular(path, &st);
	if (fd < 0)
		return fd;
	if ((st.st_mode & 077) != 0 || (st.st_uid != geteuid() && st.st_uid != 0))
		return -EPERM;
	if (limit > SSIZE_MAX - 2 || st.st_size > (off_t)limit)
		return -EFBIG;
	text = secret_alloc(limit + 1);
	if (!text)
		return -ENOMEM;
	r = read_bounded(fd, text, limit, ret_len);
	if (r < 0)
		return r;
	*ret = give(text);
	return 0;
}

/* The folder of path, opened; *ret_name: the name in it. */
static int open_folder(const char *path, const char **ret_name)
{
	const char *slash = strrchr(path, '/');
	scoped(freep) char *folder = NULL;
	int fd;

	folder = !slash          ? strdup(".")
		 : slash == path ? strdup("/")
				 : strndup(path, (size_t)(slash - path));
	if (!folder)
		return -ENOMEM;
	*ret_name = slash ? slash + 1 : path;
	if (**ret_name == '\0')
		return -EISDIR;
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int file_write_all(int fd, const void *data, size_t len)
{
	const char *from = data;

	while (len > 0) {
		ssize_t n = write(fd, from, len);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			from += n;
			len -= (size_t)n;
		}
	}
	return 0;
}

/* The mode is given last, so that nobody else opens the file half written. */
static int write_new(int folder, const char *name, const void *data, size_t len, mode_t mode)
{
	scoped(closep) int fd = openat(folder, name,
		O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, S_IRUSR | S_IWUSR);
	int r;

	if (fd < 0)
		return -errno;
	r = file_write_all(fd, data, len);
	if (r == 0 && fchmod(fd, mode) < 0)
		r = -errno;
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	if (r < 0)
		unlinkat(folder, name, 0);
	return r;
}

#define TEMPORARY_SIZE sizeof(".muster-0123456789abcdef")

static void temporary_name(char ret[static TEMPORARY_SIZE])
{
	uint8_t random[8];
	char hex[2 * sizeof random + 1];

	random_bytes(random, sizeof random);
	snprintf(ret, TEMPORARY_SIZE, ".muster-%s",
		sodium_bin2hex(hex, sizeof hex, random, sizeof random));
}

static int write_whole(
	const char *path, const void *data, size_t len, mode_t mode, unsigned rename_flags)
{
	const char *name;
	char temporary[TEMPORARY_SIZE];
	scoped(closep) int folder = open_folder(path, &name);
	int r;

	if (folder < 0)
		return folder;
	temporary_name(temporary);
	r = write_new(folder, temporary, data, len, mode);
	if (r < 0)
		return r;
	if (renameat2(folder, temporary, folder, name, rename_flags) < 0) {
		r = -errno;
		unlinkat(folder, temporary, 0);
		return r;
	}
	return fsync(folder) < 0 ? -errno : 0;
}

int file_write_atomic(const char *path, const void *data, size_t len, mode_t mode)
{
	return write_whole(path, data, len, mode, 0);
}

int file_create(const char *path, const void *data, size_t len, mode_t mode)
{
	return write_whole(path, data, len, mode, RENAME_NOREPLACE);
}

int folder_sync(const char *path)
{
	scoped(closep) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

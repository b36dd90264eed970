/* SPDX-License-Identifier: MIT */
/* Whole files, safely: bounded, no links followed, written all or not at all. */
#ifndef MUSTER_FILE_H
#define MUSTER_FILE_H

#include <sys/types.h>

#include "base.h"

/* Reads a regular file of at most limit bytes; the result has a NUL beyond its end; caller frees.
 * -EFBIG: longer; -ELOOP: a symbolic link; -ENOENT, ...; -EINVAL: no regular file. */
int file_read(const char *path, size_t limit, char **ret, size_t *ret_len) must_use;

/* The same into secret_alloc() memory, from a file that only its owner may access and which belongs
 * to this process's user or root. -EPERM: others may access it too, or another owns it. Free with
 * secret_free(). */
int file_read_secret(const char *path, size_t limit, char **ret, size_t *ret_len) must_use;

/* Writes data beside path under a random name (O_EXCL), with the mode whatever the umask, syncs it,
 * renames it over path and syncs the folder. On failure path is as before and nothing is left;
 * except that when only the last step, syncing the folder, fails, the new file is there, but
 * perhaps not after a loss of power. */
int file_write_atomic(const char *path, const void *data, size_t len, mode_t mode) must_use;

/* The same, but -EEXIST if path exists already, be it a dangling link. The file system must know
 * renameat2()'s RENAME_NOREPLACE (all of Linux' local ones do), else -EINVAL. */
int file_create(const char *path, const void *data, size_t len, mode_t mode) must_use;

/* Whatever write(2) takes at once. */
int file_write_all(int fd, const void *data, size_t len) must_use;

/* What was renamed or removed in the folder stays so after a loss of power. */
int folder_sync(const char *path) must_use;

#endif

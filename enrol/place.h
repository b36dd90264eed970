/* SPDX-License-Identifier: MIT */
/*
 * Files in places where root alone decides. Every path is absolute and is walked part by part: each
 * folder on the way must belong to root and be writable by nobody else (a sticky one isn't good
 * enough), and a symbolic link on the way is followed only where root alone can have made it. The
 * last part is never followed. So nothing that another user plants is ever written to, read or
 * removed in another's place.
 *
 * All return 0 (or a descriptor, or a number) or negative errno. -EPERM: the folder, or one above
 * it, can be changed by others; -ELOOP: too many links.
 */
#ifndef MUSTER_ENROL_PLACE_H
#define MUSTER_ENROL_PLACE_H

#include <stdbool.h>
#include <sys/stat.h>

#include "lib/base.h"

/* The folder itself, opened. */
int place_folder(const char *path) must_use;

/* What is at path, without following it. -ENOENT: nothing. */
int place_look(const char *path, struct stat *ret) must_use;

/* A new file, open for writing and reading. -EEXIST: something is there already. */
int place_create(const char *path, mode_t mode) must_use;
/* The same with its content, synced to the disk. What it made is removed again on failure. */
int place_write(const char *path, const void *data, size_t len, mode_t mode) must_use;

int place_mkdir(const char *path, mode_t mode) must_use;          /* -EEXIST */
int place_symlink(const char *path, const char *target) must_use; /* -EEXIST */
int place_move(const char *from, const char *to) must_use;        /* -EEXIST, -EXDEV */
int place_replace(const char *from, const char *to) must_use;     /* whatever is there; -EXDEV */
/* Another name of the same file, or a copy where the file system knows no such. -EEXIST */
int place_link(const char *from, const char *to) must_use;
/* Copies the whole file open at fd, else as place_write(). */
int place_copy(const char *path, int fd, mode_t mode) must_use;
int place_sync(const char *path) must_use; /* a folder's entries */

/* Reads a regular file of at most size - 1 bytes; *ret is NUL-terminated. The length. -EINVAL: no
 * regular file; -EFBIG. */
ssize_t place_read(const char *path, char *ret, size_t size) must_use;

/* Opens a regular file for reading. -EINVAL: it is none. */
int place_open(const char *path) must_use;

/* Removal. Nothing there is fine (0). */
int place_remove(const char *path) must_use;        /* a file or link */
int place_remove_folder(const char *path) must_use; /* -ENOTEMPTY */
/* With all that is below it on the same file system; its own content may be anybody's. */
int place_remove_tree(const char *path) must_use;

/* Files in a folder that may belong to anybody (a service's state) but lies in one of root's.
 * write: as place_write(), and it belongs to the folder's owner; wipe: overwritten with zeros and
 * removed; claim: made root's own, mode 0600 (-EMLINK: has other names); look: as place_look(). */
int place_write_in(const char *folder, const char *name, const void *data, size_t len, mode_t mode)
	must_use;
int place_wipe_in(const char *folder, const char *name) must_use;
int place_claim_in(const char *folder, const char *name) must_use;
int place_look_in(const char *folder, const char *name, struct stat *ret) must_use;

#endif

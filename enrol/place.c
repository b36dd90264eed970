/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/sendfile.h>

#include "enrol/place.h"
#include "lib/file.h"

#define LINKS_MAX 16    /* on one path */
#define DEPTH_MAX 64    /* of a tree that is removed */
#define WIPE_MAX  65536 /* bytes: no secret of muster's is as long */

/* ---- walking */

static bool is_roots_alone(const struct stat *st)
{
	return st->st_uid == 0 && (st->st_mode & S_IWOTH) == 0 &&
	       ((st->st_mode & S_IWGRP) == 0 || st->st_gid == 0);
}

/* What is left of a path that is being walked. */
struct walk {
	int at; /* O_PATH descriptor of a checked folder */
	unsigned links;
	char left[PATH_MAX];
};

static int step_into(struct walk *w, int fd)
{
	if (w->at >= 0)
		close(w->at);
	w->at = fd;
	return 0;
}

static int to_top(struct walk *w)
{
	struct stat st;
	int fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0 || !is_roots_alone(&st)) {
		close(fd);
		return -EPERM;
	}
	return step_into(w, fd);
}

/* Puts a link's target before what is left. The link lies in a folder that root alone changes. */
static int follow(struct walk *w, int link)
{
	char target[PATH_MAX], joined[PATH_MAX];
	ssize_t len = readlinkat(link, "", target, sizeof target - 1);
	int n;

	if (len < 0)
		return -errno;
	if (++w->links > LINKS_MAX)
		return -ELOOP;
	target[len] = '\0';
	n = snprintf(joined, sizeof joined, "%s/%s", target, w->left);
	if (n < 0 || (size_t)n >= sizeof joined)
		return -ENAMETOOLONG;
	memcpy(w->left, joined, (size_t)n + 1);
	return target[0] == '/' ? to_top(w) : 0;
}

static int step(struct walk *w, const char *name)
{
	scoped(closep) int fd = openat(w->at, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;
	int r;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (S_ISLNK(st.st_mode))
		return follow(w, fd);
	if (!S_ISDIR(st.st_mode))
		return -ENOTDIR;
	if (!is_roots_alone(&st))
		return -EPERM;
	r = step_into(w, fd);
	fd = -1;
	return r;
}

/* Takes the first name off what is left; "" at the end. */
static void next_name(struct walk *w, char ret[static NAME_MAX + 1])
{
	size_t skip = strspn(w->left, "/");
	size_t len = strcspn(w->left + skip, "/");

	if (len > NAME_MAX)
		len = NAME_MAX; /* no such name can exist */
	memcpy(ret, w->left + skip, len);
	ret[len] = '\0';
	memmove(w->left, w->left + skip + len, strlen(w->left + skip + len) + 1);
}

static int walk(const char *path, size_t len)
{
	struct walk w = { .at = -1 };
	char name[NAME_MAX + 1];
	int r;

	if (path[0] != '/' || len >= sizeof w.left)
		return -EINVAL;
	memcpy(w.left, path, len);
	w.left[len] = '\0';
	r = to_top(&w);
	for (next_name(&w, name); r == 0 && *name; next_name(&w, name))
		r = step(&w, name);
	if (r == 0) {
		r = openat(w.at, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		r = r < 0 ? -errno : r;
	}
	closep(&w.at);
	return r;
}

int place_folder(const char *path)
{
	return walk(path, strlen(path));
}

/* The folder that path lies in, and its last name. */
static int parent(const char *path, const char **ret_name)
{
	const char *slash = strrchr(path, '/');

	if (!slash || slash[1] == '\0')
		return -EINVAL;
	*ret_name = slash + 1;
	return walk(path, (size_t)(slash - path));
}

/* ---- making */

int place_look(const char *path, struct stat *ret)
{
	const char *name;
	scoped(closep) int folder = parent(path, &name);

	if (folder < 0)
		return folder;
	return fstatat(folder, name, ret, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

static int create_in(int folder, const char *name, mode_t mode)
{
	int fd = openat(
		folder, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode & 0700);

	if (fd < 0)
		return -errno;
	if (fchmod(fd, mode) < 0) {
		int r = -errno;

		close(fd);
		unlinkat(folder, name, 0);
		return r;
	}
	return fd;
}

int place_create(const char *path, mode_t mode)
{
	const char *name;
	scoped(closep) int folder = parent(path, &name);

	return folder < 0 ? folder : create_in(folder, name, mode);
}

int place_write(const char *path, const void *data, size_t len, mode_t mode)
{
	const char *name;
	scoped(closep) int folder = parent(path, &name);
	scoped(closep) int fd = folder < 0 ? -1 : create_in(folder, name, mode);
	int r;

	if (folder < 0)
		return folder;
	if (fd < 0)
		return fd;
	r = file_write_all(fd, data, len);
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	if (r < 0)
		unlinkat(folder, name, 0);
	return r;
}

static int copy_all(int to, int from)
{
	off_t at = 0;

	for (;;) {
		ssize_t n = sendfile(to, from, &at, 1 << 20);

		if (n == 0)
			return fsync(to) < 0 ? -errno : 0;
		if (n < 0 && errno != EINTR)
			return -errno;
	}
}

int place_copy(const char *path, int fd, mode_t mode)
{
	const char *name;
	scoped(closep) int folder = parent(path, &name);
	scoped(closep) int to = folder < 0 ? -1 : create_in(folder, name, mode);
	int r;

	if (folder < 0)
		return folder;
	if (to < 0)
		return to;
	r = copy_all(to, fd);
	if (r < 0)
		unlinkat(folder, name, 0);
	return r;
}

int place_mkdir(const char *path, mode_t mode)
{
	const char *name;
	scoped(closep) int folder = parent(path, &name);
	scoped(closep) int made = -1;

	if (folder < 0)
		return folder;
	if (mkdirat(folder, name, 0700) < 0)
		return -errno;
	made = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (made < 0 || fchmod(made, mode) < 0) {
		int r = -errno;

		unlinkat(folder, name, AT_REMOVEDIR);
		return r;
	}
	return 0;
}

int place_symlink(const char *path, const char *target)
{
	const char *name;
	scoped(closep) int folder = parent(path, &name);

	if (folder < 0)
		return folder;
	return symlinkat(target, folder, name) < 0 ? -errno : 0;
}

/* The folders of two paths, opened, and the names in them. */
struct pair {
	int from_folder, to_folder;
	const char *from, *to;
};

static void pair_close(struct pair *p)
{
	closep(&p->from_folder);
	closep(&p->to_folder);
}

static int pair_open(struct pair *p, const char *from, const char *to)
{
	p->from_folder = parent(from, &p->from);
	p->to_folder = parent(to, &p->to);
	return p->from_folder < 0 ? p->from_folder : p->to_folder < 0 ? p->to_folder : 0;
}

int place_move(const char *from, const char *to)
{
	scoped(pair_close) struct pair p;
	int r = pair_open(&p, from, to);

	if (r < 0)
		return r;
	/* Not every file system has RENAME_NOREPLACE; a hard link refuses to replace as well. */
	if (renameat2(p.from_folder, p.from, p.to_folder, p.to, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -errno;
	if (linkat(p.from_folder, p.from, p.to_folder, p.to, 0) < 0)
		return -errno;
	return unlinkat(p.from_folder, p.from, 0) < 0 ? -errno : 0;
}

int place_replace(const char *from, const char *to)
{
	scoped(pair_close) struct pair p;
	int r = pair_open(&p, from, to);

	if (r < 0)
		return r;
	return renameat(p.from_folder, p.from, p.to_folder, p.to) < 0 ? -errno : 0;
}

static int copy_as(const char *from, const char *to)
{
	scoped(closep) int fd = place_open(from);
	struct stat st;

	if (fd < 0)
		return fd;
	return fstat(fd, &st) < 0 ? -errno : place_copy(to, fd, st.st_mode & 07777);
}

int place_link(const char *from, const char *to)
{
	scoped(pair_close) struct pair p;
	int r = pair_open(&p, from, to);

	if (r < 0)
		return r;
	if (linkat(p.from_folder, p.from, p.to_folder, p.to, 0) == 0)
		return 0;
	if (errno != EPERM && errno != EMLINK && errno != EOPNOTSUPP)
		return -errno;
	return copy_as(from, to);
}

int place_sync(const char *path)
{
	scoped(closep) int folder = place_folder(path);

	if (folder < 0)
		return folder;
	return fsync(folder) < 0 ? -errno : 0;
}

/* ---- reading */

/* O_NONBLOCK: opening a FIFO must not wait for its other end. */
static int open_regular(int folder, const char *name, int flags, struct stat *ret)
{
	int fd = openat(folder, name, flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	int r = 0;

	if (fd < 0)
		return -errno;
	if (fstat(fd, ret) < 0)
		r = -errno;
	else if (!S_ISREG(ret->st_mode))
		r = -EINVAL;
	if (r < 0)
		close(fd);
	return r < 0 ? r : fd;
}

int place_open(const char *path)
{
	const char *name;
	struct stat st;
	scoped(closep) int folder = parent(path, &name);

	return folder < 0 ? folder : open_regular(folder, name, O_RDONLY, &st);
}

ssize_t place_read(const char *path, char *ret, size_t size)
{
	const char *name;
	struct stat st;
	size_t len = 0;
	scoped(closep) int folder = parent(path, &name);
	scoped(closep) int fd = folder < 0 ? folder : open_regular(folder, name, O_RDONLY, &st);

	if (fd < 0)
		return fd;
	while (len < size) {
		ssize_t n = read(fd, ret + len, size - len);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 0) {
			ret[len] = '\0';
			return (ssize_t)len;
		}
		if (n > 0)
			len += (size_t)n;
	}
	return -EFBIG;
}

/* ---- removing */

/* Nothing there, nor a folder where it could be, is as good as removed. */
static bool is_nowhere(int r)
{
	return r == -ENOENT || r == -ENOTDIR || r == -ELOOP;
}

static int removed(int result)
{
	if (result == 0 || is_nowhere(-errno))
		return 0;
	return errno == EEXIST ? -ENOTEMPTY : -errno;
}

static int remove_at(const char *path, int flags)
{
	const char *name;
	scoped(closep) int folder = parent(path, &name);

	if (folder < 0)
		return is_nowhere(folder) ? 0 : folder;
	return removed(unlinkat(folder, name, flags));
}

int place_remove(const char *path)
{
	return remove_at(path, 0);
}

int place_remove_folder(const char *path)
{
	return remove_at(path, AT_REMOVEDIR);
}

/* Overwriting is a best effort: a file system may write elsewhere. Another hard link would be the
 * same file under a name that isn't ours, so such a file is only unlinked. One that its owner has
 * made to look endless doesn't fill the disk. */
static void overwrite(int folder, const char *name)
{
	static const char zeros[512];
	struct stat st;
	scoped(closep) int fd = open_regular(folder, name, O_WRONLY, &st);

	if (fd < 0 || st.st_nlink != 1)
		return;
	for (off_t at = 0; at < st.st_size && at < WIPE_MAX; at += (off_t)sizeof zeros) {
		off_t left = st.st_size - at;
		size_t len = left < (off_t)sizeof zeros ? (size_t)left : sizeof zeros;

		if (pwrite(fd, zeros, len, at) < 0)
			return;
	}
}

/* A folder whose owner may be anybody, in one that root alone changes. */
static int open_foreign(const char *path)
{
	const char *name;
	scoped(closep) int folder = parent(path, &name);
	int fd;

	if (folder < 0)
		return folder;
	fd = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int place_wipe_in(const char *path, const char *name)
{
	scoped(closep) int folder = open_foreign(path);

	if (folder < 0)
		return is_nowhere(folder) ? 0 : folder;
	overwrite(folder, name);
	return removed(unlinkat(folder, name, 0));
}

int place_look_in(const char *path, const char *name, struct stat *ret)
{
	scoped(closep) int folder = open_foreign(path);

	if (folder < 0)
		return folder;
	return fstatat(folder, name, ret, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

int place_write_in(const char *path, const char *name, const void *data, size_t len, mode_t mode)
{
	struct stat st;
	scoped(closep) int folder = open_foreign(path);
	scoped(closep) int fd = folder < 0 ? folder : create_in(folder, name, mode);
	int r;

	if (fd < 0)
		return fd;
	r = fstat(folder, &st) < 0 || fchown(fd, st.st_uid, st.st_gid) < 0 ? -errno : 0;
	if (r == 0)
		r = file_write_all(fd, data, len);
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	if (r < 0)
		unlinkat(folder, name, 0);
	return r;
}

int place_claim_in(const char *path, const char *name)
{
	struct stat st;
	scoped(closep) int folder = open_foreign(path);
	scoped(closep) int fd = folder < 0 ? folder : open_regular(folder, name, O_RDONLY, &st);

	if (fd < 0)
		return fd;
	if (st.st_nlink != 1)
		return -EMLINK;
	if (fchown(fd, 0, 0) < 0 || fchmod(fd, S_IRUSR | S_IWUSR) < 0)
		return -errno;
	return 0;
}

static int empty_folder(int folder, dev_t device, unsigned depth);

static int remove_entry(int folder, const char *name, dev_t device, unsigned depth)
{
	scoped(closep) int below = -1;
	struct stat st;
	int r;

	below = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (below < 0)
		return removed(unlinkat(folder, name, 0));
	if (fstat(below, &st) < 0)
		return -errno;
	if (st.st_dev != device || depth == 0)
		return -EXDEV;
	r = empty_folder(below, device, depth - 1);
	return r < 0 ? r : removed(unlinkat(folder, name, AT_REMOVEDIR));
}

static int empty_folder(int folder, dev_t device, unsigned depth)
{
	int copy = fcntl(folder, F_DUPFD_CLOEXEC, 0);
	DIR *entries = copy < 0 ? NULL : fdopendir(copy);
	int r = 0;

	if (!entries) {
		closep(&copy);
		return -errno;
	}
	for (struct dirent *e = readdir(entries); e && r == 0; e = readdir(entries))
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			r = remove_entry(folder, e->d_name, device, depth);
	closedir(entries);
	return r;
}

int place_remove_tree(const char *path)
{
	const char *name;
	struct stat st;
	scoped(closep) int folder = parent(path, &name);

	if (folder < 0)
		return is_nowhere(folder) ? 0 : folder;
	if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return removed(-1);
	return remove_entry(folder, name, st.st_dev, DEPTH_MAX);
}

/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>

#include "enrol/journal.h"
#include "enrol/paths.h"
#include "enrol/place.h"
#include "enrol/unit.h"
#include "lib/buffer.h"

#define JOURNAL_SIZE 65536

static int make_again(const char *path)
{
	int r = place_mkdir(path, 0755);

	return r == -EEXIST ? 0 : r;
}

static int wipe(const char *path)
{
	char folder[256];
	const char *name = strrchr(path, '/');

	if (!name || (size_t)(name - path) >= sizeof folder)
		return -EINVAL;
	memcpy(folder, path, (size_t)(name - path));
	folder[name - path] = '\0';
	return place_wipe_in(folder, name + 1);
}

static int remove_if_empty(const char *path)
{
	int r = place_remove_folder(path);

	return r == -ENOTEMPTY ? 0 : r;
}

/* The former file is the same one, under another name, as long as it has not been replaced: then
 * there is nothing that rename() would do. */
static int put_back(const char *value)
{
	char former[128], folder[128];
	const char *path = strchr(value, ' ');
	struct stat st;
	int r;

	if (!path || path[1] != '/' || (size_t)(path - value) >= sizeof former)
		return -EINVAL;
	snprintf(former, sizeof former, "%.*s", (int)(path - value), value);
	path++;
	r = place_look(former, &st);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	r = place_replace(former, path);
	snprintf(folder, sizeof folder, "%.*s", (int)(strrchr(path, '/') - path), path);
	return r < 0 ? r : place_sync(folder);
}

static int restart(const char *units)
{
	char said[UNIT_SAID_SIZE];

	return unit_restart(units, said);
}

/* undo is NULL for a mark, which changes nothing by itself. */
static const struct {
	const char *name;
	int (*undo)(const char *value);
} kinds[] = {
	[JOURNAL_FILE_MADE] = { "file", place_remove },
	[JOURNAL_KEY_MADE] = { "key", wipe },
	[JOURNAL_FOLDER_MADE] = { "folder", remove_if_empty },
	[JOURNAL_TREE_MADE] = { "tree", place_remove_tree },
	[JOURNAL_FOLDER_KEPT] = { "kept", make_again },
	[JOURNAL_UNIT] = { "unit", unit_stop },
	[JOURNAL_RELOAD] = { "reload", unit_reload },
	[JOURNAL_RESTART] = { "restart", restart },
	[JOURNAL_REPLACED] = { "replaced", put_back },
	[JOURNAL_SENT] = { "sent", NULL },
	[JOURNAL_CLIENT] = { "client", NULL },
	[JOURNAL_READY] = { "ready", NULL },
	[JOURNAL_UPDATE] = { "update", NULL },
	[JOURNAL_RELEASE] = { "release", NULL },
	[JOURNAL_SWAPPED] = { "swapped", NULL },
	[JOURNAL_PROVED] = { "proved", NULL },
};

/* ---- reading what is there */

static void forget(struct journal *j)
{
	for (size_t i = 0; i < j->count; i++)
		free(j->entries[i].value);
	j->count = 0;
	j->synced = 0;
	j->whole = 0;
}

static int add(struct journal *j, const char *step, enum journal_kind kind, const char *value)
{
	if (j->count == JOURNAL_MAX)
		return -E2BIG;
	j->entries[j->count] = (struct journal_entry){ step, kind, strdup(value) };
	if (!j->entries[j->count].value)
		return -ENOMEM;
	j->count++;
	return 0;
}

static int read_line(struct journal *j, char *line)
{
	/* The table's own strings, which outlive the text. */
	static const char *const steps[] = { "fetch", "enrol", "install", "start" };
	char *step = strsep(&line, " "), *kind = strsep(&line, " ");

	if (!line)
		return -EBADMSG;
	for (size_t s = 0; s < COUNT(steps); s++)
		for (size_t k = 0; k < COUNT(kinds); k++)
			if (strcmp(step, steps[s]) == 0 && strcmp(kind, kinds[k].name) == 0)
				return add(j, steps[s], (enum journal_kind)k, line);
	return -EBADMSG;
}

/* A last line without its end was never synced, so its change was never made. */
static int load(struct journal *j)
{
	scoped(freep) char *text = malloc(JOURNAL_SIZE);
	ssize_t len;
	int r = 0;

	if (!text)
		return -ENOMEM;
	len = place_read(JOURNAL_FILE, text, JOURNAL_SIZE);
	if (len < 0)
		return len == -ENOENT ? 0 : (int)len;
	char *at = text, *end = strchr(at, '\n');

	for (; end && r == 0; end = strchr(at, '\n')) {
		*end = '\0';
		r = read_line(j, at);
		at = end + 1;
	}
	j->synced = j->count;
	j->whole = (size_t)(at - text);
	return r;
}

/* ---- the folder and its lock */

/* A link would be followed if root made it; here nothing but the folder will do. */
static int open_folder(void)
{
	int fd = place_folder(JOURNAL_FOLDER);
	struct stat st;
	int r = place_look(JOURNAL_FOLDER, &st);

	if (fd == -ENOENT && r == 0)
		return -ENOTDIR; /* a link to nowhere */
	if (fd < 0)
		return fd;
	if (r == 0 && !S_ISDIR(st.st_mode))
		r = -ENOTDIR;
	if (r < 0)
		close(fd);
	return r < 0 ? r : fd;
}

/* What was made here goes again when it can't be opened. */
static int make_folder(void)
{
	int made = place_mkdir(JOURNAL_FOLDER, 0700);
	int fd;

	if (made < 0 && made != -EEXIST)
		return made;
	fd = open_folder();
	if (fd < 0 && made == 0 && place_remove_folder(JOURNAL_FOLDER) < 0)
		return -ENOTEMPTY;
	return fd;
}

/* The folder may have been removed by its holder between open() and flock(). */
static bool is_current(int fd)
{
	struct stat held, named;

	return fstat(fd, &held) == 0 && place_look(JOURNAL_FOLDER, &named) == 0 &&
	       held.st_ino == named.st_ino && held.st_dev == named.st_dev;
}

static int lock(bool make)
{
	for (;;) {
		int fd = open_folder();

		if (fd == -ENOENT && make)
			fd = make_folder();
		if (fd < 0)
			return fd;
		if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
			int r = errno == EWOULDBLOCK ? -EBUSY : -errno;

			close(fd);
			return r;
		}
		if (is_current(fd))
			return fd;
		close(fd);
	}
}

int journal_open(struct journal *j, bool make)
{
	int r;

	*j = (struct journal){ .folder = lock(make), .file = -1 };
	if (j->folder < 0) {
		r = j->folder;
		j->folder = -1;
		return r;
	}
	r = load(j);
	if (r < 0) {
		if (place_remove_folder(JOURNAL_FOLDER) == 0)
			forget(j); /* it was empty, or just made */
		journal_close(j);
	}
	return r;
}

bool journal_is_held(const struct journal *j)
{
	return j->folder >= 0;
}

void journal_close(struct journal *j)
{
	if (j->folder < 0)
		return;
	forget(j);
	closep(&j->file);
	closep(&j->folder);
	j->file = -1;
	j->folder = -1;
}

/* ---- writing */

int journal_note(struct journal *j, const char *step, enum journal_kind kind, const char *value)
{
	return add(j, step, kind, value);
}

static int open_file(struct journal *j)
{
	if (j->file >= 0)
		return 0;
	j->file = openat(j->folder, "journal",
		O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, S_IRUSR | S_IWUSR);
	return j->file < 0 ? -errno : 0;
}

/* One write() and one sync for all that is new, behind what is whole. */
int journal_sync(struct journal *j)
{
	struct buffer lines = {};
	int r = open_file(j);
	ssize_t n;

	for (size_t i = j->synced; i < j->count && r == 0; i++) {
		const struct journal_entry *e = &j->entries[i];

		r = buffer_printf(&lines, "%s %s %s\n", e->step, kinds[e->kind].name, e->value);
	}
	if (r == 0 && lines.len > 0) {
		n = ftruncate(j->file, (off_t)j->whole);
		n = n < 0 ? n : write(j->file, lines.data, lines.len);
		if (n < 0 || fdatasync(j->file) < 0)
			r = -errno;
		else if ((size_t)n < lines.len)
			r = -ENOSPC;
	}
	if (r == 0) {
		j->whole += lines.len;
		j->synced = j->count;
	}
	buffer_clear(&lines);
	return r;
}

int journal_note_now(struct journal *j, const char *step, enum journal_kind kind, const char *value)
{
	int r = journal_note(j, step, kind, value);

	return r < 0 ? r : journal_sync(j);
}

void journal_take_back(struct journal *j, const char *value)
{
	for (size_t i = 0; i < j->count; i++)
		if (strcmp(j->entries[i].value, value) == 0)
			j->entries[i].value[0] = '\0';
}

const char *journal_find(const struct journal *j, enum journal_kind kind)
{
	for (size_t i = j->count; i-- > 0;)
		if (j->entries[i].kind == kind)
			return j->entries[i].value;
	return NULL;
}

/* ---- undoing */

int journal_undo(struct journal *j, const char *step, const char **ret_failed)
{
	int done = 0, failure = 0;

	for (size_t i = j->count; i-- > 0;) {
		const struct journal_entry *e = &j->entries[i];
		int r;

		if (strcmp(e->step, step) != 0 || !kinds[e->kind].undo || !*e->value)
			continue;
		r = kinds[e->kind].undo(e->value);
		if (r >= 0) {
			done++;
		} else if (failure == 0) {
			failure = r;
			*ret_failed = e->value;
		}
	}
	return failure < 0 ? failure : done;
}

int journal_restart(struct journal *j)
{
	forget(j);
	closep(&j->file);
	j->file = -1;
	return place_remove(JOURNAL_FILE);
}

int journal_end(struct journal *j)
{
	static const char *const keys[] = { IDENTITY_NAME, TLS_NAME };
	int r;

	if (j->folder < 0)
		return 0;
	/* The journal first: without it the rest is nothing that a later run would use. */
	r = place_remove(JOURNAL_FILE);
	for (size_t i = 0; i < COUNT(keys) && r == 0; i++)
		r = place_wipe_in(JOURNAL_FOLDER, keys[i]);
	if (r == 0)
		r = place_remove_tree(JOURNAL_FOLDER);
	journal_close(j);
	return r;
}

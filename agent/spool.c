/* SPDX-License-Identifier: MIT */
#include "agent/spool.h"

#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/record.h"
#include "lib/secret.h"

#define SEGMENT_SIZE (256u * 1024) /* a file that has reached it gets no more records */
#define KEPT_FILES   2

struct segment {
	uint64_t start; /* its first record's number */
	uint64_t size;  /* bytes of whole records, synced */
};

struct spool {
	int folder, last_fd, acked_fd;
	int read_fd;
	uint64_t read_start; /* of read_fd */
	uint8_t id[MSG_SPOOL_SIZE];
	struct segment *segments; /* by number */
	size_t count;
	uint64_t last, stored, acked; /* numbers: written, synced, acknowledged */
	uint64_t tail;                /* bytes of the last file, written */
	uint64_t bytes;               /* of what is synced and not acknowledged */
	uint64_t fresh;               /* bytes written, not synced */
	bool new_file;                /* the folder is to be synced too */
	bool broken;
	uint8_t keys[SPOOL_KEYS][SPOOL_KEY_SIZE]; /* a ring, by number */
};

static struct segment *newest(struct spool *s)
{
	return s->count > 0 ? &s->segments[s->count - 1] : NULL;
}

static void name_of(uint64_t start, char ret[static 32])
{
	(void)snprintf(ret, 32, "%016llx.log", (unsigned long long)start);
}

static int open_file(const struct spool *s, uint64_t start, int flags)
{
	char name[32];
	int fd;

	name_of(start, name);
	fd = openat(s->folder, name, flags | O_CLOEXEC | O_NOFOLLOW, 0600);
	return fd < 0 ? -errno : fd;
}

/* ---------------------------------------------------------------- opening */

static int by_start(const void *a, const void *b)
{
	uint64_t x = ((const struct segment *)a)->start, y = ((const struct segment *)b)->start;

	return x < y ? -1 : x > y;
}

static int add_segment(struct spool *s, uint64_t start)
{
	struct segment *more = realloc(s->segments, (s->count + 1) * sizeof *more);

	if (!more)
		return -ENOMEM;
	s->segments = more;
	s->segments[s->count++] = (struct segment){ .start = start };
	return 0;
}

static int list_files(struct spool *s)
{
	int fd = openat(s->folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	int r = 0;

	if (!dir) {
		r = -errno;
		closep(&fd);
		return r;
	}
	while (r == 0 && (entry = readdir(dir))) {
		unsigned long long start;
		char again[32];

		if (sscanf(entry->d_name, "%16llx.log", &start) != 1)
			continue;
		name_of(start, again);
		if (start > 0 && strcmp(again, entry->d_name) == 0)
			r = add_segment(s, start);
	}
	(void)closedir(dir);
	if (s->count > 0)
		qsort(s->segments, s->count, sizeof *s->segments, by_start);
	return r;
}

static void remember(struct spool *s, uint64_t number, const uint8_t *key)
{
	memcpy(s->keys[number % SPOOL_KEYS], key, SPOOL_KEY_SIZE);
}

/* Goes through a file: what is in it, and how far it is whole. 1: not to its end. */
static int scan(struct spool *s, struct segment *g)
{
	scoped(closep) int fd = open_file(s, g->start, O_RDONLY);
	struct buffer bytes = {};
	uint8_t key[SPOOL_KEY_SIZE];
	struct msg m;
	ssize_t n = fd;

	while (n >= 0 && (n = record_read(fd, g->size, &bytes, key, &m)) > 0) {
		if (m.number <= s->last || (g->size == 0 && m.number != g->start)) {
			n = -EBADMSG;
			break;
		}
		s->last = m.number;
		g->size += (uint64_t)n;
		if (m.number > s->acked)
			s->bytes += (uint64_t)n;
		remember(s, m.number, key);
	}
	buffer_clear(&bytes);
	return n == -EBADMSG ? 1 : (int)n;
}

/* Behind what is whole nothing may follow. */
static int open_last(struct spool *s)
{
	struct segment *g = newest(s);

	if (!g)
		return 0;
	s->last_fd = open_file(s, g->start, O_RDWR);
	if (s->last_fd < 0)
		return s->last_fd;
	s->tail = g->size;
	if (ftruncate(s->last_fd, (off_t)g->size) < 0 || fdatasync(s->last_fd) < 0)
		return -errno;
	return 0;
}

/* 16 bytes: a number and its complement, so that garbage isn't taken for one. */
static void read_acked(struct spool *s)
{
	uint64_t pair[2];

	if (file_read_at(s->acked_fd, pair, sizeof pair, 0) == (ssize_t)sizeof pair &&
		pair[0] == ~pair[1])
		s->acked = be64toh(pair[0]);
}

static int open_id(struct spool *s)
{
	scoped(closep) int fd =
		openat(s->folder, "id", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	ssize_t n = fd < 0 ? -errno : file_read_at(fd, s->id, sizeof s->id, 0);

	if (n < 0)
		return (int)n;
	if (n == sizeof s->id)
		return 0;
	/* Nothing has been sent under an id that was not synced. */
	random_bytes(s->id, sizeof s->id);
	n = file_write_at(fd, s->id, sizeof s->id, 0);
	return n < 0 ? (int)n : fsync(fd) < 0 ? -errno : 0;
}

static int open_folder(struct spool *s, const char *folder)
{
	if (mkdir(folder, 0700) < 0 && errno != EEXIST)
		return -errno;
	s->folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (s->folder < 0)
		return -errno;
	s->acked_fd = openat(s->folder, "acked", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	return s->acked_fd < 0 ? -errno : 0;
}

static int load(struct spool *s, const char *folder, unsigned *ret_damaged)
{
	int r = open_folder(s, folder);

	if (r == 0)
		r = open_id(s);
	if (r == 0)
		r = list_files(s);
	if (r == 0)
		read_acked(s);
	for (size_t i = 0; r >= 0 && i < s->count; i++) {
		r = scan(s, &s->segments[i]);
		*ret_damaged += r > 0;
	}
	if (r >= 0)
		r = open_last(s);
	if (r >= 0 && fsync(s->folder) < 0)
		r = -errno;
	if (s->last < s->acked) /* numbers are never given twice */
		s->last = s->acked;
	if (newest(s) && s->last < newest(s)->start - 1) /* of files that are damaged */
		s->last = newest(s)->start - 1;
	s->stored = s->last;
	return r < 0 ? r : 0;
}

int spool_open(const char *folder, struct spool **ret, unsigned *ret_damaged)
{
	struct spool *s = calloc(1, sizeof *s);
	int r;

	if (!s)
		return -ENOMEM;
	s->folder = s->last_fd = s->acked_fd = s->read_fd = -1;
	*ret_damaged = 0;
	r = load(s, folder, ret_damaged);
	if (r < 0) {
		spool_free(s);
		return r;
	}
	*ret = s;
	return 0;
}

/* The id first and the mark last: wherever it is cut off, no number of this spool's is given again. */
void spool_sweep(struct spool *s)
{
	char name[32];

	if (s->last != s->acked || (unlinkat(s->folder, "id", 0) < 0 && errno != ENOENT))
		return;
	for (size_t i = 0; i < s->count; i++) {
		name_of(s->segments[i].start, name);
		if (unlinkat(s->folder, name, 0) < 0 && errno != ENOENT)
			return;
	}
	(void)unlinkat(s->folder, "acked", 0);
}

struct spool *spool_free(struct spool *s)
{
	if (!s)
		return NULL;
	closep(&s->folder);
	closep(&s->last_fd);
	closep(&s->acked_fd);
	closep(&s->read_fd);
	free(s->segments);
	free(s);
	return NULL;
}

const uint8_t *spool_id(const struct spool *s)
{
	return s->id;
}

uint64_t spool_count(const struct spool *s)
{
	return s->last - s->acked;
}

uint64_t spool_bytes(const struct spool *s)
{
	return s->bytes + s->fresh;
}

bool spool_knows(const struct spool *s, const uint8_t key[static SPOOL_KEY_SIZE])
{
	for (size_t i = 0; i < SPOOL_KEYS; i++)
		if (memcmp(s->keys[i], key, SPOOL_KEY_SIZE) == 0)
			return true;
	return false;
}

/* ---------------------------------------------------------------- writing */

/* One that was damaged from its start on is empty now, and its name isn't of the next number. */
static bool has_room(struct spool *s)
{
	const struct segment *g = newest(s);

	return g && s->tail < SEGMENT_SIZE && (s->tail > 0 || g->start == s->last + 1);
}

static int roll(struct spool *s)
{
	int fd, r;

	if (has_room(s))
		return 0;
	if (s->fresh > 0) { /* what is in the old file must be synced by its own descriptor */
		r = spool_sync(s);
		if (r < 0)
			return r;
	}
	fd = open_file(s, s->last + 1, O_RDWR | O_CREAT | O_TRUNC);
	if (fd < 0)
		return fd;
	r = add_segment(s, s->last + 1);
	if (r < 0) {
		closep(&fd);
		return r;
	}
	closep(&s->last_fd);
	s->last_fd = fd;
	s->tail = 0;
	s->new_file = true;
	return 0;
}

/* Back to what is synced. */
static void take_back(struct spool *s)
{
	struct segment *g = newest(s);

	if (g && ftruncate(s->last_fd, (off_t)g->size) < 0)
		s->broken = true;
	for (uint64_t n = s->stored + 1; n <= s->last; n++)
		memset(s->keys[n % SPOOL_KEYS], 0, SPOOL_KEY_SIZE);
	s->tail = g ? g->size : 0;
	s->last = s->stored;
	s->fresh = 0;
}

int spool_add(struct spool *s, const uint8_t key[static SPOOL_KEY_SIZE], const struct msg *m)
{
	uint8_t *record;
	ssize_t len;
	int r = s->broken ? -EIO : roll(s);

	if (r < 0)
		return r;
	record = malloc(RECORD_MAX);
	if (!record)
		return -ENOMEM;
	len = record_encode(m, key, s->last + 1, record, RECORD_MAX);
	r = len < 0 ? (int)len : file_write_at(s->last_fd, record, (size_t)len, s->tail);
	free(record);
	if (r < 0) /* what a write has left behind the end is overwritten or cut off */
		return r;
	s->last++;
	s->tail += (uint64_t)len;
	s->fresh += (uint64_t)len;
	remember(s, s->last, key);
	return 0;
}

int spool_sync(struct spool *s)
{
	int r = s->broken ? -EIO : 0;

	if (s->stored == s->last)
		return 0;
	if (r == 0 && fdatasync(s->last_fd) < 0)
		r = -errno;
	if (r == 0 && s->new_file && fsync(s->folder) < 0)
		r = -errno;
	if (r < 0) {
		take_back(s);
		return r;
	}
	s->new_file = false;
	newest(s)->size = s->tail;
	s->bytes += s->fresh;
	s->fresh = 0;
	s->stored = s->last;
	return 0;
}

/* ---------------------------------------------------------------- reading */

/* The file, by index, in which the record behind that number is. */
static size_t file_of(const struct spool *s, uint64_t from)
{
	size_t i = s->count;

	while (i > 1 && s->segments[i - 1].start > from + 1)
		i--;
	return i > 0 ? i - 1 : 0;
}

static int open_for_reading(struct spool *s, uint64_t start)
{
	if (s->read_fd >= 0 && s->read_start == start)
		return 0;
	closep(&s->read_fd);
	s->read_fd = open_file(s, start, O_RDONLY);
	s->read_start = start;
	return s->read_fd < 0 ? s->read_fd : 0;
}

int spool_next(struct spool *s, struct spool_cursor *c, struct buffer *bytes, struct msg *ret,
	uint64_t *ret_size)
{
	uint64_t from = c->number > s->acked ? c->number : s->acked;
	uint8_t key[SPOOL_KEY_SIZE];
	ssize_t n;

	if (from >= s->stored)
		return 0;
	for (size_t i = file_of(s, from); i < s->count; i++) {
		const struct segment *g = &s->segments[i];
		int r = open_for_reading(s, g->start);

		if (r < 0)
			return r;
		if (c->start != g->start)
			*c = (struct spool_cursor){ .number = c->number, .start = g->start };
		while (c->offset < g->size) {
			n = record_read(s->read_fd, c->offset, bytes, key, ret);
			if (n <= 0)
				return n < 0 ? (int)n : -EBADMSG;
			c->offset += (uint64_t)n;
			if (ret->number <= from)
				continue;
			c->number = ret->number;
			memcpy(ret->spool, s->id, sizeof ret->spool);
			*ret_size = (uint64_t)n;
			return 1;
		}
	}
	return 0;
}

/* ---------------------------------------------------------------- acknowledged */

/* Files of which all is acknowledged, but for the newest. */
static void drop_files(struct spool *s)
{
	size_t n = 0;
	char name[32];

	while (s->count - n > KEPT_FILES && s->segments[n + 1].start <= s->acked + 1) {
		name_of(s->segments[n].start, name);
		if (unlinkat(s->folder, name, 0) < 0 && errno != ENOENT)
			break;
		n++;
	}
	s->count -= n;
	if (n > 0)
		memmove(s->segments, s->segments + n, s->count * sizeof *s->segments);
}

/* The mark isn't synced: were it lost, the server would know the messages again. */
void spool_acked(struct spool *s, uint64_t number, uint64_t size)
{
	uint64_t pair[2];

	if (number <= s->acked || number > s->stored)
		return;
	s->acked = number;
	s->bytes -= size < s->bytes ? size : s->bytes;
	if (s->acked == s->stored)
		s->bytes = 0;
	pair[0] = htobe64(number);
	pair[1] = ~pair[0];
	if (file_write_at(s->acked_fd, pair, sizeof pair, 0) == 0)
		drop_files(s);
}

/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "agent/outbox.h"

/* The spool's own removals, of which only so many happen: the rest is cut off by a kill. */
static unsigned removals = UINT_MAX;

int unlinkat(int folder, const char *name, int flags)
{
	if (removals == 0) {
		errno = EIO;
		return -1;
	}
	removals -= removals != UINT_MAX;
	return (int)syscall(SYS_unlinkat, folder, name, flags);
}

struct place {
	char folder[64], spool[80];
	struct spool *s;
	struct spool_cursor cursor;
	struct buffer text;
};

static void begin(struct place *p)
{
	unsigned damaged;

	(void)snprintf(p->folder, sizeof p->folder, "/tmp/agent-spool-XXXXXX");
	assert_non_null(mkdtemp(p->folder));
	(void)snprintf(p->spool, sizeof p->spool, "%s/spool", p->folder);
	assert_int_equal(spool_open(p->spool, &p->s, &damaged), 0);
	assert_int_equal(damaged, 0);
}

static unsigned again(struct place *p)
{
	unsigned damaged;

	p->s = spool_free(p->s);
	p->cursor = (struct spool_cursor){};
	assert_int_equal(spool_open(p->spool, &p->s, &damaged), 0);
	return damaged;
}

static size_t files_of(struct place *p, bool remove)
{
	DIR *dir = opendir(p->spool);
	struct dirent *e;
	size_t logs = 0;

	assert_non_null(dir);
	while ((e = readdir(dir))) {
		logs += strstr(e->d_name, ".log") != NULL;
		if (remove && e->d_name[0] != '.')
			assert_int_equal(unlinkat(dirfd(dir), e->d_name, 0), 0);
	}
	(void)closedir(dir);
	return logs;
}

static void end(struct place *p)
{
	p->s = spool_free(p->s);
	buffer_clear(&p->text);
	(void)files_of(p, true);
	assert_int_equal(rmdir(p->spool), 0);
	assert_int_equal(rmdir(p->folder), 0);
}

static int add(struct place *p, uint64_t n, size_t len)
{
	uint8_t key[SPOOL_KEY_SIZE] = { 1 };
	char *text = malloc(len);
	struct msg m = { .time = n, .type = "test", .text = text, .len = len };
	int r;

	assert_non_null(text);
	memset(text, 'a' + (int)(n % 26), len);
	memcpy(key + 8, &n, sizeof n);
	r = spool_add(p->s, key, &m);
	free(text);
	return r;
}

static void add_all(struct place *p, uint64_t from, uint64_t to, size_t len)
{
	for (uint64_t n = from; n <= to; n++)
		assert_int_equal(add(p, n, len), 0);
	assert_int_equal(spool_sync(p->s), 0);
}

/* The next one is that one; what it takes. */
static uint64_t next_is(struct place *p, uint64_t n)
{
	struct msg m;
	uint64_t size;

	assert_int_equal(spool_next(p->s, &p->cursor, &p->text, &m, &size), 1);
	assert_int_equal(m.number, n);
	assert_int_equal(m.time, n);
	assert_string_equal(m.type, "test");
	assert_int_equal(m.text[0], 'a' + (int)(n % 26));
	assert_memory_equal(m.spool, spool_id(p->s), sizeof m.spool);
	return size;
}

static void no_next(struct place *p)
{
	struct msg m;
	uint64_t size;

	assert_int_equal(spool_next(p->s, &p->cursor, &p->text, &m, &size), 0);
}

static bool knows(struct place *p, uint64_t n)
{
	uint8_t key[SPOOL_KEY_SIZE] = { 1 };

	memcpy(key + 8, &n, sizeof n);
	return spool_knows(p->s, key);
}

/* The newest file. */
static int newest(struct place *p, uint64_t start)
{
	char path[128];
	int fd;

	(void)snprintf(path, sizeof path, "%s/%016llx.log", p->spool, (unsigned long long)start);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static void what_is_stored_is_read_in_order_also_after_a_restart(void **state)
{
	struct place p = {};
	uint8_t id[MSG_SPOOL_SIZE];

	(void)state;
	begin(&p);
	no_next(&p);
	memcpy(id, spool_id(p.s), sizeof id);
	add_all(&p, 1, 3, 100);
	for (uint64_t n = 1; n <= 3; n++)
		(void)next_is(&p, n);
	no_next(&p);
	assert_int_equal(again(&p), 0);
	assert_memory_equal(spool_id(p.s), id, sizeof id);
	assert_int_equal(spool_count(p.s), 3);
	add_all(&p, 4, 4, 100);
	for (uint64_t n = 1; n <= 4; n++)
		(void)next_is(&p, n);
	no_next(&p);
	end(&p);
}

static void what_is_not_synced_is_not_sent(void **state)
{
	struct place p = {};

	(void)state;
	begin(&p);
	assert_int_equal(add(&p, 1, 10), 0);
	no_next(&p);
	assert_int_equal(spool_sync(p.s), 0);
	(void)next_is(&p, 1);
	end(&p);
}

static void what_is_acknowledged_does_not_come_again(void **state)
{
	struct place p = {};
	uint64_t size;

	(void)state;
	begin(&p);
	add_all(&p, 1, 5, 50);
	size = next_is(&p, 1) + next_is(&p, 2);
	spool_acked(p.s, 2, size);
	assert_int_equal(spool_count(p.s), 3);
	assert_int_equal(spool_bytes(p.s), 3 * size / 2);
	assert_int_equal(again(&p), 0);
	assert_int_equal(spool_count(p.s), 3);
	assert_int_equal(spool_bytes(p.s), 3 * size / 2);
	(void)next_is(&p, 3);
	spool_acked(p.s, 99, 1); /* never given */
	spool_acked(p.s, 1, 1);  /* long ago */
	assert_int_equal(spool_count(p.s), 3);
	end(&p);
}

static void numbers_go_on_when_all_is_acknowledged(void **state)
{
	struct place p = {};

	(void)state;
	begin(&p);
	add_all(&p, 1, 4, 50);
	spool_acked(p.s, 4, 0);
	assert_int_equal(spool_bytes(p.s), 0);
	assert_int_equal(again(&p), 0);
	add_all(&p, 5, 5, 50);
	(void)next_is(&p, 5);
	end(&p);
}

static void a_message_given_again_is_known(void **state)
{
	struct place p = {};

	(void)state;
	begin(&p);
	assert_false(knows(&p, 1));
	add_all(&p, 1, 2, 50);
	spool_acked(p.s, 2, 0);
	assert_true(knows(&p, 1) && knows(&p, 2) && !knows(&p, 3));
	(void)again(&p);
	assert_true(knows(&p, 1) && knows(&p, 2) && !knows(&p, 3));
	end(&p);
}

static void acknowledged_files_go_but_for_the_newest(void **state)
{
	struct place p = {};
	uint64_t size = 0;

	(void)state;
	begin(&p);
	add_all(&p, 1, 40, 60000);
	assert_true(files_of(&p, false) >= 8);
	for (uint64_t n = 1; n <= 40; n++)
		size += next_is(&p, n);
	assert_int_equal(spool_bytes(p.s), size);
	spool_acked(p.s, 40, size);
	assert_int_equal(files_of(&p, false), 2);
	assert_int_equal(spool_count(p.s), 0);
	add_all(&p, 41, 60, 60000);
	for (uint64_t n = 41; n <= 60; n++)
		(void)next_is(&p, n);
	assert_int_equal(again(&p), 0);
	(void)next_is(&p, 41);
	end(&p);
}

/* A loss of power: the end of the file is torn anywhere, or was never written. */
static void a_torn_end_is_cut_off_at_every_byte(void **state)
{
	struct place p = {};
	uint64_t size;

	(void)state;
	begin(&p);
	add_all(&p, 1, 2, 30);
	size = next_is(&p, 1);
	for (uint64_t left = 2 * size - 1; left > size; left--) {
		int fd = newest(&p, 1);

		assert_int_equal(ftruncate(fd, (off_t)left), 0);
		closep(&fd);
		assert_int_equal(again(&p), 1);
		assert_int_equal(spool_count(p.s), 1);
		(void)next_is(&p, 1);
		no_next(&p);
		add_all(&p, 2, 2, 30);
		(void)next_is(&p, 2);
	}
	end(&p);
}

static void a_changed_byte_is_noticed(void **state)
{
	struct place p = {};
	uint64_t size;

	(void)state;
	begin(&p);
	add_all(&p, 1, 2, 30);
	size = next_is(&p, 1);
	for (uint64_t at = size; at < 2 * size; at++) {
		int fd = newest(&p, 1);
		uint8_t byte;

		assert_int_equal(pread(fd, &byte, 1, (off_t)at), 1);
		byte ^= 1;
		assert_int_equal(pwrite(fd, &byte, 1, (off_t)at), 1);
		closep(&fd);
		assert_int_equal(again(&p), 1);
		assert_int_equal(spool_count(p.s), 1);
		add_all(&p, 2, 2, 30);
	}
	end(&p);
}

static void a_lost_mark_only_sends_again(void **state)
{
	struct place p = {};
	char path[128];

	(void)state;
	begin(&p);
	add_all(&p, 1, 3, 30);
	spool_acked(p.s, 2, 0);
	(void)snprintf(path, sizeof path, "%s/acked", p.spool);
	assert_int_equal(truncate(path, 7), 0);
	assert_int_equal(again(&p), 0);
	(void)next_is(&p, 1);
	end(&p);
}

/* By spool and number the server knows what it has stored: neither is used for another message. */
static void a_sweep_that_is_cut_off_gives_no_number_again(void **state)
{
	for (unsigned n = 0; n <= 3; n++) {
		struct place p = {};
		uint8_t id[MSG_SPOOL_SIZE];
		struct msg m;
		uint64_t size;

		(void)state;
		begin(&p);
		add_all(&p, 1, 2, 30);
		memcpy(id, spool_id(p.s), sizeof id);
		size = next_is(&p, 1);
		size += next_is(&p, 2);
		spool_acked(p.s, 2, size);
		removals = n;
		spool_sweep(p.s);
		removals = UINT_MAX;
		assert_int_equal(again(&p), 0);
		assert_int_equal(spool_count(p.s), 0);
		add_all(&p, 7, 7, 30);
		assert_int_equal(spool_next(p.s, &p.cursor, &p.text, &m, &size), 1);
		assert_true(m.number > 2 || memcmp(m.spool, id, sizeof id) != 0);
		end(&p);
	}
}

static size_t damage(struct place *p, uint64_t start)
{
	int fd = newest(p, start);

	assert_int_equal(pwrite(fd, "\xff\xff", 2, 30), 2);
	closep(&fd);
	return again(p);
}

/* What was in it is lost, and nothing else is: neither what comes after it, nor a number. */
static void what_is_stored_after_a_damage_survives_the_next_start(void **state)
{
	struct place p = {};
	struct msg m;
	uint64_t size;

	(void)state;
	begin(&p);
	add_all(&p, 1, 2, 30);
	size = next_is(&p, 1);
	size += next_is(&p, 2);
	spool_acked(p.s, 2, size);
	assert_int_equal(damage(&p, 1), 1);
	add_all(&p, 3, 3, 30);
	assert_int_equal(again(&p), 0);
	assert_int_equal(spool_count(p.s), 1);
	assert_int_equal(spool_next(p.s, &p.cursor, &p.text, &m, &size), 1);
	assert_int_equal(m.time, 3);
	assert_true(m.number > 2);
	end(&p);
}

static int count_sent(void *userdata, const void *body, size_t len, uint64_t *ret_sequence)
{
	unsigned *sent = userdata;

	(void)body, (void)len;
	*ret_sequence = ++*sent;
	return 0;
}

/* What else the connection is for goes on: the agent lives without a spool that can't be read. */
static void a_message_that_can_not_be_read_ends_no_connection(void **state)
{
	struct place p = {};
	struct outbox *o = NULL;
	unsigned sent = 0;
	uint64_t size;
	int fd;

	(void)state;
	begin(&p);
	add_all(&p, 1, 3, 30);
	size = next_is(&p, 1);
	fd = newest(&p, 1);
	assert_int_equal(pwrite(fd, "\xff", 1, (off_t)size + 30), 1);
	closep(&fd);
	assert_int_equal(outbox_new(p.s, count_sent, &sent, &o), 0);
	outbox_open(o);
	assert_int_equal(outbox_pump(o), 0);
	assert_int_equal(sent, 1);
	assert_true(outbox_acked(o, 1));
	assert_int_equal(outbox_pump(o), 0);
	assert_int_equal(sent, 1);
	assert_int_equal(spool_count(p.s), 2);
	outbox_free(o);
	end(&p);
}

static void a_link_is_not_followed(void **state)
{
	struct place p = {};
	struct spool *s = NULL;
	char link[128];
	unsigned damaged;

	(void)state;
	begin(&p);
	(void)snprintf(link, sizeof link, "%s/link", p.folder);
	assert_int_equal(symlink("spool", link), 0);
	assert_int_equal(spool_open(link, &s, &damaged), -ENOTDIR);
	assert_null(s);
	assert_int_equal(unlink(link), 0);
	end(&p);
}

UNIT(it(what_is_stored_is_read_in_order_also_after_a_restart), it(what_is_not_synced_is_not_sent),
	it(what_is_acknowledged_does_not_come_again), it(numbers_go_on_when_all_is_acknowledged),
	it(a_message_given_again_is_known), it(acknowledged_files_go_but_for_the_newest),
	it(a_torn_end_is_cut_off_at_every_byte), it(a_changed_byte_is_noticed),
	it(a_lost_mark_only_sends_again), it(a_sweep_that_is_cut_off_gives_no_number_again),
	it(what_is_stored_after_a_damage_survives_the_next_start),
	it(a_message_that_can_not_be_read_ends_no_connection), it(a_link_is_not_followed))

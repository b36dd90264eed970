/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include <dirent.h>
#include <ftw.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

#include "agent/orders.h"
#include "lib/file.h"

/* The machine's clock, put off by so much, and its hooks. */
static time_t step;
static const char *hooked = "";

time_t time(time_t *ret)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	if (ret)
		*ret = now.tv_sec + step;
	return now.tv_sec + step;
}

int access(const char *path, int mode)
{
	if (strcmp(path, hooked) == 0)
		return 0;
	return (int)syscall(SYS_access, path, mode);
}

struct place {
	char root[64], state[96];
	sd_event *event;
	struct orders *orders;
	struct verdict last;
	uint64_t sequence;
	unsigned answers;
};

static void done(void *userdata, uint64_t sequence, const struct verdict *v)
{
	struct place *p = userdata;

	p->last = *v;
	p->sequence = sequence;
	p->answers++;
}

static void open_orders(struct place *p)
{
	assert_int_equal(orders_new(p->event, p->state, done, p, &p->orders), 0);
}

static void begin(struct place *p)
{
	*p = (struct place){ .root = "/tmp/muster-test-XXXXXX" };
	assert_non_null(mkdtemp(p->root));
	snprintf(p->state, sizeof p->state, "%s/state", p->root);
	assert_int_equal(mkdir(p->state, 0700), 0);
	assert_int_equal(sd_event_new(&p->event), 0);
	open_orders(p);
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *f)
{
	(void)st, (void)flag, (void)f;
	return remove(path);
}

static void end(struct place *p)
{
	orders_free(p->orders);
	sd_event_unref(p->event);
	assert_int_equal(nftw(p->root, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

/* The message's sequence number. */
static uint64_t give_bytes(struct place *p, const void *body, size_t len)
{
	static const uint8_t self[PUBLIC_KEY_SIZE], binding[BINDING_SIZE],
		signature[SIGNATURE_SIZE];
	uint8_t *bytes = calloc(1, CLIENT_ID_SIZE + 8 + len);
	struct message m = { .op = OP_CONFIG,
		.sequence = p->sequence + 1,
		.body = bytes + CLIENT_ID_SIZE + 8,
		.len = len,
		.signed_bytes = bytes,
		.signed_len = CLIENT_ID_SIZE + 8 + len,
		.signature = signature };

	memcpy(bytes + CLIENT_ID_SIZE + 8, body, len);
	orders_take(p->orders, &m, self, binding);
	free(bytes);
	return m.sequence;
}

static uint16_t take_bytes(struct place *p, const void *body, size_t len)
{
	unsigned before = p->answers;
	uint64_t sequence = give_bytes(p, body, len);

	assert_int_equal(p->answers, before + 1);
	assert_int_equal(p->sequence, sequence);
	return p->last.code;
}

static size_t order_of(const char *name, uint64_t revision, enum order_kind kind,
	const char *content, uint8_t ret[static 4096])
{
	struct config_order o = { .revision = revision, .number = 1, .kind = kind };

	snprintf(o.name, sizeof o.name, "%s", name);
	if (kind != ORDER_REMOVE) {
		o.content = (const uint8_t *)content;
		o.len = strlen(content);
		config_hash(content, o.len, o.hash);
	}
	return (size_t)config_order_encode(&o, ret, 4096);
}

static uint16_t take(struct place *p, const char *name, uint64_t revision, enum order_kind kind,
	const char *content)
{
	uint8_t body[4096];

	return take_bytes(p, body, order_of(name, revision, kind, content, body));
}

static void assert_content(struct place *p, const char *name, const char *content)
{
	char path[256], *text = NULL;
	size_t len;

	snprintf(path, sizeof path, "%s/config/%s", p->state, name);
	if (!content) {
		assert_int_equal(access(path, F_OK), -1);
		return;
	}
	assert_int_equal(file_read(path, 4096, &text, &len), 0);
	assert_string_equal(text, content);
	free(text);
}

static void a_revision_is_stored_and_remembered(void **state)
{
	struct place p;
	const struct holding *h;

	(void)state;
	begin(&p);
	assert_int_equal(take(&p, "web.conf", 1, ORDER_SET, "one"), 0);
	assert_string_equal(p.last.subject.name, "web.conf");
	assert_int_equal(p.last.subject.revision, 1);
	assert_int_equal(take(&p, "web.conf", 4, ORDER_SET, "four"), 0);
	assert_int_equal(take(&p, "empty", 1, ORDER_SET, ""), 0);
	assert_content(&p, "web.conf", "four");
	assert_content(&p, "empty", "");
	orders_free(p.orders);
	open_orders(&p);
	h = holdings_find(orders_holdings(p.orders), "web.conf");
	assert_int_equal(h->revision, 4);
	assert_int_equal(orders_holdings(p.orders)->count, 2);
	assert_int_equal(take(&p, "web.conf", 4, ORDER_REMOVE, NULL), 0);
	assert_content(&p, "web.conf", NULL);
	assert_int_equal(take(&p, "web.conf", 4, ORDER_REMOVE, NULL), 0); /* is gone already */
	assert_int_equal(orders_holdings(p.orders)->count, 1);
	end(&p);
}

static void an_older_revision_is_taken_only_if_meant(void **state)
{
	struct place p;

	(void)state;
	begin(&p);
	assert_int_equal(take(&p, "a", 5, ORDER_SET, "five"), 0);
	assert_int_equal(take(&p, "a", 4, ORDER_SET, "four"), NACK_OLDER);
	assert_int_equal(take(&p, "a", 4, ORDER_REMOVE, NULL), NACK_OLDER);
	assert_content(&p, "a", "five");
	assert_int_equal(take(&p, "a", 4, ORDER_RETURN, "four"), 0);
	assert_content(&p, "a", "four");
	end(&p);
}

static void a_content_that_is_not_of_its_hash_is_refused(void **state)
{
	struct config_order o = { "a", 1, 1, ORDER_SET, { 1 }, (const uint8_t *)"x", 1 };
	uint8_t body[256];
	struct place p;

	(void)state;
	begin(&p);
	assert_int_equal(take_bytes(&p, body, (size_t)config_order_encode(&o, body, sizeof body)),
		NACK_HASH);
	assert_content(&p, "a", NULL);
	assert_int_equal(orders_holdings(p.orders)->count, 0);
	end(&p);
}

static void what_was_changed_here_is_told_as_what_it_is(void **state)
{
	char path[256];
	uint8_t hash[CONFIG_HASH_SIZE];
	struct place p;

	(void)state;
	begin(&p);
	assert_int_equal(take(&p, "a", 5, ORDER_SET, "five"), 0);
	assert_int_equal(take(&p, "b", 1, ORDER_SET, "one"), 0);
	snprintf(path, sizeof path, "%s/config/a", p.state);
	assert_int_equal(file_write_atomic(path, "other", 5, 0600), 0);
	snprintf(path, sizeof path, "%s/config/b", p.state);
	assert_int_equal(unlink(path), 0);
	orders_free(p.orders);
	open_orders(&p);
	config_hash("other", 5, hash);
	assert_int_equal(orders_holdings(p.orders)->count, 1);
	assert_memory_equal(orders_holdings(p.orders)->of[0].hash, hash, sizeof hash);
	assert_int_equal(take(&p, "a", 5, ORDER_SET, "five"), 0);
	assert_content(&p, "a", "five");
	end(&p);
}

static void one_too_many_is_refused(void **state)
{
	char name[16];
	struct place p;

	(void)state;
	begin(&p);
	for (int i = 0; i < HOLDINGS_MAX; i++) {
		snprintf(name, sizeof name, "n%d", i);
		assert_int_equal(take(&p, name, 1, ORDER_SET, "x"), 0);
	}
	assert_int_equal(take(&p, "more", 1, ORDER_SET, "x"), NACK_FULL);
	assert_content(&p, "more", NULL);
	assert_int_equal(take(&p, "n5", 2, ORDER_SET, "y"), 0);
	end(&p);
}

static void what_can_not_be_stored_is_not_held(void **state)
{
	char path[256];
	struct place p;

	(void)state;
	begin(&p);
	snprintf(path, sizeof path, "%s/config", p.state);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof path, "%s/config/a", p.state);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(take(&p, "a", 1, ORDER_SET, "x"), NACK_STORAGE);
	assert_int_equal(orders_holdings(p.orders)->count, 0);
	end(&p);
}

/* ---- a hostile server: valid keys, wrong intent */

/* An order with any bytes as its name. */
static size_t hostile_order(
	uint8_t ret[4096], const void *name, size_t name_len, enum order_kind kind)
{
	struct writer w = writer_over(ret, 4096);
	uint8_t hash[CONFIG_HASH_SIZE] = {};
	bool sets = kind != ORDER_REMOVE;

	if (sets)
		config_hash("evil", 4, hash);
	write_u8(&w, 1);
	write_u8(&w, (uint8_t)kind);
	write_u64(&w, 1);
	write_u64(&w, 1);
	write_u8(&w, (uint8_t)name_len);
	write_bytes(&w, name, name_len);
	write_bytes(&w, hash, sizeof hash);
	write_u32(&w, sets ? 4 : 0);
	write_bytes(&w, "evil", sets ? 4 : 0);
	return (size_t)write_end(&w);
}

static unsigned files_seen;

static int count_file(const char *path, const struct stat *st, int flag, struct FTW *f)
{
	(void)path, (void)flag, (void)f;
	files_seen += S_ISDIR(st->st_mode) ? 1 : 1000;
	return 0;
}

/* Neither made nor removed anything: root, state, the victim in it. */
static void assert_untouched(const struct place *p)
{
	files_seen = 0;
	assert_int_equal(nftw(p->root, count_file, 16, FTW_PHYS), 0);
	assert_int_equal(files_seen, 1002);
}

static void no_name_leaves_the_folder(void **state)
{
	static const char *const ups[] = { "..", "../", "../x", "../../x", "./x", ".", "/", "//x",
		"/etc/passwd", "x/../y", "x/..", "a/b", "..\\x", "%2e%2e%2fx", "..%2fx", "%2e%2e/x",
		"..;/x", "..%c0%afx", "..%00/x", "~/x", "$HOME", "`x`", ".ssh", ".muster-x", "x/",
		"x//", "x/.", "-rf", "--", "*", "?", "x y", "x\ty", "x\ny", "x\r", "x\x7f", "CON",
		"X", "\xc0\xae\xc0\xae/x", "\xe2\x80\xae", "\xef\xbc\x8f", "\xff", "x:y", "x|y",
		"x;y", "x&y", "x'y", "x\"y", "x<y", "x>y", "{x}", "[x]", "proc/self/root",
		"../victim", "../holdings", "../identity.key", "../tls.pem" };
	static const char *const prefixes[] = { "", "a/", "./", "../", "/", "//", "a/../",
		"config/../" };
	uint8_t body[4096];
	char name[256], victim[128];
	unsigned tried = 0;
	struct place p;

	(void)state;
	begin(&p);
	snprintf(victim, sizeof victim, "%s/victim", p.state);
	assert_int_equal(file_write_atomic(victim, "mine", 4, 0600), 0);
	for (size_t i = 0; i < COUNT(ups); i++) {
		for (size_t j = 0; j < COUNT(prefixes); j++) {
			int len = snprintf(name, sizeof name, "%s%s", prefixes[j], ups[i]);

			for (int kind = ORDER_SET; kind <= ORDER_RETURN; kind++, tried++)
				assert_int_equal(take_bytes(&p, body,
							 hostile_order(body, name, (size_t)len,
								 (enum order_kind)kind)),
					NACK_MALFORMED);
		}
	}
	/* Every byte that a name may not have, anywhere in it; NUL among them; too long; empty. */
	for (unsigned byte = 0; byte < 256; byte++) {
		if (byte && strchr("abcdefghijklmnopqrstuvwxyz0123456789._-", (int)byte))
			continue;
		memcpy(name, "abc", 3);
		name[byte % 3] = (char)byte;
		assert_int_equal(take_bytes(&p, body, hostile_order(body, name, 3, ORDER_SET)),
			NACK_MALFORMED);
		tried++;
	}
	memset(name, 'a', sizeof name);
	for (size_t len = CONFIG_NAME_SIZE; len < 256; len++, tried++)
		assert_int_equal(take_bytes(&p, body, hostile_order(body, name, len, ORDER_SET)),
			NACK_MALFORMED);
	assert_int_equal(
		take_bytes(&p, body, hostile_order(body, "", 0, ORDER_SET)), NACK_MALFORMED);
	assert_true(tried > 1000);
	assert_untouched(&p);
	end(&p);
}

/* A name that is fine, where something has been put in the way by someone. */
static void no_link_is_followed(void **state)
{
	char target[128], path[128], *text = NULL;
	struct stat st;
	struct place p;
	size_t len;

	(void)state;
	begin(&p);
	snprintf(target, sizeof target, "%s/victim", p.root);
	assert_int_equal(file_write_atomic(target, "mine", 4, 0600), 0);
	snprintf(path, sizeof path, "%s/config", p.state);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof path, "%s/config/a", p.state);
	assert_int_equal(symlink(target, path), 0);
	assert_int_equal(take(&p, "a", 1, ORDER_SET, "evil"), 0);
	assert_int_equal(lstat(path, &st), 0);
	assert_true(S_ISREG(st.st_mode));
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink(target, path), 0);
	assert_int_equal(take(&p, "a", 1, ORDER_REMOVE, NULL), 0);
	assert_int_equal(file_read(target, 64, &text, &len), 0);
	assert_string_equal(text, "mine");
	free(text);
	end(&p);
}

/* Time synchronization comes late after a boot, and steps both ways. */
static void a_hook_is_waited_for_whatever_the_clock_is_put_to(void **state)
{
	static const time_t steps[] = { 86400, -86400 };
	struct place p;
	uint8_t body[4096];

	(void)state;
	hooked = "/etc/muster/apply.d/hooked";
	for (size_t i = 0; i < COUNT(steps); i++) {
		begin(&p);
		(void)give_bytes(&p, body, order_of("hooked", 1, ORDER_SET, "a", body));
		assert_true(orders_busy(p.orders));
		step = steps[i];
		assert_true(sd_event_run(p.event, UINT64_MAX) > 0);
		step = 0;
		assert_int_equal(p.answers, 0);
		assert_true(orders_busy(p.orders));
		end(&p);
	}
	hooked = "";
}

UNIT(it(a_revision_is_stored_and_remembered), it(an_older_revision_is_taken_only_if_meant),
	it(a_content_that_is_not_of_its_hash_is_refused),
	it(what_was_changed_here_is_told_as_what_it_is), it(one_too_many_is_refused),
	it(what_can_not_be_stored_is_not_held), it(no_name_leaves_the_folder),
	it(no_link_is_followed), it(a_hook_is_waited_for_whatever_the_clock_is_put_to))

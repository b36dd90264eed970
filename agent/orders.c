/* SPDX-License-Identifier: MIT */
#include "agent/orders.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "agent/apply.h"
#include "agent/handover.h"
#include "agent/log.h"
#include "lib/file.h"
#include "lib/order.h"
#include "lib/text.h"

#define PATH_SIZE  512
#define INDEX_SIZE 16384
#define INDEX_HEAD "muster-holdings 1"

#define POLL_USEC 100000u /* while a hook is at work */
/* Seconds: longer than muster-apply.service may take twice, for it may still be at work on what the
 * agent before this one was given. */
#define HOOK_WAIT 510

/* One order, as it came. */
struct job {
	uint64_t sequence; /* 0: nobody waits for the answer */
	struct handover file;
};

struct orders {
	const char *state;
	sd_event_source *poll;
	struct job now, next;
	struct config_order order; /* of now, while a hook is at work on it */
	struct verdict verdict;
	time_t began; /* CLOCK_MONOTONIC: a machine that sleeps runs no hook */
	orders_done done;
	void *userdata;
	struct holdings held;
};

/* ---------------------------------------------------------------- files */

static int path_of(const struct orders *o, const char *name, char ret[static PATH_SIZE])
{
	int len = snprintf(ret, PATH_SIZE, "%s/config%s%s", o->state, *name ? "/" : "", name);

	return len > 0 && len < PATH_SIZE ? 0 : -ENAMETOOLONG;
}

static int index_path(const struct orders *o, char ret[static PATH_SIZE])
{
	int len = snprintf(ret, PATH_SIZE, "%s/holdings", o->state);

	return len > 0 && len < PATH_SIZE ? 0 : -ENAMETOOLONG;
}

static int remove_file(const struct orders *o, const char *name)
{
	char folder[PATH_SIZE], path[PATH_SIZE];
	int r = path_of(o, "", folder);

	if (r == 0)
		r = path_of(o, name, path);
	if (r < 0)
		return r;
	if (unlink(path) < 0)
		return errno == ENOENT ? 0 : -errno;
	return folder_sync(folder);
}

static int write_index(const struct orders *o, const struct holdings *held)
{
	char text[INDEX_SIZE], path[PATH_SIZE], hash[2 * CONFIG_HASH_SIZE + 1];
	int len = snprintf(text, sizeof text, INDEX_HEAD "\n");
	int r = index_path(o, path);

	for (size_t i = 0; r == 0 && i < held->count; i++) {
		const struct holding *h = &held->of[i];

		sodium_bin2hex(hash, sizeof hash, h->hash, sizeof h->hash);
		len += snprintf(text + len, sizeof text - (size_t)len, "%llu %s %s\n",
			(unsigned long long)h->revision, hash, h->name);
	}
	return r < 0 ? r : file_write_atomic(path, text, (size_t)len, 0600);
}

/* ---------------------------------------------------------------- what is held */

static bool parse_line(char *line, struct holding *ret)
{
	char *hash = strchr(line, ' '), *name = hash ? strchr(hash + 1, ' ') : NULL;
	size_t len = 0;

	if (!name)
		return false;
	*hash++ = *name++ = '\0';
	*ret = (struct holding){};
	if (text_number(line, 1, UINT64_MAX, &ret->revision) < 0 || !order_name_ok(name) ||
		sodium_hex2bin(ret->hash, sizeof ret->hash, hash, strlen(hash), NULL, &len, NULL) <
			0 ||
		len != sizeof ret->hash)
		return false;
	memcpy(ret->name, name, strlen(name) + 1);
	return true;
}

/* The file's true hash; one that is gone is not held. */
static void add_held(struct orders *o, struct holding *h)
{
	scoped(freep) char *content = NULL;
	char path[PATH_SIZE];
	uint8_t hash[CONFIG_HASH_SIZE];
	size_t len;
	int r = path_of(o, h->name, path);

	if (r == 0)
		r = file_read(path, CONFIG_CONTENT_MAX, &content, &len);
	if (r < 0) {
		log_say(LOG_WARNING, "configuration '%s' is not what was stored: %s", h->name,
			strerror(-r));
		return;
	}
	config_hash(content, len, hash);
	if (memcmp(hash, h->hash, sizeof hash) != 0)
		log_say(LOG_WARNING, "configuration '%s' has been changed on this machine",
			h->name);
	memcpy(h->hash, hash, sizeof hash);
	if (holdings_put(&o->held, h) < 0)
		log_say(LOG_WARNING, "configuration '%s' is one too many", h->name);
}

/* An index that can't be read is as none: the server sends all anew. */
static int load(struct orders *o)
{
	scoped(freep) char *text = NULL;
	char path[PATH_SIZE], *rest, *line;
	struct holding h;
	size_t len;
	int r = index_path(o, path);

	if (r == 0)
		r = file_read(path, INDEX_SIZE, &text, &len);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	line = strtok_r(text, "\n", &rest);
	if (!line || strcmp(line, INDEX_HEAD) != 0)
		return -EBADMSG;
	while ((line = strtok_r(NULL, "\n", &rest)))
		if (parse_line(line, &h))
			add_held(o, &h);
	return 0;
}

/* With the first configuration. */
static int make_folder(const struct orders *o)
{
	char path[PATH_SIZE];
	struct stat st;
	int r = path_of(o, "", path);

	if (r < 0)
		return r;
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return -errno;
	if (lstat(path, &st) < 0)
		return -errno;
	return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}

static int on_poll(sd_event_source *source, uint64_t usec, void *userdata);

int orders_new(
	sd_event *event, const char *state, orders_done done, void *userdata, struct orders **ret)
{
	struct orders *o = calloc(1, sizeof *o);
	int r;

	if (!o)
		return log_err(-ENOMEM, "cannot start");
	o->state = state;
	o->done = done;
	o->userdata = userdata;
	r = sd_event_add_time_relative(
		event, &o->poll, CLOCK_BOOTTIME, 0, POLL_USEC / 2, on_poll, o);
	if (r >= 0)
		r = sd_event_source_set_enabled(o->poll, SD_EVENT_OFF);
	if (r < 0) {
		orders_free(o);
		return log_err(r, "cannot prepare the event loop");
	}
	r = load(o);
	if (r < 0)
		(void)log_err(r, "cannot read '%s/holdings': asking for all of it anew", state);
	*ret = o;
	return 0;
}

struct orders *orders_free(struct orders *o)
{
	if (!o)
		return NULL;
	sd_event_source_disable_unref(o->poll);
	handover_clear(&o->now.file);
	handover_clear(&o->next.file);
	free(o);
	return NULL;
}

const struct holdings *orders_holdings(const struct orders *o)
{
	return &o->held;
}

bool orders_busy(const struct orders *o)
{
	return o->now.file.bytes != NULL;
}

void orders_forget(struct orders *o)
{
	o->now.sequence = 0;
	handover_clear(&o->next.file);
	o->next = (struct job){};
}

/* ---------------------------------------------------------------- one order */

static struct job give_job(struct job *j)
{
	struct job given = *j;

	*j = (struct job){};
	return given;
}

static void say(struct verdict *v, enum nack_code code, const char *text)
{
	v->code = (uint16_t)code;
	(void)snprintf(v->text, sizeof v->text, "%s", text);
}

static void about(struct verdict *v, const struct config_order *order)
{
	v->subject = (struct subject){
		.time = (uint64_t)time(NULL), .revision = order->revision, .kind = order->kind
	};
	memcpy(v->subject.name, order->name, sizeof v->subject.name);
	memcpy(v->subject.hash, order->hash, sizeof v->subject.hash);
}

/* 0: it's to be done; 1: it is done already; otherwise refused. */
static int check(const struct orders *o, const struct config_order *order, struct verdict *v)
{
	const struct holding *has = holdings_find(&o->held, order->name);
	uint8_t hash[CONFIG_HASH_SIZE];

	if (order->kind == ORDER_REMOVE) {
		if (has && has->revision > order->revision)
			say(v, NACK_OLDER, "a later revision is held");
		return v->code ? -ESTALE : !has;
	}
	config_hash(order->content, order->len, hash);
	if (memcmp(hash, order->hash, sizeof hash) != 0)
		say(v, NACK_HASH, "the content is not of the hash that came with it");
	else if (has && has->revision > order->revision && order->kind != ORDER_RETURN)
		say(v, NACK_OLDER, "a later revision is held");
	else if (!has && o->held.count == HOLDINGS_MAX)
		say(v, NACK_FULL, "64 configurations are held, which is the most");
	if (v->code)
		return -EINVAL;
	return has && has->revision == order->revision &&
	       memcmp(has->hash, order->hash, sizeof hash) == 0;
}

/* First the file, then the index: after a crash between them the file's hash tells. */
static int store(struct orders *o, const struct config_order *order)
{
	struct holdings *held = &o->held;
	struct holding h = { .revision = order->revision };
	char path[PATH_SIZE];
	int r = path_of(o, order->name, path);

	memcpy(h.name, order->name, sizeof h.name);
	memcpy(h.hash, order->hash, sizeof h.hash);
	if (r == 0 && order->kind == ORDER_REMOVE)
		r = remove_file(o, order->name);
	else if (r == 0)
		r = make_folder(o);
	if (r == 0 && order->kind != ORDER_REMOVE)
		r = file_write_atomic(path, order->content, order->len, 0600);
	if (r < 0)
		return r;
	if (order->kind == ORDER_REMOVE)
		holdings_drop(held, order->name);
	else
		r = holdings_put(held, &h);
	return r < 0 ? r : write_index(o, held);
}

static void begin(struct orders *o);

/* Of the order at hand: it is stored, unless it was refused, and answered; then comes the next. */
static void finish(struct orders *o)
{
	struct verdict *v = &o->verdict;
	const struct config_order *order = &o->order;
	uint64_t sequence = o->now.sequence;
	int r = v->code ? 0 : store(o, order);

	if (r < 0)
		say(v, NACK_STORAGE, strerror(-r));
	if (v->code)
		log_seldom(LOG_WARNING, "configuration %s, revision %llu: not taken: %s",
			order->name, (unsigned long long)order->revision, v->text);
	else
		log_seldom(LOG_INFO, "configuration %s, revision %llu: %s", order->name,
			(unsigned long long)order->revision,
			order->kind == ORDER_REMOVE ? "removed" : "taken");
	handover_clear(&o->now.file);
	o->now = give_job(&o->next);
	if (sequence)
		o->done(o->userdata, sequence, v);
	if (o->now.file.bytes)
		begin(o);
}

/* ---------------------------------------------------------------- with a hook */

static bool there_is(const char *name, const char *suffix)
{
	char path[PATH_SIZE];

	(void)snprintf(path, sizeof path, APPLY_HOOKS "/%s%s", name, suffix);
	/* One that can't be seen may be there. */
	return access(path, F_OK) == 0 || (errno != ENOENT && errno != ENOTDIR);
}

static bool has_hook(const char *name)
{
	return there_is(name, "") || there_is(name, ".check");
}

static time_t now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t); /* can't fail with this clock */
	return t.tv_sec;
}

static void poll_again(struct orders *o)
{
	if (sd_event_source_set_time_relative(o->poll, POLL_USEC) >= 0 &&
		sd_event_source_set_enabled(o->poll, SD_EVENT_ONESHOT) >= 0)
		return;
	say(&o->verdict, NACK_HOOK, "cannot wait for the hook");
	finish(o);
}

/* The result of this very order, or none in time. */
static int on_poll(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct orders *o = userdata;
	const uint8_t *signature = handover_signature(&o->now.file);
	struct apply_result result;

	(void)source, (void)usec;
	if (apply_result_read(APPLY_RESULT, &result) == 0 &&
		memcmp(result.signature, signature, sizeof result.signature) == 0) {
		if (result.code)
			say(&o->verdict, (enum nack_code)result.code, result.text);
		finish(o);
	} else if (now() - o->began > HOOK_WAIT) {
		handover_withdraw(o->state, APPLY_NAME);
		say(&o->verdict, NACK_HOOK,
			"no answer from muster-apply.service: see its status and journal");
		finish(o);
	} else {
		poll_again(o);
	}
	return 0;
}

static void ask_hook(struct orders *o)
{
	int r = handover_give(o->state, APPLY_NAME, &o->now.file);

	if (r < 0) {
		say(&o->verdict, NACK_STORAGE, strerror(-r));
		finish(o);
		return;
	}
	o->began = now();
	poll_again(o);
}

/* ---------------------------------------------------------------- orders */

static void begin(struct orders *o)
{
	size_t len;
	const uint8_t *body = handover_body(&o->now.file, &len);
	struct job done;
	int r;

	o->verdict = (struct verdict){};
	r = config_order_decode(body, len, &o->order);
	if (r == 0) {
		about(&o->verdict, &o->order);
		r = check(o, &o->order, &o->verdict);
	} else {
		say(&o->verdict, r == -EPROTONOSUPPORT ? NACK_UNSUPPORTED : NACK_MALFORMED,
			"the order can't be read");
		log_seldom(LOG_WARNING, "the server sent a configuration that can't be read");
	}
	if (r == 0 && has_hook(o->order.name)) {
		ask_hook(o);
		return;
	}
	if (r == 0) {
		finish(o);
		return;
	}
	if (o->verdict.subject.name[0] && o->verdict.code)
		log_seldom(LOG_WARNING, "configuration %s, revision %llu: not taken: %s",
			o->order.name, (unsigned long long)o->order.revision, o->verdict.text);
	/* Refused, or done already: nothing is stored. */
	done = o->now;
	o->now = give_job(&o->next);
	if (done.sequence)
		o->done(o->userdata, done.sequence, &o->verdict);
	handover_clear(&done.file);
	if (o->now.file.bytes)
		begin(o);
}

void orders_take(struct orders *o, const struct message *m,
	const uint8_t self[static PUBLIC_KEY_SIZE], const uint8_t binding[static BINDING_SIZE])
{
	struct verdict broke = {};
	struct job job = { .sequence = m->sequence };

	if (handover_pack(m, self, binding, &job.file) < 0) {
		say(&broke, NACK_STORAGE, strerror(ENOMEM));
		o->done(o->userdata, m->sequence, &broke);
		return;
	}
	if (o->now.file.bytes) {
		handover_clear(&o->next.file);
		o->next = job;
		return;
	}
	o->now = job;
	begin(o);
}

/* SPDX-License-Identifier: MIT */
#include <string.h>
#include <time.h>

#include "lib/backoff.h"
#include "lib/text.h"
#include "table.h"

#define LAST_DEFAULT "50"
#define SHOWN        120  /* bytes of a text in a list */
#define WAIT         "30" /* seconds that the server may take to say that there is nothing new */

/* "2026-11-22 01:02:03" of an RFC 3339 time. */
static const char *short_time(const char *time, char ret[static WHEN_SIZE])
{
	if (strlen(time) == 20)
		snprintf(ret, WHEN_SIZE, "%.10s %.8s", time, time + 11);
	else
		snprintf(ret, WHEN_SIZE, "%.20s", time);
	return ret;
}

/* The start of a text, by whole characters, with its line ends as blanks. Caller frees. */
static char *start_of(const char *text)
{
	size_t len = strlen(text), shown = len;
	char *ret;

	if (len > SHOWN)
		for (shown = SHOWN; shown > 0 && ((unsigned char)text[shown] & 0xc0) == 0x80;)
			shown--;
	if (asprintf(&ret, "%.*s%s", (int)shown, text, shown < len ? "…" : "") < 0)
		return NULL;
	for (char *at = ret; *at; at++)
		if (*at == '\n' || *at == '\t' || *at == '\r')
			*at = ' ';
	return ret;
}

static const char *sender_of(json_t *message, char ret[static 16])
{
	const char *name = get(message, "hostname");

	if (*name)
		return name;
	snprintf(ret, 16, "%.12s", get(message, "client"));
	return ret;
}

static long long seq_of(json_t *message)
{
	return (long long)json_integer_value(json_object_get(message, "seq"));
}

static void list_one(void *userdata, json_t *message)
{
	struct table *t = userdata;
	char time[WHEN_SIZE], name[16];
	scoped(freep) char *text = start_of(get(message, "text"));

	table_addf(t, PAINT_NONE, "%lld", seq_of(message));
	table_add(t, short_time(get(message, "received"), time), PAINT_NONE);
	table_add(t, sender_of(message, name), PAINT_NONE);
	table_add(t, get(message, "type"), PAINT_NONE);
	table_add(t, text ? text : "", PAINT_NONE);
}

/* ---- list --follow: a line each, as they come */

static int follow_one(struct ctl *c, json_t *message)
{
	char time[WHEN_SIZE], name[16];
	const char *text = get(message, "text");
	scoped(freep) char *clean = NULL;

	if (c->json)
		return print_json(json_incref(message));
	if (asprintf(&clean, "%s %s [%s] %s", short_time(get(message, "received"), time),
		    sender_of(message, name), get(message, "type"), text) < 0)
		clean = NULL;
	scoped(freep) char *line = clean ? text_escape(clean, strlen(clean)) : NULL;
	if (!line)
		return complain(CTL_FAILED, "no memory");
	return puts(line) < 0 ? CTL_FAILED : CTL_OK;
}

static void await(struct backoff *b)
{
	uint64_t ms;

	if (b->attempt == 0)
		fprintf(stderr, "musterctl: the server is away; it is asked until it is back\n");
	ms = backoff_next(b);
	nanosleep(&(struct timespec){ .tv_sec = (time_t)(ms / 1000),
			  .tv_nsec = (long)(ms % 1000) * 1000000 },
		NULL);
}

static int show_new(struct ctl *c, json_t *answer)
{
	json_t *message;
	size_t i;
	int r = CTL_OK;

	json_array_foreach (json_object_get(answer, "messages"), i, message)
		if (r == CTL_OK)
			r = follow_one(c, message);
	return r == CTL_OK && fflush(stdout) != 0 ? CTL_FAILED : r;
}

/* Once it has begun it goes on where it was, however often the server is away: what comes after a
 * number is asked for, so nothing is lost and nothing comes twice. */
static int follow(struct ctl *c, const char *base, const char *start)
{
	struct backoff pause = { .base_ms = 100, .cap_ms = 5000 };
	char path[1024], after[24] = "";
	json_t *answer;
	int r = CTL_OK;

	while (r == CTL_OK) {
		snprintf(path, sizeof(path), "%s", c->patient ? base : start);
		if (c->patient) {
			request_add(path, sizeof(path), "after", after);
			request_add(path, sizeof(path), "wait", WAIT);
		}
		answer = NULL;
		r = request_get(c, path, &answer);
		if (r == CTL_AGAIN) {
			await(&pause);
			r = CTL_OK;
			continue;
		}
		if (r != CTL_OK)
			return r;
		backoff_reset(&pause);
		r = show_new(c, answer);
		snprintf(after, sizeof(after), "%lld",
			(long long)json_integer_value(json_object_get(answer, "last")));
		c->patient = true;
		json_decref(answer);
	}
	return r;
}

/* ---- list */

struct asked {
	const char *client, *type, *last, *after;
	bool all, follow;
};

static int check(const struct asked *a)
{
	uint64_t n;

	if ((a->last != NULL) + (a->after != NULL) + a->all > 1)
		return complain(CTL_USAGE, "--last, --after and --all exclude each other");
	if (a->last && text_number(a->last, 1, INT32_MAX, &n) < 0)
		return complain(CTL_USAGE, "--last: '%s' is not a number from 1", a->last);
	if (a->after && text_number(a->after, 0, INT64_MAX, &n) < 0)
		return complain(CTL_USAGE, "--after: '%s' is not a message's number", a->after);
	if (a->client && strlen(a->client) > 64)
		return complain(CTL_USAGE, "--client: this is no client's id");
	if (a->type && strlen(a->type) > 64)
		return complain(CTL_USAGE, "--type: 1 to 64 characters of a-z 0-9 . _ -");
	return CTL_OK;
}

static int list(struct ctl *c, const struct asked *a)
{
	static const char *const titles[] = { "SEQ", "TIME (UTC)", "MACHINE", "TYPE", "TEXT" };
	scoped(table_endp) struct table t = { .titles = titles, .columns = COUNT(titles) };
	char base[512] = "/api/v1/messages", start[600];
	int r;

	if (a->client)
		request_add(base, sizeof(base), "client", a->client);
	if (a->type)
		request_add(base, sizeof(base), "type", a->type);
	snprintf(start, sizeof(start), "%s", base);
	if (a->after)
		request_add(start, sizeof(start), "after", a->after);
	else if (!a->all)
		request_add(start, sizeof(start), "last", a->last ? a->last : LAST_DEFAULT);
	if (a->follow)
		return follow(c, base, start);
	r = request_list(c, start, "messages", list_one, &t);
	if (r == CTL_OK && !c->json && t.count == 0)
		fprintf(stderr, "no such messages\n");
	return r == CTL_OK ? table_print(c, &t) : r;
}

int message_list(struct ctl *c, int argc, char **argv)
{
	struct asked a = {};
	const struct option options[] = {
		{ "client", OPTION_VALUE, { .value = &a.client } },
		{ "type", OPTION_VALUE, { .value = &a.type } },
		{ "last", OPTION_VALUE, { .value = &a.last } },
		{ "after", OPTION_VALUE, { .value = &a.after } },
		{ "all", OPTION_FLAG, { .flag = &a.all } },
		{ "follow", OPTION_FLAG, { .flag = &a.follow } },
	};
	int r = options_only(c, options, COUNT(options), argc, argv, 0);

	if (r == CTL_OK)
		r = check(&a);
	return r == CTL_OK ? list(c, &a) : r;
}

/* ---- show */

/* Line by line: line ends are the text's own, everything else that isn't printable is escaped. */
static int print_text(const char *text)
{
	while (*text) {
		size_t len = strcspn(text, "\n");
		scoped(freep) char *line = text_escape(text, len);

		if (!line)
			return complain(CTL_FAILED, "no memory");
		if (puts(line) < 0)
			return CTL_FAILED;
		text += len + (text[len] == '\n');
	}
	return CTL_OK;
}

int message_show(struct ctl *c, int argc, char **argv)
{
	json_t *message = NULL;
	char path[128], time[WHEN_SIZE];
	int r = options_only(c, NULL, 0, argc, argv, 1);

	if (r != CTL_OK)
		return r;
	if (request_path(path, sizeof(path), "messages", argv[0], NULL) < 0)
		return complain(CTL_NOT_FOUND, "there is no message '%s'", argv[0]);
	r = request_get(c, path, &message);
	if (r != CTL_OK)
		return r;
	if (c->json)
		return print_json(message);
	fieldf(c, "Seq", "%lld", seq_of(message));
	field(c, "Client", get(message, "client"));
	field(c, "Hostname", get(message, "hostname"));
	field(c, "Type", get(message, "type"));
	field(c, "Sent", when_exactly(get(message, "sent"), time));
	field(c, "Received", when_exactly(get(message, "received"), time));
	putchar('\n');
	r = print_text(get(message, "text"));
	json_decref(message);
	return r;
}

/* SPDX-License-Identifier: MIT */
#include "status.h"

#include <errno.h>
#include <string.h>

#include "lib/buffer.h"
#include "lib/file.h"
#include "lib/text.h"

#define STATUS_FILE_MAX 4096
#define PATH_SIZE       256
#define TIME_SIZE       64

static const char *const names[] = {
	[STARTING] = "starting",
	[CONNECTING] = "connecting",
	[CONNECTED] = "connected",
	[WAITING] = "waiting",
	[REFUSED] = "refused",
	[SUSPENDED] = "suspended",
	[REVOKED] = "revoked",
	[LISTENING] = "listening",
};

const char *status_name(enum state state)
{
	return names[state];
}

int status_write(const struct status *s, const char *folder)
{
	struct buffer text = { .limit = STATUS_FILE_MAX };
	char path[PATH_SIZE];
	int r;

	if ((size_t)snprintf(path, sizeof path, "%s/status", folder) >= sizeof path)
		return -ENAMETOOLONG;
	r = buffer_printf(&text,
		"state=%s\nsince=%lld\nhello=%lld\nnext=%lld\nclient=%s\nserver=%s\ndetail=%s\n",
		names[s->state], (long long)s->since, (long long)s->hello, (long long)s->next,
		s->client, s->server, s->detail);
	if (r == 0)
		r = file_write_atomic(path, text.data, text.len, 0644);
	buffer_clear(&text);
	return r;
}

static int take_time(const char *value, time_t *ret)
{
	uint64_t seconds;

	if (text_number(value, 0, INT64_MAX, &seconds) < 0)
		return -EBADMSG;
	*ret = (time_t)seconds;
	return 0;
}

static int take_text(const char *value, char *ret, size_t size)
{
	if (strlen(value) >= size || !text_printable(value, strlen(value)))
		return -EBADMSG;
	memcpy(ret, value, strlen(value) + 1);
	return 0;
}

static int take_state(const char *value, enum state *ret)
{
	for (size_t i = 0; i < COUNT(names); i++) {
		if (strcmp(value, names[i]) == 0) {
			*ret = (enum state)i;
			return 0;
		}
	}
	return -EBADMSG;
}

/* Keys that a later version writes are passed over. */
static int take_line(const char *key, const char *value, struct status *s)
{
	if (strcmp(key, "state") == 0)
		return take_state(value, &s->state);
	if (strcmp(key, "since") == 0)
		return take_time(value, &s->since);
	if (strcmp(key, "hello") == 0)
		return take_time(value, &s->hello);
	if (strcmp(key, "next") == 0)
		return take_time(value, &s->next);
	if (strcmp(key, "client") == 0)
		return take_text(value, s->client, sizeof s->client);
	if (strcmp(key, "server") == 0)
		return take_text(value, s->server, sizeof s->server);
	if (strcmp(key, "detail") == 0)
		return take_text(value, s->detail, sizeof s->detail);
	return 0;
}

static int parse(char *text, struct status *ret)
{
	char *rest = text;
	bool has_state = false;

	while (*rest) {
		char *line = strsep(&rest, "\n");
		char *equals = strchr(line, '=');

		if (!equals || !rest)
			return -EBADMSG;
		*equals = '\0';
		if (take_line(line, equals + 1, ret) < 0)
			return -EBADMSG;
		has_state |= strcmp(line, "state") == 0;
	}
	return has_state ? 0 : -EBADMSG;
}

int status_read(const char *folder, struct status *ret)
{
	scoped(freep) char *text = NULL;
	struct status s = {};
	char path[PATH_SIZE];
	size_t len;
	int r;

	if ((size_t)snprintf(path, sizeof path, "%s/status", folder) >= sizeof path)
		return -ENAMETOOLONG;
	r = file_read(path, STATUS_FILE_MAX, &text, &len);
	if (r < 0)
		return r;
	if (strlen(text) != len || parse(text, &s) < 0)
		return -EBADMSG;
	*ret = s;
	return 0;
}

void status_copy_printable(const char *text, char *ret, size_t size)
{
	scoped(freep) char *escaped = text_escape(text, strlen(text));
	size_t len;

	(void)snprintf(ret, size, "%s", escaped ? escaped : "");
	for (len = strlen(ret); len > 0 && !text_printable(ret, len); len--)
		ret[len - 1] = '\0';
}

/* In the machine's own time zone, as systemctl shows times. */
static const char *full_time(time_t t, char ret[static TIME_SIZE])
{
	struct tm tm;

	if (!localtime_r(&t, &tm) || strftime(ret, TIME_SIZE, "%F %T %Z", &tm) == 0)
		(void)snprintf(ret, TIME_SIZE, "?");
	return ret;
}

static const char *short_time(time_t t, char ret[static TIME_SIZE])
{
	struct tm tm;

	if (!localtime_r(&t, &tm) || strftime(ret, TIME_SIZE, "%T", &tm) == 0)
		(void)snprintf(ret, TIME_SIZE, "?");
	return ret;
}

void status_sentence(const struct status *s, char *ret, size_t size)
{
	const char *colon = s->detail[0] ? ": " : "", *detail = s->detail;
	char since[TIME_SIZE], other[TIME_SIZE];

	full_time(s->since, since);
	switch (s->state) {
	case STARTING:
		(void)snprintf(ret, size, "Starting");
		return;
	case CONNECTING:
		(void)snprintf(ret, size, "Connecting to %s%s%s", s->server,
			*detail ? ", so far: " : "", detail);
		return;
	case CONNECTED:
		(void)snprintf(ret, size,
			"Connected to %s since %s, last HELLO acknowledged at %s%s%s", s->server,
			since, short_time(s->hello, other), colon, detail);
		return;
	case WAITING:
		(void)snprintf(ret, size, "Not connected to %s since %s, trying again at %s%s%s",
			s->server, since, short_time(s->next, other), colon, detail);
		return;
	case REFUSED:
		(void)snprintf(ret, size,
			"Refused by %s, not connected since %s, asking again at %s%s%s", s->server,
			since, short_time(s->next, other), colon, detail);
		return;
	case SUSPENDED:
		(void)snprintf(ret, size,
			"Connected to %s since %s, but suspended there: nothing but HELLO is "
			"taken%s%s",
			s->server, since, colon, detail);
		return;
	case REVOKED:
		(void)snprintf(ret, size,
			"Revoked by %s: this machine's keys are wiped, the agent has ended%s%s",
			s->server, colon, detail);
		return;
	case LISTENING:
		(void)snprintf(
			ret, size, "Waiting for %s to connect%s%s", s->server, colon, detail);
		return;
	}
}

static void show_time(const char *name, time_t t)
{
	char text[TIME_SIZE];

	if (t != 0)
		(void)printf("%-10s%s\n", name, full_time(t, text));
}

void status_show(const struct status *s)
{
	(void)printf("%-10s%s\n", "State:", names[s->state]);
	show_time("Since:", s->since);
	(void)printf("%-10s%s\n", "Server:", s->server);
	(void)printf("%-10s%s\n", "Client:", s->client);
	show_time("Hello:", s->hello);
	show_time("Next:", s->next);
	if (s->detail[0])
		(void)printf("%-10s%s\n", "Detail:", s->detail);
}

/* The text has no control characters, so these two are all that JSON asks for. */
static void json_text(const char *name, const char *text)
{
	if (!*text) {
		(void)printf(",\"%s\":null", name);
		return;
	}
	(void)printf(",\"%s\":\"", name);
	for (; *text; text++)
		(void)printf("%s%c", *text == '"' || *text == '\\' ? "\\" : "", *text);
	(void)putchar('"');
}

static void json_time(const char *name, time_t t)
{
	char text[TIME_SIZE] = "";
	struct tm tm;

	if (t != 0 && gmtime_r(&t, &tm))
		(void)strftime(text, sizeof text, "%FT%TZ", &tm);
	json_text(name, text);
}

static void print_json(const char *state, const struct status *s)
{
	(void)printf("{\"state\":\"%s\"", state);
	json_time("since", s->since);
	json_text("server", s->server);
	json_text("client", s->client);
	json_time("hello", s->hello);
	json_time("next", s->next);
	json_text("detail", s->detail);
	(void)puts("}");
}

void status_show_json(const struct status *s)
{
	print_json(names[s->state], s);
}

void status_show_stopped(bool json, bool listening)
{
	if (json)
		print_json(listening ? "listening" : "stopped", &(struct status){});
	else if (listening)
		(void)puts("listening: systemd starts muster-agent when its server connects");
	else
		(void)puts("muster-agent is not running: see systemctl status muster-agent");
}

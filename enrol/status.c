/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "enrol/enrol.h"
#include "enrol/machine.h"
#include "enrol/paths.h"
#include "enrol/place.h"
#include "enrol/unit.h"
#include "lib/text.h"

static void line(const char *name, const char *value)
{
	scoped(freep) char *escaped = text_escape(value, strlen(value));

	printf("%-10s %s\n", name, escaped ? escaped : "");
}

static void describe_agent(const struct agent_status *s, char *ret, size_t size)
{
	char ago[REPORT_AMOUNT_SIZE], hello[80] = "";
	uint64_t now = (uint64_t)time(NULL);

	if (s->hello > 0)
		snprintf(hello, sizeof hello, "; last report acknowledged %s ago",
			report_duration(now > s->hello ? now - s->hello : 0, ago));
	snprintf(ret, size, "%s%s%s%s", *s->state ? s->state : "not running", hello,
		*s->detail ? ": " : "", s->detail);
}

/* The one in use, or tried last, if the agent tells of one that it has. */
static const char *server_of(const struct machine_conf *c, const struct agent_status *s)
{
	return *s->state && addresses_has(&c->servers, s->server) ? s->server : c->server;
}

static void show_others(const struct machine_conf *c, const struct agent_status *s)
{
	struct addresses others = {};
	char text[ADDRESSES_TEXT_SIZE];

	for (size_t i = 0; i < c->servers.count; i++)
		if (strcasecmp(c->servers.at[i], server_of(c, s)) != 0)
			memcpy(others.at[others.count++], c->servers.at[i], ADDRESSES_ONE_SIZE);
	addresses_join(&others, text);
	if (*text)
		line("others", text);
}

static void show(const struct machine_conf *c, const struct agent_status *s)
{
	char agent[512];

	describe_agent(s, agent, sizeof agent);
	line("client", c->client);
	line("server", server_of(c, s));
	show_others(c, s);
	line("agent", agent);
}

static void json_field(const char *name, const char *value)
{
	printf(",\"%s\":", name);
	report_json_string(stdout, value);
}

static void json_servers(const struct machine_conf *c)
{
	fputs(",\"servers\":[", stdout);
	for (size_t i = 0; i < c->servers.count; i++) {
		fputs(i ? "," : "", stdout);
		report_json_string(stdout, c->servers.at[i]);
	}
	putchar(']');
}

static void json_time(const char *name, uint64_t when)
{
	time_t t = (time_t)when;
	char text[32];
	struct tm tm;

	if (when == 0 || !gmtime_r(&t, &tm) ||
		strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		printf(",\"%s\":null", name);
	else
		json_field(name, text);
}

static void show_json(const struct machine_conf *c, const struct agent_status *s, int code)
{
	fputs("{\"result\":\"status\",\"enrolled\":true", stdout);
	json_field("client", c->client);
	json_field("server", server_of(c, s));
	json_servers(c);
	json_field("state", *s->state ? s->state : "stopped");
	json_time("since", s->since);
	json_time("hello", s->hello);
	json_field("detail", s->detail);
	printf(",\"exit\":%d}\n", code);
}

static int show_none(const struct enrol *e)
{
	if (e->options.json)
		printf("{\"result\":\"status\",\"enrolled\":false,\"exit\":%d}\n",
			EXIT_NOT_ENROLLED);
	else
		puts("this machine is not enrolled");
	return EXIT_NOT_ENROLLED;
}

int run_status(struct enrol *e)
{
	struct machine_conf conf;
	struct agent_status status;
	struct stat st;
	int code;

	if (machine_conf_read(&conf) < 0)
		return show_none(e);
	agent_status_read(&status);
	if (!*status.state &&
		place_look(SEND_SOCKET, &st) == 0) /* systemd waits for both of them */
		strcpy(status.state, "listening");
	code = strcmp(status.state, "connected") == 0 || strcmp(status.state, "listening") == 0
		       ? EXIT_OK
		       : EXIT_NOT_CONNECTED;
	if (e->options.json)
		show_json(&conf, &status, code);
	else
		show(&conf, &status);
	return code;
}

/* SPDX-License-Identifier: MIT */
/* musterctl events: what changes, line by line. */
#include <string.h>
#include <time.h>

#include "ctl.h"
#include "lib/text.h"

/* The changes have no time of their own: when it was heard of. */
static int tell(json_t *change)
{
	scoped(freep) char *topic = NULL;
	scoped(freep) char *id = NULL;
	time_t now = time(NULL);
	char when[16];
	struct tm tm;

	topic = text_escape(get(change, "topic"), strlen(get(change, "topic")));
	id = text_escape(get(change, "id"), strlen(get(change, "id")));
	if (!topic || !id)
		return complain(CTL_FAILED, "no memory");
	gmtime_r(&now, &tm);
	strftime(when, sizeof(when), "%H:%M:%S", &tm);
	return printf("%s  %-8s  %s\n", when, topic, *id ? id : "*") < 0 ? CTL_FAILED : CTL_OK;
}

/* Of an event's lines only the data says anything here. */
static int on_line(void *userdata, char *line)
{
	struct ctl *c = userdata;
	json_t *change;
	int r;

	if (strncmp(line, "data: ", 6) != 0)
		return CTL_OK;
	change = json_loads(line + 6, 0, NULL);
	if (!json_is_object(change))
		r = complain(CTL_FAILED, "the server's answer can't be understood");
	else
		r = c->json ? print_json(json_incref(change)) : tell(change);
	json_decref(change);
	return r == CTL_OK && fflush(stdout) != 0 ? CTL_FAILED : r;
}

int events(struct ctl *c, int argc, char **argv)
{
	json_t *topics = json_array(), *topic;
	const struct option options[] = { { "topic", OPTION_LIST, { .list = topics } } };
	char path[256] = "/api/v1/events", list[160] = "";
	size_t i;
	int r = options_only(c, options, COUNT(options), argc, argv, 0);

	json_array_foreach (topics, i, topic) {
		size_t len = strlen(list);

		snprintf(list + len, sizeof(list) - len, "%s%s", len ? "," : "",
			json_string_value(topic));
	}
	json_decref(topics);
	if (*list)
		request_add(path, sizeof(path), "topics", list);
	return r == CTL_OK ? request_lines(c, path, on_line, c) : r;
}

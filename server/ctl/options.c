/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "ctl.h"

static const struct option *find(
	const struct option *options, size_t count, const char *name, size_t len)
{
	for (size_t i = 0; i < count; i++)
		if (strlen(options[i].name) == len && strncmp(options[i].name, name, len) == 0)
			return &options[i];
	return NULL;
}

static int set_value(const struct option *o, const char *value)
{
	json_t *text = json_string(value); /* NULL: a request can't say it */

	if (!text)
		return complain(CTL_USAGE, "--%s: this is not UTF-8", o->name);
	if (o->kind == OPTION_LIST)
		return json_array_append_new(o->ret.list, text) < 0
			       ? complain(CTL_FAILED, "no memory")
			       : CTL_OK;
	json_decref(text);
	if (*o->ret.value)
		return complain(CTL_USAGE, "--%s is given twice", o->name);
	*o->ret.value = value;
	return CTL_OK;
}

/* How the command that runs is written, in one line; caller frees, NULL: no memory. */
static char *usage_of(const struct ctl *c)
{
	const struct command *d = c->command;
	char *text;

	if (asprintf(&text, "musterctl %s%s%s%s%s", d ? d->group : "--help",
		    d && d->name ? " " : "", d && d->name ? d->name : "",
		    d && *d->synopsis ? " " : "", d ? d->synopsis : "") < 0)
		return NULL;
	for (char *at = text; (at = strchr(at, '\n'));) { /* a long one has several lines */
		size_t blanks = strspn(at + 1, " ");

		*at = ' ';
		memmove(at + 1, at + 1 + blanks, strlen(at + 1 + blanks) + 1);
	}
	return text;
}

static int misused(const struct ctl *c, const char *what)
{
	scoped(freep) char *usage = usage_of(c);

	return complain(CTL_USAGE, "%s: %s", what, usage ? usage : "see musterctl --help");
}

static int unknown_option(const struct ctl *c, const char *option)
{
	char what[80];
	size_t len = strcspn(option, "="); /* the value may be a secret */

	snprintf(what, sizeof(what), "there is no option %.*s here", len < 40 ? (int)len : 40,
		option);
	return misused(c, what);
}

static int superfluous(const struct ctl *c, const char *word)
{
	char what[80];

	snprintf(what, sizeof(what), "'%.40s' is one word too many", word);
	return misused(c, what);
}

/* One option at argv[0]; *ret_used: how many words it took. */
static int take(const struct option *o, size_t len, int argc, char **argv, int *ret_used)
{
	const char *value = argv[0] + 2 + len;

	*ret_used = 1;
	if (o->kind == OPTION_FLAG) {
		if (*value)
			return complain(CTL_USAGE, "--%s takes no value", o->name);
		*o->ret.flag = true;
		return CTL_OK;
	}
	if (*value == '=')
		return set_value(o, value + 1);
	if (argc < 2)
		return complain(CTL_USAGE, "--%s needs a value", o->name);
	*ret_used = 2;
	return set_value(o, argv[1]);
}

/* The options every command knows; a socket given before the command may be given again after it.
 */
static int take_any(struct ctl *c, const struct option *options, size_t count, int argc,
	char **argv, int *ret_used)
{
	const char *socket = NULL, *server = NULL, *token_file = NULL, *pin = NULL;
	bool help = false;
	const struct option everywhere[] = {
		{ "json", OPTION_FLAG, { .flag = &c->json } },
		{ "socket", OPTION_VALUE, { .value = &socket } },
		{ "server", OPTION_VALUE, { .value = &server } },
		{ "token-file", OPTION_VALUE, { .value = &token_file } },
		{ "pin", OPTION_VALUE, { .value = &pin } },
		{ "help", OPTION_FLAG, { .flag = &help } },
	};
	const char *name = argv[0] + 2;
	size_t len = strcspn(name, "=");
	const struct option *o = find(options, count, name, len);
	int r;

	if (!o)
		o = find(everywhere, COUNT(everywhere), name, len);
	if (!o)
		return unknown_option(c, argv[0]);
	r = take(o, len, argc, argv, ret_used);
	if (socket) { /* goes before what the environment says of a server */
		c->socket = socket;
		c->server = NULL;
	}
	c->server = server ? server : c->server;
	c->token_file = token_file ? token_file : c->token_file;
	c->pin = pin ? pin : c->pin;
	return r == CTL_OK && help ? -1 : r;
}

int options_take(struct ctl *c, const struct option *options, size_t count, int *argc, char **argv)
{
	int left = 0, used;

	for (int i = 0; i < *argc; i += used) {
		int r;

		used = 1;
		if (strcmp(argv[i], "--") == 0) {
			while (++i < *argc)
				argv[left++] = argv[i];
			break;
		}
		if (strcmp(argv[i], "-h") == 0)
			return -1;
		if (argv[i][0] != '-' || argv[i][1] == '\0') {
			argv[left++] = argv[i];
			continue;
		}
		if (argv[i][1] != '-')
			return unknown_option(c, argv[i]);
		r = take_any(c, options, count, *argc - i, argv + i, &used);
		if (r != CTL_OK)
			return r;
	}
	*argc = left;
	return CTL_OK;
}

int options_only(struct ctl *c, const struct option *options, size_t count, int argc, char **argv,
	int arguments)
{
	int r = options_take(c, options, count, &argc, argv);

	if (r != CTL_OK || argc == arguments)
		return r;
	if (argc < arguments)
		return misused(c, "something is missing");
	return superfluous(c, argv[arguments]);
}

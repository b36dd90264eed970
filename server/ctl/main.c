/* SPDX-License-Identifier: MIT */
/* musterctl: the administrator's command line, over muster-server's control socket. */
#include <curl/curl.h>
#include <locale.h>
#include <stdarg.h>
#include <string.h>

#include "ctl.h"
#include "lib/text.h"

static const struct command commands[] = {
	{ "token", "create",
		"[--label LABEL]... [--uses N|unlimited] [--expires WHEN] [--note TEXT]\n"
		"                [--approve] [--ephemeral TIME] [--installer [--embed]]",
		"make a token, which is shown once", token_create },
	{ "token", "list", "", "all tokens, the spent ones too", token_list },
	{ "token", "show", "ID", "one token, and who used it", token_show },
	{ "token", "revoke", "ID", "nobody can enrol with it any more", token_revoke },
	{ "installer", NULL, "[--token TOKEN|-] [--embed]",
		"the script that enrols a machine, on standard output", installer },
	{ "client", "list",
		"[--search TEXT] [--label SELECTOR] [--state STATE] [--connected yes|no]\n"
		"              [--sort [-]hostname|enrolled|seen] [--clones]",
		"the machines", client_list },
	{ "client", "show", "ID", "everything known of one machine", client_show },
	{ "client", "label", "ID [LABEL | -KEY]...", "give a machine labels, or take some from it",
		client_label },
	{ "client", "approve", "ID...", "machines that wait for it may enrol", client_approve },
	{ "client", "refuse", "[--reason TEXT] ID...", "they may not, for ever", client_refuse },
	{ "client", "suspend", "[--reason TEXT] ID...",
		"nothing is taken from them or sent to them but HELLO", client_suspend },
	{ "client", "resume", "ID...", "ends that", client_resume },
	{ "client", "revoke", "[--reason TEXT] ID...",
		"their connections end, their keys are refused for ever", client_revoke },
	{ "client", "remove", "[--reason TEXT] ID...",
		"the same, and only the audit log knows them any more", client_remove },
	{ "client", "clear-clone", "ID...",
		"the alarm about two machines with one identity is dealt with",
		client_clear_clone },
	{ "client", "address", "ID HOST:PORT|none", "where a machine that listens is dialled",
		client_address },
	{ "client", "reset", "[--reason TEXT] [--wait [--timeout TIME]] ID...",
		"their agents restart", client_reset },
	{ "config", "push",
		"NAME FILE|- --to SELECTOR|--client ID|--all [--note TEXT]\n"
		"              [--wait [--timeout TIME]]",
		"a new revision of a configuration, for these machines", config_push },
	{ "config", "list", "", "the newest revision of each", config_list },
	{ "config", "show", "NAME [REVISION] [--content]", "one revision, or just its content",
		config_show },
	{ "config", "history", "NAME", "all revisions of one", config_history },
	{ "config", "diff", "NAME [REVISION [REVISION]]", "what the newest changed, or others",
		config_diff },
	{ "config", "rollback", "NAME REVISION [--note TEXT] [--wait [--timeout TIME]]",
		"an older revision again, as the newest", config_rollback },
	{ "config", "remove",
		"NAME [--to SELECTOR|--client ID|--all] [--note TEXT]\n"
		"                [--wait [--timeout TIME]]",
		"these machines, or all, are to have it no more", config_remove },
	{ "config", "status", "NAME", "which machines have it, and who refused and why",
		config_status },
	{ "release", NULL, "", "the programs that machines get from this server", release_show },
	{ "release", "rollout",
		"--to SELECTOR|--client ID|--all [--at-once N] [--failures N]\n"
		"                  [--wait [--timeout TIME]]",
		"these machines are to take them, so many at a time", release_rollout },
	{ "release", "list", "", "all roll-outs", release_list },
	{ "release", "status", "[ROLLOUT]", "how far the newest is, or another", release_status },
	{ "release", "machines", "[ROLLOUT] [--outcome OUTCOME]",
		"which machines were asked, and what they said", release_machines },
	{ "release", "halt", "[ROLLOUT] [--reason TEXT]", "nobody else is asked until it goes on",
		release_halt },
	{ "release", "resume", "[ROLLOUT] [--failures N] [--reason TEXT]", "a halted one goes on",
		release_resume },
	{ "release", "end", "[ROLLOUT] [--reason TEXT]", "nobody else is asked any more",
		release_end },
	{ "receipt", "list", "[--client ID] [--config NAME]",
		"what machines have signed about their configurations", receipt_list },
	{ "receipt", "export", "ID", "one of them, as a proof", receipt_export },
	{ "receipt", "verify", "FILE [--client-key KEY] [--server-key KEY]",
		"check an exported one, without the server", receipt_verify },
	{ "message", "list",
		"[--client ID] [--type TYPE] [--last N | --after SEQ | --all] [--follow]",
		"what machines have sent", message_list },
	{ "message", "show", "SEQ", "one message, whole", message_show },
	{ "audit", "list", "[--last N | --after SEQ | --all]", "who did what, when", audit_list },
	{ "audit", "verify", "", "has anybody changed the audit log?", audit_verify },
	{ "admin", "add", "NAME --role ROLE [--no-password]",
		"who may log in to the dashboard; asks for the password", admin_add },
	{ "admin", "list", "", "all of them", admin_list },
	{ "admin", "role", "NAME ROLE", "what one may do", admin_role },
	{ "admin", "password", "NAME", "another password, which it asks for", admin_password },
	{ "admin", "remove", "NAME", "one may not log in any more", admin_remove },
	{ "session", "list", "", "who is logged in", session_list },
	{ "session", "end", "ID", "log somebody out", session_end },
	{ "api-token", "create", "NAME --role ROLE [--scope SELECTOR] [--expires WHEN]",
		"make a token for programs that use the API, which is shown once", access_create },
	{ "api-token", "list", "", "all of them, and when they were used", access_list },
	{ "api-token", "revoke", "ID", "it opens nothing any more", access_revoke },
	{ "webhook", "add", "URL [--event PATTERN]... [--note TEXT]",
		"send what happens there, signed with a secret that is shown once", webhook_add },
	{ "webhook", "list", "", "all of them, and how they are", webhook_list },
	{ "webhook", "test", "ID", "send it a message now", webhook_test },
	{ "webhook", "enable", "ID", "go on with one that is disabled or waits", webhook_enable },
	{ "webhook", "remove", "ID", "nothing is sent there any more", webhook_remove },
	{ "events", NULL, "[--topic TOPIC]...", "what changes, as it happens", events },
	{ "status", NULL, "", "the server, its keys and its numbers", status },
};

int complain(int code, const char *format, ...)
{
	scoped(freep) char *clean = NULL;
	va_list args;

	va_start(args, format);
	clean = text_vescape(format, args);
	va_end(args);
	fprintf(stderr, "musterctl: %s\n", clean ? clean : "no memory");
	return code;
}

void say(FILE *out, const char *format, ...)
{
	scoped(freep) char *clean = NULL;
	va_list args;

	va_start(args, format);
	clean = text_vescape(format, args);
	va_end(args);
	fprintf(out, "%s\n", clean ? clean : "");
}

const char *get(json_t *object, const char *field)
{
	const char *text = json_string_value(json_object_get(object, field));

	return text ? text : "";
}

int print_json(json_t *value)
{
	scoped(freep) char *text =
		value ? json_dumps(value, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;

	json_decref(value);
	if (!text)
		return complain(CTL_FAILED, "no memory");
	return puts(text) < 0 ? CTL_FAILED : CTL_OK;
}

/* ---- help */

#define USAGE                                                                                      \
	"usage: musterctl [--socket PATH | --server URL --token-file FILE [--pin PIN]]\n"          \
	"                 [--json] COMMAND\n"

static void help_line(const struct command *d)
{
	printf("  %s%s%s%s%s\n      %s\n", d->group, d->name ? " " : "", d->name ? d->name : "",
		*d->synopsis ? " " : "", d->synopsis, d->summary);
}

/* Of one group, or of all (NULL). */
static int help(const char *group)
{
	printf(USAGE "\n");
	for (size_t i = 0; i < COUNT(commands); i++)
		if (!group || strcmp(commands[i].group, group) == 0)
			help_line(&commands[i]);
	printf("\nIDs may be shortened while they are unambiguous. musterctl(1) tells more.\n");
	return CTL_OK;
}

static int help_of(const struct command *d)
{
	printf(USAGE "\n");
	help_line(d);
	printf("\nmusterctl(1) tells what its options mean.\n");
	return CTL_OK;
}

/* ---- dispatch */

static bool is_group(const char *word)
{
	for (size_t i = 0; i < COUNT(commands); i++)
		if (strcmp(commands[i].group, word) == 0)
			return true;
	return false;
}

/* What follows a group that is a command by itself is that one's argument, unless the group has others
 * and it is a word: then it should be one of their names. */
static const struct command *find(int argc, char **argv)
{
	const struct command *itself = NULL;
	bool word = argc > 1 && argv[1][0] != '-';
	size_t named = 0;

	for (size_t i = 0; i < COUNT(commands); i++) {
		const struct command *d = &commands[i];

		if (strcmp(d->group, argv[0]) != 0)
			continue;
		if (!d->name)
			itself = d;
		else if (word && strcmp(d->name, argv[1]) == 0)
			return d;
		named += d->name != NULL;
	}
	return word && named > 0 ? NULL : itself;
}

static int run(struct ctl *c, int argc, char **argv)
{
	const struct command *d;
	int words, r;

	if (argc == 0) {
		help(NULL);
		return CTL_USAGE;
	}
	if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) &&
		is_group(argv[0]))
		return help(argv[0]);
	d = find(argc, argv);
	if (!d && is_group(argv[0]))
		return argc > 1 ? complain(CTL_USAGE,
					  "%s has no command '%s'; see musterctl %s --help",
					  argv[0], argv[1], argv[0])
				: complain(CTL_USAGE, "%s what? See musterctl %s --help", argv[0],
					  argv[0]);
	if (!d)
		return complain(
			CTL_USAGE, "there is no command '%s'; see musterctl --help", argv[0]);
	words = d->name ? 2 : 1;
	c->command = d;
	r = d->run(c, argc - words, argv + words);
	return r == -1 ? help_of(d) : r;
}

static bool takes_value(const char *option)
{
	static const char *const names[] = { "--socket", "--server", "--token-file", "--pin" };

	for (size_t i = 0; i < COUNT(names); i++)
		if (strcmp(option, names[i]) == 0)
			return true;
	return false;
}

/* The options before the command; *ret_used: how many words they are. -1: go on. */
static int global_options(struct ctl *c, int argc, char **argv, int *ret_used)
{
	int i = 0;

	while (i < argc && argv[i][0] == '-') {
		int words = takes_value(argv[i]) && i + 1 < argc ? 2 : 1;
		int left = words, r;

		if (strcmp(argv[i], "--version") == 0) {
			printf("musterctl %s\n", MUSTER_VERSION);
			return CTL_OK;
		}
		r = options_take(c, NULL, 0, &left, argv + i);
		if (r == -1)
			return help(NULL);
		if (r != CTL_OK)
			return r;
		if (left > 0)
			return complain(CTL_USAGE, "'%s' is no command", argv[i]);
		i += words;
	}
	*ret_used = i;
	return -1;
}

static bool colored(void)
{
	const char *term = getenv("TERM"), *no = getenv("NO_COLOR");

	return isatty(STDOUT_FILENO) && term && strcmp(term, "dumb") != 0 && (!no || !*no);
}

static int finish(struct ctl *c, int r)
{
	request_end(c);
	curl_global_cleanup();
	if (fflush(stdout) != 0 || ferror(stdout))
		return complain(CTL_FAILED, "cannot write to standard output");
	return r;
}

static const char *variable(const char *name)
{
	const char *value = getenv(name);

	return value && *value ? value : NULL;
}

int main(int argc, char **argv)
{
	struct ctl c = {
		.socket = variable("MUSTER_SOCKET"),
		.server = variable("MUSTER_SERVER"),
		.token_file = variable("MUSTER_API_TOKEN_FILE"),
		.pin = variable("MUSTER_PIN"),
	};
	int used = 0, r;

	/* What comes from the server is UTF-8, whatever the user's locale. */
	setlocale(LC_CTYPE, "C.UTF-8");
	c.color = colored();
	c.socket = c.socket ? c.socket : CONTROL_SOCKET;
	if (curl_global_init(CURL_GLOBAL_SSL) != CURLE_OK)
		return complain(CTL_FAILED, "libcurl does not work");
	r = global_options(&c, argc - 1, argv + 1, &used);
	if (r == -1)
		r = run(&c, argc - 1 - used, argv + 1 + used);
	return finish(&c, r);
}

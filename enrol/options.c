/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <getopt.h>
#include <sodium.h>
#include <stdarg.h>
#include <string.h>

#include "enrol/options.h"
#include "enrol/proxy.h"
#include "lib/text.h"
#include "lib/uplink.h"

enum {
	OPTION_SERVER = 1,
	OPTION_PIN,
	OPTION_SERVER_KEY,
	OPTION_RELEASE_KEY,
	OPTION_MIN_SERIAL,
	OPTION_PROXY,
	OPTION_TOKEN_FILE,
	OPTION_LISTEN,
	OPTION_DRY_RUN,
	OPTION_JSON,
	OPTION_QUIET,
	OPTION_STATUS,
	OPTION_UNINSTALL,
	OPTION_PURGE,
	OPTION_REKEY,
	OPTION_UPDATE,
	OPTION_RELEASE,
	OPTION_WAIT,
	OPTION_UNITS,
	OPTION_VERSION,
	OPTION_HELP,
	OPTION_END
};

static const struct option table[] = {
	{ "server", required_argument, NULL, OPTION_SERVER },
	{ "pin", required_argument, NULL, OPTION_PIN },
	{ "server-key", required_argument, NULL, OPTION_SERVER_KEY },
	{ "release-key", required_argument, NULL, OPTION_RELEASE_KEY },
	{ "min-serial", required_argument, NULL, OPTION_MIN_SERIAL },
	{ "proxy", required_argument, NULL, OPTION_PROXY },
	{ "token-file", required_argument, NULL, OPTION_TOKEN_FILE },
	{ "listen", optional_argument, NULL, OPTION_LISTEN },
	{ "dry-run", no_argument, NULL, OPTION_DRY_RUN },
	{ "json", no_argument, NULL, OPTION_JSON },
	{ "quiet", no_argument, NULL, OPTION_QUIET },
	{ "status", no_argument, NULL, OPTION_STATUS },
	{ "uninstall", no_argument, NULL, OPTION_UNINSTALL },
	{ "rekey", no_argument, NULL, OPTION_REKEY },
	{ "update", no_argument, NULL, OPTION_UPDATE },
	{ "release", required_argument, NULL, OPTION_RELEASE },
	{ "wait", required_argument, NULL, OPTION_WAIT },
	{ "units", required_argument, NULL, OPTION_UNITS },
	{ "purge", no_argument, NULL, OPTION_PURGE },
	{ "version", no_argument, NULL, OPTION_VERSION },
	{ "help", no_argument, NULL, OPTION_HELP },
	{},
};

/* Where a mistake is described. */
struct complaint {
	char *text;
	size_t size;
};

static printf_like(2) int complain(const struct complaint *c, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(c->text, c->size, format, args);
	va_end(args);
	return -EINVAL;
}

static int add_pin(struct options *o, const char *text, const struct complaint *c)
{
	if (o->pins.count == PINS_MAX)
		return complain(c, "--pin: more than %d pins", PINS_MAX);
	if (pin_parse(text, o->pins.at[o->pins.count]) < 0)
		return complain(c, "--pin: '%s' is not sha256// and the base64 of 32 bytes", text);
	o->pins.count++;
	pins_format(&o->pins, o->pins_text);
	return 0;
}

/* One pin, or several joined by ';', the form that curl and wget take. */
static int add_pins(struct options *o, const char *text, const struct complaint *c)
{
	scoped(freep) char *copy = strdup(text);
	char *rest = copy;
	int r = 0;

	if (!copy)
		return -ENOMEM;
	for (char *pin = strsep(&rest, ";"); pin && r == 0; pin = strsep(&rest, ";"))
		r = add_pin(o, pin, c);
	return r;
}

static int take_mode(struct options *o, enum mode mode, const struct complaint *c)
{
	if (o->mode != MODE_ENROL)
		return complain(c,
			"only one of --status, --uninstall, --rekey, --update, --units, --version "
			"and --help");
	o->mode = mode;
	return 0;
}

static int take_port(struct options *o, const char *value, const struct complaint *c)
{
	uint64_t port = LISTEN_PORT;

	if (value && text_number(value, 1, 65535, &port) < 0)
		return complain(c, "--listen: '%s' is not a port", value);
	o->listen = (uint16_t)port;
	return 0;
}

static int take_wait(struct options *o, const char *value, const struct complaint *c)
{
	uint64_t seconds;

	if (text_number(value, 1, WAIT_MAX, &seconds) < 0)
		return complain(
			c, "--wait: '%s' is not a number of seconds, 1 to %d", value, WAIT_MAX);
	o->wait = (unsigned)seconds;
	return 0;
}

/* As it is shown everywhere, in lower case: one text for one release. */
static int take_release(struct options *o, const char *value, const struct complaint *c)
{
	const size_t digits = 2 * sizeof o->release;

	if (strlen(value) != digits || strspn(value, "0123456789abcdef") != digits ||
		sodium_hex2bin(o->release, sizeof o->release, value, digits, NULL, NULL, NULL) < 0)
		return complain(
			c, "--release: '%s' is not the digest of a release, 64 hex digits", value);
	o->release_text = value;
	return 0;
}

static int take_units(struct options *o, const char *value, const struct complaint *c)
{
	o->units_folder = value;
	if (value[0] != '/')
		return complain(c, "--units: '%s' is not an absolute path", value);
	return take_mode(o, MODE_UNITS, c);
}

static int take_keyed(struct options *o, int which, const char *value, const struct complaint *c)
{
	switch (which) {
	case OPTION_SERVER_KEY:
		o->server_key_text = value;
		if (identity_public_from_text(value, o->server_key) < 0)
			return complain(
				c, "--server-key: '%s' is not a key in 66 hex digits", value);
		return 0;
	case OPTION_RELEASE_KEY:
		o->release_key_text = value;
		if (minisign_public_parse(value, &o->release_key) < 0)
			return complain(c, "--release-key: '%s' is not a minisign key", value);
		return 0;
	case OPTION_MIN_SERIAL:
		if (text_number(value, 0, UINT64_MAX, &o->min_serial) < 0)
			return complain(c, "--min-serial: '%s' is not a number", value);
		return 0;
	case OPTION_PROXY:
		o->proxy = value;
		if (!proxy_is_valid(value))
			return complain(c, "--proxy: '%s' is not the URL of a proxy", value);
		return 0;
	default:
		o->token_file = value;
		return 0;
	}
}

/* One, or several with blanks between. */
static int add_servers(struct options *o, const char *value, const struct complaint *c)
{
	int r = addresses_add(&o->servers, value);

	if (r == -EEXIST)
		return complain(c, "--server: '%s' names the same a second time", value);
	if (r == -E2BIG)
		return complain(c, "--server: more than %d addresses", ADDRESSES_MAX);
	if (r < 0)
		return complain(c, "--server: '%s' is not HOST:PORT", value);
	o->server = o->servers.at[0];
	return 0;
}

static int take(struct options *o, int which, const char *value, const struct complaint *c)
{
	switch (which) {
	case OPTION_SERVER:
		return add_servers(o, value, c);
	case OPTION_PIN:
		return add_pins(o, value, c);
	case OPTION_LISTEN:
		return take_port(o, value, c);
	case OPTION_DRY_RUN:
		o->dry_run = true;
		return 0;
	case OPTION_JSON:
		o->json = true;
		return 0;
	case OPTION_QUIET:
		o->quiet = true;
		return 0;
	case OPTION_PURGE:
		o->purge = true;
		return 0;
	case OPTION_STATUS:
		return take_mode(o, MODE_STATUS, c);
	case OPTION_UNINSTALL:
		return take_mode(o, MODE_UNINSTALL, c);
	case OPTION_REKEY:
		return take_mode(o, MODE_REKEY, c);
	case OPTION_UPDATE:
		return take_mode(o, MODE_UPDATE, c);
	case OPTION_RELEASE:
		return take_release(o, value, c);
	case OPTION_WAIT:
		return take_wait(o, value, c);
	case OPTION_UNITS:
		return take_units(o, value, c);
	case OPTION_VERSION:
		return take_mode(o, MODE_VERSION, c);
	case OPTION_HELP:
		return take_mode(o, MODE_HELP, c);
	default:
		return take_keyed(o, which, value, c);
	}
}

static int check_enrol(const struct options *o, const struct complaint *c)
{
	if (!o->server)
		return complain(c, "--server is missing");
	if (o->pins.count == 0)
		return complain(c, "--pin is missing");
	if (!o->server_key_text)
		return complain(c, "--server-key is missing");
	if (!o->release_key_text)
		return complain(c, "--release-key is missing");
	for (size_t i = 0; !o->proxy && i < o->servers.count; i++) {
		const char *proxy = proxy_from_environment(o->servers.at[i]);

		if (proxy && !proxy_is_valid(proxy))
			return complain(c, "https_proxy: '%s' is not the URL of a proxy", proxy);
	}
	return 0;
}

static bool names_server(const struct options *o)
{
	return o->server || o->pins.count > 0 || o->server_key_text || o->release_key_text ||
	       o->proxy || o->min_serial > 0;
}

static int check_together(const struct options *o, const struct complaint *c)
{
	if (o->purge && o->mode != MODE_UNINSTALL)
		return complain(c, "--purge goes with --uninstall only");
	if (o->dry_run && o->mode != MODE_ENROL && o->mode != MODE_UPDATE)
		return complain(c, "--dry-run goes with an enrolment or --update only");
	if (o->wait && o->mode != MODE_UPDATE)
		return complain(c, "--wait goes with --update only");
	if (o->release_text && o->mode != MODE_UPDATE)
		return complain(c, "--release goes with --update only");
	if (o->token_file && o->mode == MODE_UPDATE)
		return complain(c, "--update needs no token");
	if (o->listen && o->mode != MODE_ENROL)
		return complain(c, "--listen goes with an enrolment only");
	if ((o->mode == MODE_REKEY || o->mode == MODE_UPDATE) && names_server(o))
		return complain(c,
			"%s keeps to the server that this machine has: --server "
			"and what belongs to it don't go with it",
			o->mode == MODE_REKEY ? "--rekey" : "--update");
	return o->mode == MODE_ENROL ? check_enrol(o, c) : 0;
}

/* getopt_long() takes abbreviations, which a later option could make ambiguous. */
static bool is_abbreviated(const char *argument, const char *name)
{
	size_t len = strlen(name);

	return strncmp(argument, "--", 2) == 0 &&
	       (strncmp(argument + 2, name, len) != 0 ||
		       (argument[2 + len] != '\0' && argument[2 + len] != '='));
}

int options_parse(struct options *o, int argc, char **argv, char *ret_error, size_t size)
{
	const struct complaint c = { ret_error, size };
	bool seen[OPTION_END] = {};
	int which;

	*o = (struct options){};
	opterr = 0;
	optind = 1;
	for (;;) {
		int at = optind, index = 0;

		which = getopt_long(argc, argv, "+:", table, &index);
		if (which == -1)
			break;
		if (which == ':')
			return complain(&c, "%s needs a value", argv[at]);
		if (which == '?' || is_abbreviated(argv[at], table[index].name))
			return complain(&c, "unknown option '%s'", argv[at]);
		if (seen[which] && which != OPTION_PIN && which != OPTION_SERVER)
			return complain(&c, "--%s is given twice", table[index].name);
		seen[which] = true;
		int r = take(o, which, optarg, &c);

		if (r < 0)
			return r;
	}
	if (optind < argc)
		return complain(&c, "unexpected argument; a token is never given as an argument");
	return check_together(o, &c);
}

void options_help(FILE *out)
{
	fputs("Usage: muster-enrol --server HOST:PORT... --pin PIN --server-key KEY --release-key "
	      "KEY\n"
	      "                    [--min-serial N] [--proxy URL] [--token-file FILE]\n"
	      "                    [--listen[=PORT]] [--dry-run] [--json] [--quiet]\n"
	      "       muster-enrol --rekey [--token-file FILE] [--json] [--quiet]\n"
	      "       muster-enrol --update [--release DIGEST] [--wait SECONDS] [--dry-run]\n"
	      "                    [--json] [--quiet]\n"
	      "       muster-enrol --status [--json]\n"
	      "       muster-enrol --uninstall [--purge] [--json] [--quiet]\n"
	      "\n"
	      "Enrols this machine with a muster server and starts its agent; undoes everything "
	      "if\n"
	      "that fails. The token is read from standard input, or asked at a terminal.\n"
	      "See muster-enrol(8).\n",
		out);
}

/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include "enrol/fields.h"
#include "enrol/options.h"
#include "enrol/proxy.h"
#include "enrol/report.h"

#define PIN     "sha256//qZkmXhKVNfYMGgVg6p2zu0m6mQ3Jv1wX2n6eF2i0bFs="
#define PIN2    "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
#define KEY     "02c6047f9441ed7d6d3045406e95c07cd85c778e4b8cef3ca7abac09b95c709ee5"
#define SIGN    "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3"
#define RELEASE "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define BASE    "--server", "a.example:1", "--pin", PIN, "--server-key", KEY, "--release-key", SIGN

static struct options o;
static char why[256];

/* Parses the words up to a NULL. */
static int parse(const char *const words[])
{
	char *argv[32] = { (char *)(uintptr_t) "muster-enrol" };
	int argc = 1;

	for (; words[argc - 1]; argc++)
		argv[argc] = (char *)(uintptr_t)words[argc - 1];
	*why = '\0';
	return options_parse(&o, argc, argv, why, sizeof why);
}

#define PARSE(...) parse((const char *const[]){ __VA_ARGS__, NULL })

static void all_options_are_taken(void **state)
{
	(void)state;
	assert_int_equal(PARSE(BASE, "--min-serial=7", "--proxy", "", "--token-file", "/t",
				 "--dry-run", "--json", "--quiet"),
		0);
	assert_string_equal(o.server, "a.example:1");
	assert_int_equal(o.servers.count, 1);
	assert_string_equal(o.pins_text, PIN);
	assert_int_equal(o.min_serial, 7);
	assert_string_equal(o.proxy, "");
	assert_string_equal(o.token_file, "/t");
	assert_true(o.dry_run && o.json && o.quiet && !o.purge);
	assert_int_equal(o.mode, MODE_ENROL);
	assert_int_equal(o.listen, 0);
	assert_int_equal(PARSE(BASE, "--listen"), 0);
	assert_int_equal(o.listen, LISTEN_PORT);
	assert_int_equal(PARSE(BASE, "--listen=65535", "--json"), 0);
	assert_int_equal(o.listen, 65535);
	assert_int_equal(PARSE("--status", "--json"), 0);
	assert_int_equal(PARSE("--rekey", "--token-file", "/root/token", "--json"), 0);
	assert_int_equal(o.mode, MODE_REKEY);
	assert_int_equal(PARSE("--uninstall", "--purge"), 0);
	assert_int_equal(o.mode, MODE_UNINSTALL);
	assert_int_equal(PARSE("--update"), 0);
	assert_int_equal(o.mode, MODE_UPDATE);
	assert_int_equal(o.wait, 0);
	assert_int_equal(PARSE("--update", "--wait=3600", "--dry-run", "--json", "--quiet"), 0);
	assert_int_equal(o.wait, 3600);
	assert_null(o.release_text);
	assert_int_equal(PARSE("--update", "--release", RELEASE), 0);
	assert_string_equal(o.release_text, RELEASE);
	assert_int_equal(o.release[0], 0xe3);
	assert_int_equal(o.release[31], 0x55);
	assert_int_equal(PARSE("--units", "/a"), 0);
	assert_int_equal(o.mode, MODE_UNITS);
	assert_string_equal(o.units_folder, "/a");
	assert_int_equal(PARSE("--version"), 0);
	/* As the script passes it. */
	assert_int_equal(PARSE(BASE, "--min-serial", "0", "--uninstall"), 0);
}

static void a_port_that_is_none_is_refused(void **state)
{
	(void)state;
	assert_int_equal(PARSE(BASE, "--listen=0"), -EINVAL);
	assert_int_equal(PARSE(BASE, "--listen=65536"), -EINVAL);
	assert_int_equal(PARSE(BASE, "--listen=-1"), -EINVAL);
	assert_int_equal(PARSE(BASE, "--listen="), -EINVAL);
	assert_int_equal(PARSE(BASE, "--listen=80x"), -EINVAL);
	assert_int_equal(PARSE(BASE, "--listen", "80"), -EINVAL);
	assert_int_equal(PARSE(BASE, "--listen", "--listen=80"), -EINVAL);
	assert_int_equal(PARSE("--uninstall", "--listen"), -EINVAL);
	assert_int_equal(PARSE("--status", "--listen"), -EINVAL);
}

static void several_pins_are_taken_in_either_form(void **state)
{
	(void)state;
	assert_int_equal(PARSE(BASE, "--pin", PIN2), 0);
	assert_int_equal(o.pins.count, 2);
	assert_string_equal(o.pins_text, PIN ";" PIN2);
	assert_int_equal(PARSE("--pin", PIN ";" PIN2, "--status"), 0);
	assert_string_equal(o.pins_text, PIN ";" PIN2);
	assert_int_equal(PARSE("--pin", PIN ";" PIN ";" PIN ";" PIN, "--pin",
				 PIN ";" PIN ";" PIN ";" PIN, "--status"),
		0);
	assert_int_equal(PARSE("--pin", PIN ";" PIN ";" PIN ";" PIN, "--pin",
				 PIN ";" PIN ";" PIN ";" PIN ";" PIN, "--status"),
		-EINVAL);
}

static void several_servers_are_taken_in_either_form(void **state)
{
	(void)state;
	assert_int_equal(PARSE(BASE, "--server", "[::1]:2 c:3", "--server", "d:4"), 0);
	assert_int_equal(o.servers.count, 4);
	assert_string_equal(o.server, "a.example:1");
	assert_string_equal(o.servers.at[1], "[::1]:2");
	assert_string_equal(o.servers.at[3], "d:4");
}

static void what_is_wrong_is_named(void **state)
{
	static const struct {
		const char *words[14];
		const char *named;
	} wrong[] = {
		{ { NULL }, "--server" },
		{ { "--server", "a:1", NULL }, "--pin" },
		{ { "--server", "a:1", "--pin", PIN, NULL }, "--server-key" },
		{ { "--server", "a:1", "--pin", PIN, "--server-key", KEY, NULL }, "--release-key" },
		{ { "--server", NULL }, "--server" },
		{ { "--server", "https://a:1", NULL }, "--server" },
		{ { "--server", "a", NULL }, "--server" },
		{ { "--server", "a b:1", NULL }, "--server" },
		{ { "--server", "a:1'", NULL }, "--server" },
		{ { "--server", "a:0", NULL }, "--server" },
		{ { "--server", "a:65536", NULL }, "--server" },
		{ { "--pin", "sha256//AAAA", NULL }, "--pin" },
		{ { "--pin", PIN ";", NULL }, "--pin" },
		{ { "--pin", "", NULL }, "--pin" },
		{ { "--server-key", KEY "00", NULL }, "--server-key" },
		{ { "--server-key", "04", NULL }, "--server-key" },
		{ { "--release-key", "RWQ", NULL }, "--release-key" },
		{ { "--min-serial", "-1", NULL }, "--min-serial" },
		{ { "--min-serial", "1x", NULL }, "--min-serial" },
		{ { "--min-serial", "18446744073709551616", NULL }, "--min-serial" },
		{ { "--proxy", "http://a b", NULL }, "--proxy" },
		{ { "--proxy", "http://a\n", NULL }, "--proxy" },
		{ { "--json", "--json", NULL }, "--json" },
		{ { "--server", "a:1", "--server", "a:1", NULL }, "the same a second time" },
		{ { "--server", "a:1 b:1 A:1", NULL }, "the same a second time" },
		{ { "--server", "a:1 b", NULL }, "not HOST:PORT" },
		{ { "--server", "a:1,b:1", NULL }, "not HOST:PORT" },
		{ { "--server", "", NULL }, "not HOST:PORT" },
		{ { "--server", "a:1 a:2 a:3 a:4 a:5", "--server", "a:6 a:7 a:8 a:9", NULL },
			"more than 8" },
		{ { "--status", "--uninstall", NULL }, "--status" },
		{ { "--status", "--dry-run", NULL }, "--dry-run" },
		{ { "--status", "--purge", NULL }, "--purge" },
		{ { "--rekey", "--purge", NULL }, "--purge" },
		{ { "--update", "--purge", NULL }, "--purge" },
		{ { "--update", "--rekey", NULL }, "--update" },
		{ { "--update", "--update", NULL }, "twice" },
		{ { "--update", "--server", "hub:8443", NULL }, "--update" },
		{ { "--update", "--pin", PIN, NULL }, "--update" },
		{ { "--update", "--server-key", KEY, NULL }, "--update" },
		{ { "--update", "--release-key", SIGN, NULL }, "--update" },
		{ { "--update", "--proxy", "", NULL }, "--update" },
		{ { "--update", "--min-serial", "7", NULL }, "--update" },
		{ { "--update", "--token-file", "/root/token", NULL }, "no token" },
		{ { "--update", "--listen", NULL }, "--listen" },
		{ { "--update", "--wait", NULL }, "--wait" },
		{ { "--update", "--wait", "0", NULL }, "--wait" },
		{ { "--update", "--wait", "3601", NULL }, "--wait" },
		{ { "--update", "--wait", "-1", NULL }, "--wait" },
		{ { "--update", "--wait", "2s", NULL }, "--wait" },
		{ { "--uninstall", "--wait", "2", NULL }, "--wait" },
		{ { BASE, "--wait", "2", NULL }, "--wait" },
		{ { "--update", "--release", NULL }, "--release" },
		{ { "--update", "--release", "", NULL }, "--release" },
		{ { "--update", "--release", RELEASE "0", NULL }, "--release" },
		{ { "--update", "--release", &RELEASE[1], NULL }, "--release" },
		{ { "--update", "--release",
			  "g3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
			  NULL },
			"--release" },
		{ { "--update", "--release",
			  "E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855",
			  NULL },
			"--release" },
		{ { "--update", "--release", RELEASE, "--release", RELEASE, NULL }, "twice" },
		{ { "--release", RELEASE, BASE, NULL }, "--release" },
		{ { "--uninstall", "--release", RELEASE, NULL }, "--release" },
		{ { "--rekey", "--release", RELEASE, NULL }, "--release" },
		{ { "--units", "here", NULL }, "--units" },
		{ { "--units", NULL }, "--units" },
		{ { "--units", "/a", "--update", NULL }, "--update" },
		{ { "--rekey", "--dry-run", NULL }, "--dry-run" },
		{ { "--rekey", "--uninstall", NULL }, "--rekey" },
		{ { "--rekey", "--rekey", NULL }, "twice" },
		{ { "--rekey", "--server", "hub:8443", NULL }, "--rekey" },
		{ { "--rekey", "--proxy", "http://proxy:3128", NULL }, "--rekey" },
		{ { "--rekey", "--min-serial", "7", NULL }, "--rekey" },
		{ { BASE, "--purge", NULL }, "--purge" },
		{ { BASE, "0123456789abcdef", NULL }, "never given as an argument" },
		{ { "--stat", NULL }, "--stat" },
		{ { "--dry", NULL }, "--dry" },
		{ { "-h", NULL }, "-h" },
		{ { "--token=0123456789abcdef", NULL }, "unknown" },
		{ { "--json=yes", NULL }, "--json=yes" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(wrong); i++) {
		assert_int_equal(parse(wrong[i].words), -EINVAL);
		assert_non_null(strstr(why, wrong[i].named));
	}
}

static void a_token_given_as_an_argument_is_not_shown(void **state)
{
	(void)state;
	assert_int_equal(PARSE(BASE, "0123456789abcdef"), -EINVAL);
	assert_null(strstr(why, "0123456789abcdef"));
}

/* ---- proxy */

static void exceptions_are_taken_as_curl_takes_them(void **state)
{
	(void)state;
	assert_true(proxy_is_excepted("*", "a.example:1"));
	assert_true(proxy_is_excepted("b,a.example", "a.example:1"));
	assert_true(proxy_is_excepted("b , example", "a.example:1"));
	assert_true(proxy_is_excepted(".example", "a.example:1"));
	assert_true(proxy_is_excepted("A.EXAMPLE", "a.example:1"));
	assert_true(proxy_is_excepted("::1", "[::1]:1"));
	assert_false(proxy_is_excepted("", "a.example:1"));
	assert_false(proxy_is_excepted("xample", "a.example:1"));
	assert_false(proxy_is_excepted("b.a.example", "a.example:1"));
	assert_false(proxy_is_excepted(",,.", "a.example:1"));
}

static void the_environment_names_the_proxy(void **state)
{
	(void)state;
	unsetenv("https_proxy");
	unsetenv("HTTPS_PROXY");
	unsetenv("all_proxy");
	unsetenv("ALL_PROXY");
	unsetenv("no_proxy");
	unsetenv("NO_PROXY");
	assert_null(proxy_from_environment("a:1"));
	setenv("ALL_PROXY", "http://all", 1);
	assert_string_equal(proxy_from_environment("a:1"), "http://all");
	setenv("https_proxy", "http://one", 1);
	assert_string_equal(proxy_from_environment("a:1"), "http://one");
	setenv("no_proxy", "a", 1);
	assert_null(proxy_from_environment("a:1"));
	assert_string_equal(proxy_from_environment("b:1"), "http://one");
	setenv("https_proxy", "http://o ne", 1);
	setenv("no_proxy", "a.example", 1);
	assert_int_equal(PARSE(BASE), 0);
	unsetenv("no_proxy");
	assert_int_equal(PARSE(BASE), -EINVAL);
	unsetenv("https_proxy");
	unsetenv("ALL_PROXY");
}

/* ---- fields */

static void values_are_found_by_name(void **state)
{
	static const char text[] = "# Server=no\n[agent]\n Server = a:1 \nServerKey=02\nPins=x\n"
				   "Pins=y\nEmpty=\nN=12\nLast=z";
	char value[8];

	(void)state;
	fields_text(text, "Server", value, sizeof value);
	assert_string_equal(value, "a:1");
	fields_text(text, "Last", value, sizeof value);
	assert_string_equal(value, "z");
	fields_text(text, "Empty", value, sizeof value);
	assert_string_equal(value, "");
	fields_text(text, "Serv", value, sizeof value);
	assert_string_equal(value, "");
	fields_joined(text, "Pins", ';', value, sizeof value);
	assert_string_equal(value, "x;y");
	fields_joined(text, "Pins", ';', value, 3);
	assert_string_equal(value, "x");
	assert_int_equal(fields_number(text, "N"), 12);
	assert_int_equal(fields_number(text, "Last"), 0);
	fields_text("Server=12345678", "Server", value, sizeof value);
	assert_string_equal(value, "");
}

/* ---- report */

static void json_strings_hold_anything(void **state)
{
	static const struct {
		const char *text, *json;
	} strings[] = { { "", "\"\"" }, { "a\"b\\c", "\"a\\\"b\\\\c\"" }, { "✓", "\"✓\"" },
		{ "\033[31m\n", "\"\\\\x1b[31m\\\\x0a\"" }, { "\xff", "\"\\\\xff\"" },
		{ "\xe2\x80\xae", "\"\\\\xe2\\\\x80\\\\xae\"" } };

	(void)state;
	for (size_t i = 0; i < COUNT(strings); i++) {
		char *json = NULL;
		size_t len;
		FILE *out = open_memstream(&json, &len);

		report_json_string(out, strings[i].text);
		fclose(out);
		assert_string_equal(json, strings[i].json);
		free(json);
	}
}

static void amounts_are_for_people(void **state)
{
	char text[REPORT_AMOUNT_SIZE];

	(void)state;
	assert_string_equal(report_bytes(999, text), "999 bytes");
	assert_string_equal(report_bytes(3100000, text), "3.1 MB");
	assert_string_equal(report_duration(1, text), "1 second");
	assert_string_equal(report_duration(90, text), "90 seconds");
	assert_string_equal(report_duration(86400, text), "24 hours");
	assert_string_equal(report_duration(731 * 86400, text), "731 days");
	assert_true(strlen(report_bytes(UINT64_MAX, text)) < sizeof text);
	assert_true(strlen(report_duration(UINT64_MAX, text)) < sizeof text);
}

UNIT(it(all_options_are_taken), it(a_port_that_is_none_is_refused),
	it(several_pins_are_taken_in_either_form), it(several_servers_are_taken_in_either_form),
	it(what_is_wrong_is_named), it(a_token_given_as_an_argument_is_not_shown),
	it(exceptions_are_taken_as_curl_takes_them), it(the_environment_names_the_proxy),
	it(values_are_found_by_name), it(json_strings_hold_anything), it(amounts_are_for_people))

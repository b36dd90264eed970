/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include <sys/stat.h>

#include "agent/config.h"
#include "lib/file.h"

#define PIN "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
#define KEY "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"
#define REL "RWQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define ID  "000102030405060708090a0b0c0d0e0f"

#define SERVER  "Server=muster.example.org:8443\n"
#define PINS    "Pins=" PIN "\n"
#define KEYS    "ServerKey=" KEY "\nReleaseKey=" REL "\n"
#define CLIENT  "Client=" ID "\n"
#define MINIMUM "[agent]\n" SERVER PINS KEYS CLIENT

static int load(const char *text, struct config *ret, char why[static CONFIG_WHY_SIZE])
{
	char folder[] = "/tmp/agent-config-XXXXXX", path[64];
	int r;

	assert_non_null(mkdtemp(folder));
	(void)snprintf(path, sizeof path, "%s/conf", folder);
	assert_int_equal(file_create(path, text, strlen(text), 0644), 0);
	why[0] = '\0';
	r = config_load(path, ret, why);
	(void)unlink(path);
	(void)rmdir(folder);
	return r;
}

static void what_is_left_out_has_a_default(void **state)
{
	char why[CONFIG_WHY_SIZE];
	struct config c;

	(void)state;
	assert_int_equal(load(MINIMUM, &c, why), 0);
	assert_int_equal(c.servers.count, 1);
	assert_string_equal(c.servers.at[0], "muster.example.org:8443");
	assert_int_equal(c.pins.count, 1);
	assert_string_equal(c.pins_text, PIN);
	assert_int_equal(c.server_key[0], 4);
	assert_int_equal(c.client_id[15], 15);
	assert_false(c.has_proxy);
	assert_int_equal(c.connect_timeout, 30);
	assert_int_equal(c.backoff_cap_ms, 300000);
	assert_false(c.listen);
	assert_int_equal(c.listen_idle, 30);
}

static void every_key_is_taken(void **state)
{
	char why[CONFIG_WHY_SIZE];
	struct config c;

	(void)state;
	assert_int_equal(load("; a comment\n" MINIMUM "Pins = " PIN ";" PIN "\n"
			      "Proxy=http://proxy:3128\nConnectTimeout=5s\nBackoffCap=1h\n",
				 &c, why),
		0);
	assert_int_equal(c.pins.count, 3);
	assert_string_equal(c.pins_text, PIN ";" PIN ";" PIN);
	assert_string_equal(c.proxy, "http://proxy:3128");
	assert_int_equal(c.connect_timeout, 5);
	assert_int_equal(c.backoff_cap_ms, 3600000);
	assert_int_equal(load(MINIMUM "Mode=listen\nListenIdle=5s\n", &c, why), 0);
	assert_true(c.listen);
	assert_int_equal(c.listen_idle, 5);
	assert_int_equal(load(MINIMUM "Mode=connect\n", &c, why), 0);
	assert_false(c.listen);
	assert_true(c.updates);
	assert_int_equal(load(MINIMUM "Updates=no\n", &c, why), 0);
	assert_false(c.updates);
	assert_int_equal(load(MINIMUM "Updates=yes\n", &c, why), 0);
	assert_true(c.updates);
	assert_int_equal(load(MINIMUM "Proxy=\n", &c, why), 0);
	assert_true(c.has_proxy);
	assert_string_equal(c.proxy, "");
}

static void a_mistake_is_named_with_its_line(void **state)
{
	static const struct {
		const char *text, *where;
	} rows[] = {
		{ "", ":0: Server= is missing" },
		{ "[agent]\n" PINS KEYS CLIENT, ": Server= is missing" },
		{ "[agent]\n" SERVER KEYS CLIENT, ": Pins= is missing" },
		{ "[agent]\n" SERVER PINS CLIENT, ": ServerKey= is missing" },
		{ "[agent]\n" SERVER PINS KEYS, ": Client= is missing" },
		{ SERVER, ":1: unknown section []" },
		{ "[server]\nx=1\n", ":2: unknown section [server]" },
		{ MINIMUM "Colour=red\n", ":7: unknown key Colour=" },
		{ MINIMUM "server=a:1\n", ":7: unknown key server=" },
		{ MINIMUM SERVER, ":7: Server= names the same a second time" },
		{ MINIMUM "Server=MUSTER.example.org:8443\n", ":7: Server= names the same" },
		{ MINIMUM "Server=b:1 c:1 b:1\n", ":7: Server= names the same" },
		{ MINIMUM "Server=b:1 c\n", ":7: Server= wants HOST:PORT, or several" },
		{ MINIMUM "Server=b:1,c:1\n", ":7: Server= wants" },
		{ MINIMUM "Server=b:1\n c:1 c\n", ":8: Server= wants" },
		{ MINIMUM "Server=\n", ":7: Server= wants" },
		{ MINIMUM "Server=a:1 a:2 a:3 a:4\nServer=a:5 a:6 a:7 a:8\n",
			":8: Server= names more than 8" },
		{ MINIMUM CLIENT, ":7: Client= is given a second time" },
		{ MINIMUM "nonsense\nColour=red\n", ":7: neither" },
		{ MINIMUM "Colour=red\nnonsense\n", ":7: unknown key" },
		{ "[agent]\nServer=http://x\n", ":2: Server= wants HOST:PORT" },
		{ "[agent]\nServer=\n", ":2: Server= wants" },
		{ "[agent]\nPins=sha256//x\n", ":2: Pins= wants" },
		{ "[agent]\nPins=\n", ":2: Pins= wants" },
		{ "[agent]\nServerKey=" KEY "00\n", ":2: ServerKey= wants" },
		{ "[agent]\nServerKey=05" ID ID "\n", ":2: ServerKey= wants" },
		{ "[agent]\nClient=00\n", ":2: Client= wants" },
		{ "[agent]\nClient=" ID "00\n", ":2: Client= wants" },
		{ "[agent]\nClient=zz0102030405060708090a0b0c0d0e0f\n", ":2: Client= wants" },
		{ "[agent]\nReleaseKey=x\n", ":2: ReleaseKey= wants" },
		{ MINIMUM "ConnectTimeout=0\n", ":7: ConnectTimeout= wants" },
		{ MINIMUM "ConnectTimeout=11m\n", ":7: ConnectTimeout= wants" },
		{ MINIMUM "Updates=\n", ":7: Updates= wants yes or no" },
		{ MINIMUM "Updates=false\n", ":7: Updates= wants yes or no" },
		{ MINIMUM "Updates=no\nUpdates=yes\n", ":8: Updates= is given a second time" },
		{ MINIMUM "Mode=\n", ":7: Mode= wants" },
		{ MINIMUM "Mode=Listen\n", ":7: Mode= wants" },
		{ MINIMUM "Mode=listen\nMode=connect\n", ":8: Mode= is given a second time" },
		{ MINIMUM "ListenIdle=0\n", ":7: ListenIdle= wants" },
		{ MINIMUM "ListenIdle=2d\n", ":7: ListenIdle= wants" },
		{ MINIMUM "BackoffCap=soon\n", ":7: BackoffCap= wants" },
		{ MINIMUM "BackoffCap=2d\n", ":7: BackoffCap= wants" },
		{ MINIMUM "Proxy=http://a b\n", ":7: Proxy= wants" },
		{ MINIMUM "Pins=" PIN ";" PIN ";" PIN ";" PIN "\n", ":7: the line is longer" },
	};
	struct config c;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		char why[CONFIG_WHY_SIZE];
		int r = load(rows[i].text, &c, why);

		if (r != -EBADMSG || !strstr(why, rows[i].where))
			fail_msg("row %zu: %d %s", i, r, why);
	}
}

static void several_servers_are_taken_from_one_line_or_many(void **state)
{
	char why[CONFIG_WHY_SIZE];
	struct config c;

	(void)state;
	assert_int_equal(
		load(MINIMUM "Server = b:1\t[::1]:2 ; both\n  d:4\nServer=a:5 a:6 a:7 a:8\n", &c,
			why),
		0);
	assert_int_equal(c.servers.count, 8);
	assert_string_equal(c.servers.at[0], "muster.example.org:8443");
	assert_string_equal(c.servers.at[1], "b:1");
	assert_string_equal(c.servers.at[2], "[::1]:2");
	assert_string_equal(c.servers.at[3], "d:4");
	assert_string_equal(c.servers.at[7], "a:8");
}

static void more_pins_than_eight_are_refused(void **state)
{
	char text[2048] = MINIMUM, why[CONFIG_WHY_SIZE];
	struct config c;

	(void)state;
	for (int n = 2; n <= PINS_MAX; n++)
		strcat(text, PINS);
	assert_int_equal(load(text, &c, why), 0);
	strcat(text, PINS);
	assert_int_equal(load(text, &c, why), -EBADMSG);
}

static void a_missing_file_is_told(void **state)
{
	char why[CONFIG_WHY_SIZE];
	struct config c;

	(void)state;
	assert_int_equal(config_load("/nonexistent/x", &c, why), -ENOENT);
	assert_non_null(strstr(why, "/nonexistent/x"));
}

UNIT(it(what_is_left_out_has_a_default), it(every_key_is_taken),
	it(a_mistake_is_named_with_its_line), it(several_servers_are_taken_from_one_line_or_many),
	it(more_pins_than_eight_are_refused), it(a_missing_file_is_told))

/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include <sys/stat.h>

#include "server/config.h"

static char path[] = "/tmp/muster-config-XXXXXX";
static char error[CONFIG_ERROR_SIZE];

static int load(const char *text, size_t len, struct config *ret)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
	config_defaults(ret);
	strcpy(error, "");
	return config_load(path, ret, error);
}

static int make_file(void **state)
{
	(void)state;
	int fd = mkstemp(path);
	return fd < 0 ? -1 : close(fd);
}

static int remove_file(void **state)
{
	(void)state;
	return unlink(path);
}

static void an_empty_file_leaves_the_defaults(void **state)
{
	struct config c;

	(void)state;
	assert_int_equal(load("", 0, &c), 0);
	assert_int_equal(c.listen_count, 1);
	assert_int_equal(c.heartbeat, 60);
	assert_int_equal(c.connections, 20000);
	assert_false(c.connections_given);
	assert_int_equal(config_idle_timeout(&c), 210);
	assert_string_equal(c.state, "/var/lib/muster");
	assert_string_equal(c.control, "/run/muster/control.sock");
}

static void every_key_is_taken(void **state)
{
	static const char text[] =
		"# a comment\n; another\n[server]\nListen=127.0.0.1:0\nListen = [::1]:8443\n"
		"Name=a.example:443 "
		"[2001:db8::1]:8443\nName=b.example:443\nState=/s\nControl=/c\nClients=/"
		"p\nHeartbeat=5m\n\n"
		"[limits]\nConnections=1\nConnectionsPerSource=2\nHandshakeTimeout=3s\n"
		"RequestTimeout=4\nIdleTimeout=1h\nWrongTokensPerSource=5\nWrongTokens=6\n";
	struct config c;

	(void)state;
	assert_int_equal(load(text, strlen(text), &c), 0);
	assert_int_equal(c.listen_count, 2);
	assert_int_equal(c.listen[0].address.ss_family, AF_INET);
	assert_int_equal(c.listen[1].address.ss_family, AF_INET6);
	assert_string_equal(config_name(&c), "a.example:443");
	assert_int_equal(c.names.count, 3);
	assert_string_equal(c.names.at[1], "[2001:db8::1]:8443");
	assert_string_equal(c.names.at[2], "b.example:443");
	assert_string_equal(c.state, "/s");
	assert_string_equal(c.control, "/c");
	assert_string_equal(c.clients, "/p");
	assert_int_equal(c.heartbeat, 300);
	assert_int_equal(c.connections, 1);
	assert_true(c.connections_given);
	assert_int_equal(c.connections_per_source, 2);
	assert_int_equal(c.handshake_timeout, 3);
	assert_int_equal(c.request_timeout, 4);
	assert_int_equal(config_idle_timeout(&c), 3600);
	assert_int_equal(c.wrong_tokens_per_source, 5);
	assert_int_equal(c.wrong_tokens, 6);
}

#define LONG50 "01234567890123456789012345678901234567890123456789"
static const struct {
	const char *text;
	unsigned line; /* that the message names */
	const char *part;
} mistakes[] = {
	{ "[server]\nHeartbeat=0\n", 2, "duration" },
	{ "[server]\nHeartbeat=-1s\n", 2, "duration" },
	{ "[server]\nHeartbeat=1y\n", 2, "duration" },
	{ "[server]\nHeartbeat=2d\n", 2, "duration" },
	{ "[server]\nHeartbeat=\n", 2, "duration" },
	{ "[server]\n\n\nListen=nowhere\n", 4, "Listen" },
	{ "[server]\nListen=1.2.3.4:65536\n", 2, "Listen" },
	{ "[server]\nListen=::1:8443\n", 2, "Listen" },
	{ "[server]\nListen=1.2.3:8443\n", 2, "Listen" },
	{ "[server]\nListen=\n", 2, "Listen" },
	{ "[server]\nName=a\n", 2, "Name" },
	{ "[server]\nName=a:0\n", 2, "Name" },
	{ "[server]\nName=a b:1\n", 2, "Name" },
	{ "[server]\nName=\n", 2, "Name" },
	{ "[server]\nName=a:1,b:1\n", 2, "Name" },
	{ "[server]\nName=a:1 [1::2::3]:1\n", 2, "not a host name" },
	{ "[server]\nName=a:1\nName=b:1 A:1\n", 3, "second time" },
	{ "[server]\nName=a:1 a:2 a:3 a:4\nName=a:5 a:6 a:7 a:8 a:9\n", 3, "more than eight" },
	{ "[server]\nName=$(id):1\n", 2, "Name" },
	{ "[server]\nName=-x:1\n", 2, "Name" },
	{ "[server]\nName=a'b:1\n", 2, "Name" },
	{ "[server]\nName=[::1:1\n", 2, "Name" },
	{ "[server]\nState=here\n", 2, "absolute" },
	{ "[server]\nControl=/" LONG50 LONG50 LONG50 "\n", 2, "too long" },
	{ "[server]\nState=/a\nState=/b\n", 3, "second time" },
	{ "[server]\nStore=/var/lib/muster.db\n", 2, "not what libpq takes" },
	{ "[server]\nStore=mysql://a/b\n", 2, "not what libpq takes" },
	{ "[server]\nStore=postgresql://a/b?no=1\n", 2, "not what libpq takes" },
	{ "[server]\nStore=hots=a dbname=b\n", 2, "not what libpq takes" },
	{ "[server]\nStore=dbname='b\n", 2, "not what libpq takes" },
	{ "[server]\nStore=muster\n", 2, "not what libpq takes" },
	{ "[server]\nStore=\n", 2, "not what libpq takes" },
	{ "[server]\nStore=dbname=a\nStore=dbname=b\n", 3, "second time" },
	{ "[server]\nStoreTimeout=0s\n", 2, "too short or too long" },
	{ "[server]\nStoreTimeout=21s\n", 2, "too short or too long" },
	{ "[server]\nStoreTimeout=500ms\n", 2, "not a duration" },
	{ "[server]\nStore=postgresql://a:secret@b/c\n", 2, "StorePasswordFile=" },
	{ "[server]\nStore=host=b password=secret\n", 2, "StorePasswordFile=" },
	{ "[server]\nStore=host=b sslpassword=secret\n", 2, "StorePasswordFile=" },
	{ "[server]\nStore=host=b password='secret\n", 2, "not what libpq takes" },
	{ "[server]\nStorePasswordFile=here\n", 2, "absolute" },
	{ "[server]\nBeat=1s\n", 2, "no Beat=" },
	{ "[server]\nheartbeat=1s\n", 2, "no heartbeat=" },
	{ "[limits]\nHeartbeat=1s\n", 2, "section [limits]" },
	{ "[agent]\nHeartbeat=1s\n", 2, "section [agent]" },
	{ "[dial]\nHeartbeat=1s\n", 2, "no Heartbeat= in section [dial]" },
	{ "Heartbeat=1s\n", 1, "before the first" },
	{ "[server]\nrubbish\n", 2, "neither" },
	{ "[server\nHeartbeat=1s\n", 1, "neither" },
	{ "[server]\nName=a:1\n b:2\n", 3, "blank" },
	{ "[limits]\nConnections=0\n", 2, "number" },
	{ "[limits]\nConnections=1x\n", 2, "number" },
	{ "[limits]\nConnections=99999999999999999999\n", 2, "number" },
	{ "[limits]\nConnections= 1 2\n", 2, "number" },
	{ "[server]\n#" LONG50 LONG50 LONG50 LONG50 "\n", 2, "longer" },
	{ "[server]\nListen=1\nListen=2\nListen=3\nListen=4\nListen=5\nListen=6\nListen=7\n"
	  "Listen=8\nListen=9\n",
		10, "too many" },
};

static void a_mistake_is_named_with_its_line(void **state)
{
	char place[64];

	(void)state;
	for (size_t i = 0; i < COUNT(mistakes); i++) {
		struct config c;
		int r = load(mistakes[i].text, strlen(mistakes[i].text), &c);

		snprintf(place, sizeof(place), "%s:%u: ", path, mistakes[i].line);
		if (r != -EBADMSG || strncmp(error, place, strlen(place)) != 0 ||
			strstr(error, mistakes[i].part) == NULL || strstr(error, "secret") != NULL)
			fail_msg("%s: %d, '%s'", mistakes[i].text, r, error);
	}
}

static void a_store_is_taken_as_libpq_takes_it(void **state)
{
	static const char *const stores[] = {
		"postgresql://muster@db.example.org/muster",
		"postgres:///muster?host=/run/postgresql",
		"postgresql://m@a:5432,b:5433/m?sslmode=verify-full&sslrootcert=/etc/ca.pem",
		"host=/run/postgresql dbname=muster user=muster",
		"dbname=muster passfile=/etc/muster/pgpass",
	};
	struct config c;

	(void)state;
	for (size_t i = 0; i < COUNT(stores); i++) {
		char text[512];
		int len = snprintf(text, sizeof(text),
			"[server]\nStore=%s\nStorePasswordFile=/etc/p\n", stores[i]);

		assert_int_equal(load(text, (size_t)len, &c), 0);
		assert_string_equal(c.store, stores[i]);
		assert_string_equal(c.store_password_file, "/etc/p");
	}
}

static void a_mistake_changes_nothing(void **state)
{
	static const char text[] = "[server]\nHeartbeat=5s\nState=/elsewhere\nBeat=1\n";
	struct config c;

	(void)state;
	assert_int_equal(load(text, strlen(text), &c), -EBADMSG);
	assert_int_equal(c.heartbeat, 60);
	assert_int_equal(c.connections, 20000);
	assert_false(c.connections_given);
	assert_string_equal(c.state, "/var/lib/muster");
}

static void a_nul_byte_is_refused(void **state)
{
	static const char text[] = "[server]\nHeartbeat=5s\0\nName=a:1\n";
	struct config c;

	(void)state;
	assert_int_equal(load(text, sizeof(text) - 1, &c), -EBADMSG);
	assert_non_null(strstr(error, ":2: "));
}

static void a_last_line_without_a_newline_counts(void **state)
{
	static const char text[] = "[server]\nHeartbeat=5s";
	struct config c;

	(void)state;
	assert_int_equal(load(text, strlen(text), &c), 0);
	assert_int_equal(c.heartbeat, 5);
}

static void a_file_that_is_not_there_is_told(void **state)
{
	struct config c;

	(void)state;
	config_defaults(&c);
	assert_int_equal(config_load("/nonexistent/x", &c, error), -ENOENT);
	assert_non_null(strstr(error, "/nonexistent/x"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		it(an_empty_file_leaves_the_defaults),
		it(every_key_is_taken),
		it(a_mistake_is_named_with_its_line),
		it(a_store_is_taken_as_libpq_takes_it),
		it(a_mistake_changes_nothing),
		it(a_nul_byte_is_refused),
		it(a_last_line_without_a_newline_counts),
		it(a_file_that_is_not_there_is_told),
	};

	return cmocka_run_group_tests(tests, make_file, remove_file);
}

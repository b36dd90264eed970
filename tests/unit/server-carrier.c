/* SPDX-License-Identifier: MIT */
/* Connections that carry calls: what leaves when, streams, and what becomes of who doesn't read. */
#include "server-fixture.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "server/admin/carrier_stream.h"
#include "server/http_answer.h"

struct carrier_fixture {
	struct fixture *store;
	struct server server;
	struct door door;
	struct sockaddr_un address;
	struct carrier *stream;
	int gone, asked;
	bool writes; /* the handler opens a transaction */
};

static void on_gone(void *userdata)
{
	struct carrier_fixture *f = userdata;

	f->gone++;
	f->stream = NULL;
}

static void handle(struct door *d, const struct visitor *v, struct api_call *c)
{
	struct carrier_fixture *f = (void *)((char *)d - offsetof(struct carrier_fixture, door));

	(void)v;
	f->asked++;
	if (f->writes)
		assert_int_equal(turn_enter(f->server.turn), 0);
	if (strcmp(c->request->path, "/stream") == 0)
		c->error = carrier_stream(c, "text/event-stream", NULL, on_gone, f, &f->stream);
	else
		c->error = http_answer_problem(
			c->out, 404, "not-found", c->request->path, c->request->keep_alive, NULL);
}

static int setup_carrier(void **state)
{
	struct carrier_fixture *f = calloc(1, sizeof(*f));
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	assert_non_null(f);
	assert_int_equal(setup((void **)&f->store), 0);
	f->server.store = f->store->store;
	assert_true(sd_event_new(&f->server.loop) >= 0);
	assert_int_equal(turn_new(f->server.loop, f->server.store, &f->server.turn), 0);
	f->door = (struct door){ .server = &f->server,
		.limit = 4,
		.idle = CARRIER_IDLE_SECONDS,
		.body_limit = 1000,
		.headers = "X-Door: yes\r\n",
		.handle = handle };
	f->address.sun_family = AF_UNIX; /* abstract: it goes with its socket */
	snprintf(f->address.sun_path + 1, sizeof(f->address.sun_path) - 1, "%s", f->store->folder);
	assert_int_equal(bind(fd, (struct sockaddr *)&f->address, sizeof(f->address)), 0);
	assert_int_equal(listen(fd, 16), 0);
	assert_int_equal(door_open(&f->door, fd), 0);
	*state = f;
	return 0;
}

static int teardown_carrier(void **state)
{
	struct carrier_fixture *f = *state;

	door_close(&f->door);
	door_close(&f->door);
	f->server.turn = turn_free(f->server.turn);
	sd_event_unref(f->server.loop);
	teardown((void **)&f->store);
	free(f);
	return 0;
}

/* Until nothing is left to do. */
static void settle(struct carrier_fixture *f)
{
	while (sd_event_run(f->server.loop, 0) > 0)
		;
}

/* Until there is something to do; it stays there to be done. */
static void await_event(struct carrier_fixture *f)
{
	struct pollfd p = { .fd = sd_event_get_fd(f->server.loop), .events = POLLIN };

	settle(f);
	assert_int_equal(poll(&p, 1, -1), 1);
}

static int dial(struct carrier_fixture *f)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&f->address, sizeof(f->address)), 0);
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	settle(f);
	return fd;
}

static void say(struct carrier_fixture *f, int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
	settle(f);
}

static char heard[8192];

/* What has come, as a text; "": nothing. false: it is closed. */
static bool hear(struct carrier_fixture *f, int fd)
{
	ssize_t n;

	settle(f);
	n = recv(fd, heard, sizeof(heard) - 1, 0);
	heard[n > 0 ? n : 0] = '\0';
	return n != 0 && (n > 0 || errno == EAGAIN);
}

#define GET(path) "GET " path " HTTP/1.1\r\nHost: h\r\n\r\n"

static void a_stream_is_pushed_to_until_its_end(void **state)
{
	struct carrier_fixture *f = *state;
	int fd = dial(f);

	say(f, fd, GET("/stream"));
	assert_true(hear(f, fd));
	assert_memory_equal(heard, "HTTP/1.1 200 OK\r\nX-Door: yes\r\n", 30);
	assert_non_null(strstr(heard, "Transfer-Encoding: chunked\r\n"));
	assert_null(strstr(heard, "Content-Length"));
	assert_int_equal(carrier_push(f->stream, "one", 3), 0);
	assert_int_equal(carrier_push(f->stream, "", 0), 0); /* not the end */
	assert_int_equal(carrier_push(f->stream, "twelve bytes", 12), 0);
	assert_true(hear(f, fd));
	assert_string_equal(heard, "3\r\none\r\nc\r\ntwelve bytes\r\n");
	say(f, fd, GET("/late")); /* nobody asked for it */
	assert_int_equal(f->asked, 1);
	carrier_end(f->stream);
	assert_true(hear(f, fd));
	assert_string_equal(heard, "0\r\n\r\n");
	assert_int_equal(f->gone, 0);
	close(fd);
	settle(f);
	assert_int_equal(f->gone, 0);
}

static void an_old_client_gets_the_stream_without_chunks(void **state)
{
	struct carrier_fixture *f = *state;
	int fd = dial(f);

	say(f, fd, "GET /stream HTTP/1.0\r\nHost: h\r\n\r\n");
	assert_true(hear(f, fd));
	assert_null(strstr(heard, "chunked"));
	assert_int_equal(carrier_push(f->stream, "one", 3), 0);
	assert_true(hear(f, fd));
	assert_string_equal(heard, "one");
	carrier_end(f->stream);
	assert_false(hear(f, fd));
	close(fd);
}

static void the_owner_hears_that_the_reader_has_gone(void **state)
{
	struct carrier_fixture *f = *state;
	int fd = dial(f);

	say(f, fd, GET("/stream"));
	assert_non_null(f->stream);
	close(fd);
	settle(f);
	assert_int_equal(f->gone, 1);
	fd = dial(f);
	say(f, fd, "HEAD /stream HTTP/1.1\r\nHost: h\r\n\r\n"); /* its answer is a head only */
	assert_true(hear(f, fd));
	settle(f);
	close(fd);
	settle(f);
	assert_int_equal(f->gone, 2);
	fd = dial(f);
	say(f, fd, GET("/stream"));
	door_close(&f->door);
	assert_int_equal(f->gone, 3);
	close(fd);
}

static void who_does_not_read_is_closed(void **state)
{
	static const char part[4096] = "x";
	struct carrier_fixture *f = *state;
	int fd = dial(f), r = 0;
	size_t pushed = 0;

	say(f, fd, GET("/stream"));
	for (; r == 0 && pushed < (64u << 20); pushed += sizeof(part)) {
		r = carrier_push(f->stream, part, sizeof(part));
		if (r == 0 && pushed % (64 * sizeof(part)) == 0)
			settle(f);
	}
	assert_int_equal(r, -EMSGSIZE);
	assert_int_equal(f->gone, 0); /* not within the push */
	assert_int_equal(carrier_push(f->stream, "x", 1), -EPIPE);
	settle(f);
	assert_int_equal(f->gone, 1);
	assert_int_equal(f->door.count, 0);
	close(fd);
}

static void no_answer_leaves_before_its_commit(void **state)
{
	struct carrier_fixture *f = *state;
	int fd = dial(f);

	assert_int_equal(turn_enter(f->server.turn), 0);
	f->writes = true;
	assert_int_equal(send(fd, GET("/a"), strlen(GET("/a")), 0), strlen(GET("/a")));
	while (f->asked == 0)
		assert_true(sd_event_run(f->server.loop, 0) >= 0);
	assert_int_equal(recv(fd, heard, sizeof(heard), 0), -1);
	assert_true(hear(f, fd));
	assert_memory_equal(heard, "HTTP/1.1 404", 12);
	close(fd);
}

static void a_failed_turn_takes_the_answer_and_the_stream_away(void **state)
{
	static const char *const paths[] = { GET("/a"), GET("/stream") };
	struct carrier_fixture *f = *state;

	f->writes = true;
	for (size_t i = 0; i < COUNT(paths); i++) {
		int fd = dial(f), before = f->asked;

		assert_int_equal(send(fd, paths[i], strlen(paths[i]), 0), strlen(paths[i]));
		while (f->asked == before)
			assert_true(sd_event_run(f->server.loop, 0) >= 0);
		turn_fail(f->server.turn);
		assert_true(hear(f, fd));
		assert_memory_equal(heard, "HTTP/1.1 503", 12);
		assert_non_null(strstr(heard, "\r\nX-Door: yes\r\n"));
		assert_non_null(strstr(heard, "\r\nConnection: close\r\n"));
		assert_null(strstr(heard, "chunked"));
		close(fd);
		settle(f);
	}
	assert_int_equal(f->gone, 1);
}

static void requests_are_answered_one_after_the_other(void **state)
{
	struct carrier_fixture *f = *state;
	int fd = dial(f);
	char *second;

	say(f, fd,
		GET("/first") GET(
			"/second") "GET /third HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
	assert_true(hear(f, fd));
	second = strstr(heard, "/second");
	assert_non_null(second);
	assert_true(strstr(heard, "/first") < second && second < strstr(heard, "/third"));
	assert_int_equal(f->asked, 3);
	assert_false(hear(f, fd));
	close(fd);
}

static void who_waits_for_nothing_makes_room(void **state)
{
	struct carrier_fixture *f = *state;
	int idle[3], reading = dial(f), late;

	say(f, reading, "GET / HT");
	for (size_t i = 0; i < COUNT(idle); i++)
		idle[i] = dial(f);
	assert_int_equal(f->door.count, 4);
	late = dial(f);
	assert_int_equal(f->door.count, 4);
	assert_false(hear(f, idle[0])); /* the oldest of those */
	assert_true(hear(f, idle[1]));
	say(f, late, GET("/late"));
	assert_true(hear(f, late));
	assert_memory_equal(heard, "HTTP/1.1 404", 12);
	say(f, reading, "TP/1.1\r\nHost: h\r\n\r\n");
	assert_true(hear(f, reading));
	assert_memory_equal(heard, "HTTP/1.1 404", 12);
	for (size_t i = 0; i < COUNT(idle); i++)
		close(idle[i]);
	close(reading);
	close(late);
}

/* Who has just come may be about to speak. */
static void who_is_new_makes_no_room(void **state)
{
	struct carrier_fixture *f = *state;
	int fresh[4], late;

	f->door.grace = 3600;
	for (size_t i = 0; i < COUNT(fresh); i++)
		fresh[i] = dial(f);
	late = dial(f);
	say(f, late, GET("/late"));
	assert_int_equal(f->door.count, 4);
	for (size_t i = 0; i < COUNT(fresh); i++)
		assert_true(hear(f, fresh[i]));
	say(f, fresh[0], GET("/first"));
	assert_true(hear(f, fresh[0]));
	assert_memory_equal(heard, "HTTP/1.1 404", 12);
	assert_false(hear(f, fresh[0])); /* and now it is idle */
	assert_true(hear(f, late));
	assert_memory_equal(heard, "HTTP/1.1 404", 12);
	for (size_t i = 0; i < COUNT(fresh); i++)
		close(fresh[i]);
	close(late);
}

static void who_stays_silent_makes_room(void **state)
{
	struct carrier_fixture *f = *state;
	int silent[4], late;

	f->door.grace = 1;
	for (size_t i = 0; i < COUNT(silent); i++)
		silent[i] = dial(f);
	late = dial(f);
	while (hear(f, silent[0]))
		await_event(f);
	say(f, late, GET("/late"));
	assert_true(hear(f, late));
	assert_memory_equal(heard, "HTTP/1.1 404", 12);
	for (size_t i = 0; i < COUNT(silent); i++)
		close(silent[i]);
	close(late);
}

static void one_waits_until_another_is_done(void **state)
{
	struct carrier_fixture *f = *state;
	int busy[4], late;

	for (size_t i = 0; i < COUNT(busy); i++) {
		busy[i] = dial(f);
		say(f, busy[i], "GET / HT");
	}
	late = dial(f);
	say(f, late, GET("/late"));
	assert_true(hear(f, late));
	assert_string_equal(heard, ""); /* nobody gives way */
	say(f, busy[2], "TP/1.1\r\nHost: h\r\n\r\n");
	assert_true(hear(f, late));
	assert_memory_equal(heard, "HTTP/1.1 404", 12);
	assert_true(hear(f, busy[2])); /* its answer, then its end */
	assert_memory_equal(heard, "HTTP/1.1 404", 12);
	assert_false(hear(f, busy[2]));
	for (size_t i = 0; i < COUNT(busy); i++)
		close(busy[i]);
	close(late);
}

/* Several come at once, when there is room for one only. */
static void who_has_spoken_does_not_make_room(void **state)
{
	struct carrier_fixture *f = *state;
	int busy[3], come[3];

	for (size_t i = 0; i < COUNT(busy); i++) {
		busy[i] = dial(f);
		say(f, busy[i], "GET / HT");
	}
	for (size_t i = 0; i < COUNT(come); i++) {
		come[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		assert_int_equal(
			connect(come[i], (struct sockaddr *)&f->address, sizeof(f->address)), 0);
		assert_int_equal(
			send(come[i], GET("/now"), strlen(GET("/now")), 0), strlen(GET("/now")));
	}
	for (size_t i = 0; i < COUNT(come); i++) {
		assert_true(hear(f, come[i]));
		assert_memory_equal(heard, "HTTP/1.1 404", 12);
		close(come[i]);
	}
	for (size_t i = 0; i < COUNT(busy); i++)
		close(busy[i]);
}

/* The request comes when the end of the time for it is noticed already. */
static void a_request_at_the_last_moment_is_answered(void **state)
{
	struct carrier_fixture *f = *state;
	int fd;

	f->door.idle = 1;
	fd = dial(f);
	assert_int_equal(f->door.count, 1);
	await_event(f);
	assert_int_equal(sd_event_prepare(f->server.loop), 0);
	assert_int_equal(sd_event_wait(f->server.loop, 0), 1);
	assert_int_equal(send(fd, GET("/late"), strlen(GET("/late")), 0), strlen(GET("/late")));
	assert_int_equal(sd_event_dispatch(f->server.loop), 1);
	assert_true(hear(f, fd));
	assert_memory_equal(heard, "HTTP/1.1 404", 12);
	await_event(f);
	assert_false(hear(f, fd)); /* the next time it says nothing */
	close(fd);
}

static void a_refusal_is_seen_though_more_is_on_its_way(void **state)
{
	struct carrier_fixture *f = *state;
	char junk[4096];
	int fd = dial(f);

	memset(junk, 'x', sizeof(junk));
	say(f, fd, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10000000\r\n\r\n");
	for (int i = 0; i < 50; i++) {
		assert_int_equal(send(fd, junk, sizeof(junk), MSG_NOSIGNAL), sizeof(junk));
		settle(f);
	}
	assert_true(hear(f, fd));
	assert_memory_equal(heard, "HTTP/1.1 413", 12);
	assert_non_null(strstr(heard, "\r\nCache-Control: no-store\r\n"));
	assert_false(hear(f, fd));
	assert_int_equal(f->asked, 0);
	close(fd);
	settle(f);
	assert_int_equal(f->door.count, 0);
}

int main(void)
{
#define it(test) cmocka_unit_test_setup_teardown(test, setup_carrier, teardown_carrier)
	const struct CMUnitTest tests[] = {
		it(a_stream_is_pushed_to_until_its_end),
		it(an_old_client_gets_the_stream_without_chunks),
		it(the_owner_hears_that_the_reader_has_gone),
		it(who_does_not_read_is_closed),
		it(no_answer_leaves_before_its_commit),
		it(a_failed_turn_takes_the_answer_and_the_stream_away),
		it(requests_are_answered_one_after_the_other),
		it(who_waits_for_nothing_makes_room),
		it(who_is_new_makes_no_room),
		it(who_stays_silent_makes_room),
		it(one_waits_until_another_is_done),
		it(who_has_spoken_does_not_make_room),
		it(a_request_at_the_last_moment_is_answered),
		it(a_refusal_is_seen_though_more_is_on_its_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

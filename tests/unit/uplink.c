/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>

#include "lib/uplink.h"
#include "tests/unit/peer.h"

#define OTHER_PIN "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="

static struct uplink_options options_for(const struct peer *p)
{
	return (struct uplink_options){
		.server = p->server, .pins = p->pin, .proxy = "", .connect_timeout = 5
	};
}

/* Opens a channel to a peer that plays so; 0 or the error. */
static int open_to(struct peer *p, script *play, struct uplink **ret, struct uplink_error *e)
{
	struct uplink_options o;

	*e = (struct uplink_error){};
	peer_start(p, play);
	o = options_for(p);
	return uplink_open(&o, ret, e);
}

static void fails(script *play, enum uplink_failure failure)
{
	struct peer p = {};
	struct uplink *u = NULL;
	struct uplink_error e;

	assert_int_equal(open_to(&p, play, &u, &e), -EIO);
	peer_stop(&p);
	assert_null(u);
	if (e.failure != failure)
		fail_msg("failure %d, wanted %d: %s", (int)e.failure, (int)failure, e.text);
}

/* ---------------------------------------------------------------- scripts */

static void just_read(struct call *c)
{
	(void)call_take_request(c);
}

static void just_close(struct call *c)
{
	(void)c;
}

static void close_after_request(struct call *c)
{
	(void)call_take_request(c);
}

static void reset_after_request(struct call *c)
{
	(void)call_take_request(c);
	call_reset(c);
}

static void close_in_answer(struct call *c)
{
	(void)call_take_request(c);
	(void)call_print(c, "HTTP/1.1 101 Switch");
}

static void answer_garbage(struct call *c)
{
	(void)call_take_request(c);
	(void)call_print(c, "\x7f"
			    "ELF this is not for you\r\n\r\n");
}

static void answer_200(struct call *c)
{
	(void)call_take_request(c);
	(void)call_print(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
}

static void answer_403(struct call *c)
{
	(void)call_take_request(c);
	(void)call_print(c, "HTTP/1.1 403 Forbidden\r\nContent-Type: application/problem+json\r\n"
			    "Content-Length: "
			    "46\r\n\r\n{\"code\":\"not-enrolled\",\"detail\":\"unknown key\"}\n");
}

static void answer_redirect(struct call *c)
{
	(void)call_take_request(c);
	(void)call_print(c, "HTTP/1.1 302 Found\r\nLocation: https://127.0.0.1:1/\r\n"
			    "Content-Length: 3\r\n\r\nno!");
}

static void stay_silent(struct call *c)
{
	(void)call_take_request(c);
	(void)call_take_request(c); /* until the other end gives up */
}

static void acknowledge(struct call *c)
{
	struct message m;

	if (!call_open_channel(c))
		return;
	memcpy(c->peer->userdata, c->binding, BINDING_SIZE);
	while (call_next(c, &m))
		(void)call_ack(c, &m, 60);
}

static void show_pin(struct call *c)
{
	if (c->has_pin)
		memcpy(c->peer->userdata, c->pin, PIN_SIZE);
	(void)call_open_channel(c);
	(void)call_fill(c); /* until the other end has enough */
}

static void channel_then_garbage(struct call *c)
{
	static const uint8_t bad[] = { 0x00, 0x00, 0x00 };

	(void)call_open_channel(c);
	(void)call_write(c, bad, sizeof bad);
	(void)call_fill(c);
}

/* The 101, a message and the end, all in one go: nothing of it may be lost. */
static void all_at_once(struct call *c)
{
	struct nack nack = { .sequence = 1, .code = NACK_REVOKED, .text = "gone" };
	uint8_t body[1024];
	ssize_t len = nack_encode(&nack, body, sizeof body);
	struct buffer out = {};

	if (call_take_request(c) && call_begin_session(c) &&
		buffer_append(&out, PEER_101, strlen(PEER_101)) == 0 &&
		session_seal(c->session, OP_NACK, body, (size_t)len, &out, NULL) == 0)
		(void)call_write(c, out.data, out.len);
	buffer_clear(&out);
}

/* A proxy's request, from the bare socket. */
static bool take_connect(const struct call *c, char *ret, size_t size)
{
	size_t len = 0;

	while (len + 1 < size && recv(c->fd, ret + len, 1, 0) == 1) {
		ret[++len] = '\0';
		if (len >= 4 && strcmp(ret + len - 4, "\r\n\r\n") == 0)
			return strncmp(ret, "CONNECT ", 8) == 0;
	}
	return false;
}

static void refuse_to_tunnel(struct call *c)
{
	const char *answer = c->peer->userdata;
	char request[1024];

	if (take_connect(c, request, sizeof request))
		(void)send(c->fd, answer, strlen(answer), MSG_NOSIGNAL);
}

static bool pass_on(int from, int to)
{
	char bytes[4096];
	ssize_t n = recv(from, bytes, sizeof bytes, 0);

	return n > 0 && send(to, bytes, (size_t)n, MSG_NOSIGNAL) == n;
}

static void tunnel(struct call *c)
{
	const struct peer *to = c->peer->userdata;
	char request[1024], wanted[64];
	struct sockaddr_in a;
	socklen_t len = sizeof a;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct pollfd p[] = { { .fd = c->fd, .events = POLLIN }, { .fd = fd, .events = POLLIN } };

	(void)snprintf(wanted, sizeof wanted, "CONNECT %s HTTP/1.1\r\n", to->server);
	if (take_connect(c, request, sizeof request) &&
		strncmp(request, wanted, strlen(wanted)) == 0 &&
		getsockname(to->listener, (struct sockaddr *)&a, &len) == 0 &&
		connect(fd, (struct sockaddr *)&a, len) == 0 &&
		send(c->fd, "HTTP/1.1 200 OK\r\n\r\n", 19, MSG_NOSIGNAL) == 19)
		while (poll(p, 2, 5000) > 0 && (!p[0].revents || pass_on(c->fd, fd)) &&
			(!p[1].revents || pass_on(fd, c->fd)))
			;
	(void)close(fd);
}

/* ---------------------------------------------------------------- tests */

static void a_server_is_a_host_and_a_port(void **state)
{
	static const char *const good[] = { "a:1", "muster.example.org:8443", "[::1]:443",
		"10.0.0.1:65535", "[fe80::1:2.3.4.5]:1" };
	static const char *const bad[] = { "", "a", "a:", ":1", "a:0", "a:65536", "a:1x", "a:-1",
		"a: 1", "a b:1", "a/b:1", "u@a:1", "[::1]", "[]:1", "[::1:1", "::1:1", "-a:1",
		".a:1", "a\n:1", "a:1\n", "https://a:1", "[g::]:1", "a:1?x", "a#:1", "a%41:1",
		"[::1%lo]:1" };

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++)
		if (uplink_check_server(good[i]) != 0)
			fail_msg("%s", good[i]);
	for (size_t i = 0; i < COUNT(bad); i++)
		if (uplink_check_server(bad[i]) != -EINVAL)
			fail_msg("%s", bad[i]);
}

static void malformed_options_are_refused(void **state)
{
	static const char *const pins[] = { "", ";", "sha256//", "sha256//AAAA", "md5//x",
		OTHER_PIN ";x", OTHER_PIN OTHER_PIN,
		OTHER_PIN ";" OTHER_PIN ";" OTHER_PIN ";" OTHER_PIN ";" OTHER_PIN ";" OTHER_PIN
			  ";" OTHER_PIN ";" OTHER_PIN ";" OTHER_PIN };
	struct uplink_options o = { .server = "a:1" };
	struct uplink *u = NULL;

	(void)state;
	for (size_t i = 0; i < COUNT(pins); i++) {
		o.pins = pins[i];
		if (uplink_prepare(&o, &u) != -EINVAL)
			fail_msg("%s", pins[i]);
	}
	o = (struct uplink_options){ .server = "a b:1", .pins = OTHER_PIN };
	assert_int_equal(uplink_prepare(&o, &u), -EINVAL);
	assert_null(u);
}

static void both_ends_have_the_same_binding(void **state)
{
	uint8_t theirs[BINDING_SIZE], zero[BINDING_SIZE] = {};
	struct peer p = { .userdata = theirs };
	struct uplink *u = NULL;
	struct uplink_error e;

	(void)state;
	assert_int_equal(open_to(&p, acknowledge, &u, &e), 0);
	uint8_t ours[BINDING_SIZE];
	memcpy(ours, uplink_binding(u), sizeof ours);
	u = uplink_free(u);
	peer_stop(&p);
	assert_memory_equal(ours, theirs, BINDING_SIZE);
	assert_memory_not_equal(ours, zero, BINDING_SIZE);
}

static void messages_go_both_ways(void **state)
{
	uint8_t body[BODY_ANSWER_MAX], theirs[BINDING_SIZE];
	struct peer p = { .userdata = theirs };
	struct session_setup setup = { .self = FROM_CLIENT };
	struct session *s = NULL;
	struct uplink *u = NULL;
	struct uplink_error e;
	struct hello hello = {};
	struct ack ack;
	ssize_t len = hello_encode(&hello, body, sizeof body);

	(void)state;
	assert_int_equal(open_to(&p, acknowledge, &u, &e), 0);
	setup.identity = p.client;
	setup.peer = identity_public(p.identity);
	memcpy(setup.binding, uplink_binding(u), BINDING_SIZE);
	assert_int_equal(session_new(&setup, &s), 0);
	for (uint64_t n = 1; n <= 50; n++) {
		struct message m;

		assert_int_equal(uplink_send(u, s, OP_HELLO, body, (size_t)len, 5, &e), 0);
		assert_int_equal(uplink_receive(u, s, &m, 5, &e), 0);
		assert_int_equal(m.op, OP_ACK);
		assert_int_equal(ack_decode(m.body, m.len, &ack), 0);
		assert_int_equal(ack.sequence, n);
	}
	session_free(s);
	u = uplink_free(u);
	peer_stop(&p);
}

static void no_byte_leaves_under_a_wrong_pin(void **state)
{
	struct peer p = {};
	struct uplink_options o;
	struct uplink *u = NULL;
	struct uplink_error e = {};

	(void)state;
	peer_start(&p, just_read);
	o = options_for(&p);
	o.pins = OTHER_PIN;
	assert_int_equal(uplink_open(&o, &u, &e), -EIO);
	assert_int_equal(e.failure, UPLINK_PIN);
	assert_int_equal(uplink_download(&o, "/clients/manifest", -1, 10, NULL, NULL, &e), -EIO);
	peer_stop(&p);
	assert_true(p.calls >= 1);
	assert_int_equal(p.bytes, 0);
}

static void one_of_several_pins_is_enough(void **state)
{
	uint8_t theirs[BINDING_SIZE];
	struct peer p = { .userdata = theirs };
	struct uplink_options o;
	struct uplink *u = NULL;
	struct uplink_error e = {};
	char pins[2 * PIN_TEXT_SIZE];

	(void)state;
	peer_start(&p, acknowledge);
	(void)snprintf(pins, sizeof pins, OTHER_PIN ";%s", p.pin);
	o = options_for(&p);
	o.pins = pins;
	assert_int_equal(uplink_open(&o, &u, &e), 0);
	u = uplink_free(u);
	peer_stop(&p);
}

static void the_client_shows_its_key(void **state)
{
	uint8_t seen[PIN_SIZE] = {};
	struct peer p = { .userdata = seen };
	struct tlskey mine;
	struct uplink_options o;
	struct uplink *u = NULL;
	struct uplink_error e = {};

	(void)state;
	assert_int_equal(tlskey_generate(TLSKEY_ED25519, "client", &mine), 0);
	peer_start(&p, show_pin);
	o = options_for(&p);
	o.tls = &mine;
	if (uplink_open(&o, &u, &e) < 0)
		fail_msg("%s", e.text);
	u = uplink_free(u);
	peer_stop(&p);
	assert_memory_equal(seen, mine.pin, PIN_SIZE);
	tlskey_clear(&mine);
}

static void a_server_without_tls13_is_refused(void **state)
{
	struct peer p = { .no_tls13 = true };
	struct uplink *u = NULL;
	struct uplink_error e;

	(void)state;
	assert_int_equal(open_to(&p, just_read, &u, &e), -EIO);
	peer_stop(&p);
	assert_int_equal(e.failure, UPLINK_TLS);
	assert_int_equal(p.bytes, 0);
}

static void an_end_at_each_step_is_told(void **state)
{
	struct peer p = { .raw = true };
	struct uplink *u = NULL;
	struct uplink_error e;

	(void)state;
	assert_int_equal(open_to(&p, just_close, &u, &e), -EIO);
	peer_stop(&p);
	assert_true(e.failure == UPLINK_TLS || e.failure == UPLINK_LOST);
	fails(just_close, UPLINK_LOST);
	fails(close_after_request, UPLINK_LOST);
	fails(reset_after_request, UPLINK_LOST);
	fails(close_in_answer, UPLINK_HTTP);
}

static void other_answers_are_told(void **state)
{
	(void)state;
	fails(answer_garbage, UPLINK_HTTP);
	fails(answer_200, UPLINK_HTTP);
	fails(answer_redirect, UPLINK_HTTP);
}

static void a_refusal_is_told_with_code_and_words(void **state)
{
	struct peer p = {};
	struct uplink *u = NULL;
	struct uplink_error e;

	(void)state;
	assert_int_equal(open_to(&p, answer_403, &u, &e), -EIO);
	peer_stop(&p);
	assert_int_equal(e.failure, UPLINK_HTTP);
	assert_int_equal(e.status, 403);
	assert_string_equal(e.code, "not-enrolled");
	assert_non_null(strstr(e.text, "answers 403: unknown key"));
}

static void a_closed_port_is_unreachable(void **state)
{
	struct peer p = {};
	struct uplink_options o;
	struct uplink *u = NULL;
	struct uplink_error e = {};

	(void)state;
	peer_start(&p, just_read);
	peer_stop(&p); /* the port was free a moment ago */
	o = options_for(&p);
	assert_int_equal(uplink_open(&o, &u, &e), -EIO);
	assert_int_equal(e.failure, UPLINK_UNREACHABLE);
	assert_non_null(strstr(e.text, p.server));
}

static void a_proxy_that_goes_nowhere_is_told(void **state)
{
	static const char *const answers[] = { "", "HTTP/1.1 403 Forbidden\r\n\r\n",
		"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n" };

	(void)state;
	for (size_t i = 0; i < COUNT(answers); i++) {
		struct uplink_options o = { .server = "127.0.0.1:9", .pins = OTHER_PIN };
		struct peer p = { .raw = true, .userdata = (void *)(uintptr_t)answers[i] };
		struct uplink *u = NULL;
		struct uplink_error e = {};
		char proxy[64];

		peer_start(&p, refuse_to_tunnel);
		(void)snprintf(proxy, sizeof proxy, "http://%s", p.server);
		o.proxy = proxy;
		assert_int_equal(uplink_open(&o, &u, &e), -EIO);
		peer_stop(&p);
		if (e.failure != UPLINK_PROXY)
			fail_msg("row %zu: %d: %s", i, (int)e.failure, e.text);
	}
}

static void through_a_proxy_all_is_the_same(void **state)
{
	uint8_t theirs[BINDING_SIZE];
	struct peer p = { .userdata = theirs }, way = { .raw = true, .userdata = &p };
	struct uplink_options o;
	struct uplink *u = NULL;
	struct uplink_error e = {};
	char proxy[64];

	(void)state;
	peer_start(&p, acknowledge);
	peer_start(&way, tunnel);
	(void)snprintf(proxy, sizeof proxy, "http://%s", way.server);
	o = options_for(&p);
	o.proxy = NULL; /* then by the environment */
	assert_int_equal(setenv("https_proxy", proxy, 1), 0);
	assert_int_equal(uplink_open(&o, &u, &e), 0);
	u = uplink_free(u);
	assert_int_equal(way.calls, 1);
	o.proxy = proxy;
	assert_int_equal(uplink_open(&o, &u, &e), 0);
	u = uplink_free(u);
	assert_int_equal(way.calls, 2);
	o.pins = OTHER_PIN;
	assert_int_equal(uplink_open(&o, &u, &e), -EIO);
	assert_int_equal(e.failure, UPLINK_PIN);
	o = options_for(&p); /* "": none, whatever the environment says */
	assert_int_equal(uplink_open(&o, &u, &e), 0);
	u = uplink_free(u);
	assert_int_equal(way.calls, 3);
	assert_int_equal(unsetenv("https_proxy"), 0);
	peer_stop(&way);
	peer_stop(&p);
}

static void silence_ends_in_time(void **state)
{
	struct peer p = {};
	struct uplink_options o;
	struct uplink *u = NULL;
	struct uplink_error e = {};

	(void)state;
	peer_start(&p, stay_silent);
	o = options_for(&p);
	o.connect_timeout = 1;
	assert_int_equal(uplink_open(&o, &u, &e), -ETIMEDOUT);
	peer_stop(&p);
	assert_null(u);
}

static void cancel_stops_it(void **state)
{
	static volatile sig_atomic_t cancel = 1;
	struct peer p = {};
	struct uplink_options o;
	struct uplink *u = NULL;
	struct uplink_error e = {};

	(void)state;
	peer_start(&p, stay_silent);
	o = options_for(&p);
	o.cancel = &cancel;
	assert_int_equal(uplink_open(&o, &u, &e), -ECANCELED);
	peer_stop(&p);
	assert_int_equal(e.failure, UPLINK_CANCELED);
}

static struct session *session_on(struct peer *p, struct uplink *u)
{
	struct session_setup setup = { .self = FROM_CLIENT, .identity = p->client };
	struct session *s = NULL;

	setup.peer = identity_public(p->identity);
	memcpy(setup.binding, uplink_binding(u), BINDING_SIZE);
	assert_int_equal(session_new(&setup, &s), 0);
	return s;
}

static void garbage_on_the_channel_is_refused(void **state)
{
	struct peer p = {};
	struct uplink *u = NULL;
	struct uplink_error e;
	struct message m;

	(void)state;
	assert_int_equal(open_to(&p, channel_then_garbage, &u, &e), 0);
	struct session *s = session_on(&p, u);
	assert_int_equal(uplink_receive(u, s, &m, 5, &e), -EBADMSG);
	session_free(s);
	u = uplink_free(u);
	peer_stop(&p);
}

static void what_came_before_the_end_is_given_out(void **state)
{
	struct peer p = {};
	struct uplink *u = NULL;
	struct uplink_error e;
	struct message m;

	(void)state;
	assert_int_equal(open_to(&p, all_at_once, &u, &e), 0);
	struct session *s = session_on(&p, u);
	assert_int_equal(uplink_receive(u, s, &m, 5, &e), 0);
	assert_int_equal(m.op, OP_NACK);
	assert_int_equal(uplink_receive(u, s, &m, 5, &e), -EIO);
	assert_int_equal(e.failure, UPLINK_LOST);
	session_free(s);
	u = uplink_free(u);
	peer_stop(&p);
}

/* ---------------------------------------------------------------- downloads */

static void serve_text(struct call *c)
{
	(void)call_take_request(c);
	(void)call_print(c, c->peer->userdata);
}

/* Downloads what a peer answers; the file's size, or the error. */
static ssize_t download(const char *answer, uint64_t limit, struct uplink_error *e)
{
	char text[4096], name[] = "/tmp/uplink-XXXXXX";
	struct peer p = { .userdata = text };
	int fd = mkstemp(name), r;
	struct uplink_options o;

	(void)snprintf(text, sizeof text, "%s", answer);
	assert_true(fd >= 0);
	(void)unlink(name);
	*e = (struct uplink_error){};
	assert_int_equal(write(fd, "what was there before", 21), 21);
	peer_start(&p, serve_text);
	o = options_for(&p);
	r = uplink_download(&o, "/clients/manifest", fd, limit, NULL, NULL, e);
	peer_stop(&p);
	off_t size = lseek(fd, 0, SEEK_END);
	(void)close(fd);
	return r < 0 ? r : size;
}

#define OK_HEAD "HTTP/1.1 200 OK\r\n"

static void a_file_is_downloaded(void **state)
{
	struct uplink_error e;

	(void)state;
	assert_int_equal(download(OK_HEAD "Content-Length: 5\r\n\r\nhello", 5, &e), 5);
	assert_int_equal(download(OK_HEAD "Content-Length: 0\r\n\r\n", 5, &e), 0);
	assert_int_equal(
		download(
			OK_HEAD "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", 5, &e),
		5);
}

static void other_downloads_fail(void **state)
{
	static const struct {
		const char *answer;
		enum uplink_failure failure;
		unsigned status;
	} rows[] = {
		{ OK_HEAD "Content-Length: 6\r\n\r\nhello!", UPLINK_HTTP, 0 },
		{ OK_HEAD "Connection: close\r\n\r\nhello!", UPLINK_HTTP, 0 },
		{ OK_HEAD "Transfer-Encoding: chunked\r\n\r\n6\r\nhello!\r\n0\r\n\r\n", UPLINK_HTTP,
			0 },
		{ OK_HEAD "Content-Length: 5\r\n\r\nhel", UPLINK_LOST, 0 },
		{ OK_HEAD "Content-Length: x\r\n\r\nhel", UPLINK_HTTP, 0 },
		{ "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 2\r\n\r\n"
		  "no",
			UPLINK_HTTP, 302 },
		{ "HTTP/1.1 404 x\r\nContent-Length: 2\r\n\r\nno", UPLINK_HTTP, 404 },
		{ "HTTP/1.1 206 x\r\nContent-Length: 2\r\n\r\nno", UPLINK_HTTP, 206 },
		{ "HTTP/1.1 204 x\r\n\r\n", UPLINK_HTTP, 204 },
		{ "garbage\r\n\r\n", UPLINK_HTTP, 0 },
		{ "", UPLINK_LOST, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct uplink_error e;
		ssize_t r = download(rows[i].answer, 5, &e);

		if (r != -EIO || e.failure != rows[i].failure || e.status != rows[i].status)
			fail_msg("row %zu: %zd, failure %d, status %u: %s", i, r, (int)e.failure,
				e.status, e.text);
	}
}

static void a_full_disk_is_told(void **state)
{
	struct peer p = { .userdata = (char[]){ OK_HEAD "Content-Length: 5\r\n\r\nhello" } };
	struct uplink_error e = {};
	struct uplink_options o;
	int fd = memfd_create("full", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	(void)state;
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW), 0);
	peer_start(&p, serve_text);
	o = options_for(&p);
	assert_int_equal(uplink_download(&o, "/x", fd, 5, NULL, NULL, &e), -EIO);
	peer_stop(&p);
	assert_int_equal(e.failure, UPLINK_LOCAL);
	(void)close(fd);
}

int main(void)
{
	static const struct CMUnitTest tests[] = { it(a_server_is_a_host_and_a_port),
		it(malformed_options_are_refused), it(both_ends_have_the_same_binding),
		it(messages_go_both_ways), it(no_byte_leaves_under_a_wrong_pin),
		it(one_of_several_pins_is_enough), it(the_client_shows_its_key),
		it(a_server_without_tls13_is_refused), it(an_end_at_each_step_is_told),
		it(other_answers_are_told), it(a_refusal_is_told_with_code_and_words),
		it(a_closed_port_is_unreachable), it(a_proxy_that_goes_nowhere_is_told),
		it(through_a_proxy_all_is_the_same), it(silence_ends_in_time), it(cancel_stops_it),
		it(garbage_on_the_channel_is_refused), it(what_came_before_the_end_is_given_out),
		it(a_file_is_downloaded), it(other_downloads_fail), it(a_full_disk_is_told) };

	if (secret_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, uplink_begin, uplink_end);
}

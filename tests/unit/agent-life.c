/* SPDX-License-Identifier: MIT */
/* The whole agent on its loop, against a scripted server. */
#include "tests/unit/unit.h"

#include <sys/stat.h>

#include "agent/agent.h"
#include "agent/ending.h"
#include "agent/spool.h"
#include "agent/status.h"
#include "lib/file.h"
#include "lib/uplink.h"
#include "tests/unit/peer.h"

#define DEADLINE 120 /* seconds, then what a test waits for won't come */

struct life {
	struct peer peer;
	char folder[64], config[96];
	struct agent_paths paths;
	sd_event *event;
	struct agent *agent;
	unsigned letters;   /* in the spool at the start */
	const char *beside; /* addresses before the peer's, each with a blank behind; may be NULL */
	const char *more;   /* lines of the configuration; may be NULL */
};

/* ---------------------------------------------------------------- scripts */

/* A server's usual behaviour. */
static void serve(struct call *c)
{
	struct message m;

	if (!call_open_channel(c))
		return;
	while (call_next(c, &m) && m.op == OP_HELLO && call_ack(c, &m, 5))
		;
}

static void hang_up(struct call *c)
{
	call_reset(c);
}

static void drop_the_first(struct call *c)
{
	struct message m;

	if (c->n > 1) {
		serve(c);
	} else if (call_open_channel(c) && call_next(c, &m) && call_ack(c, &m, 5)) {
		call_reset(c);
	}
}

static void refuse_the_first(struct call *c)
{
	struct message m;

	if (c->n > 1)
		serve(c);
	else if (call_open_channel(c) && call_next(c, &m))
		(void)call_nack(
			c, &m, (struct nack){ .code = NACK_NOT_ENROLLED, .text = "by root" });
	(void)call_fill(c);
}

static void say_state(struct call *c, enum machine_state which, const char *text)
{
	struct state_notice notice = { .state = (uint8_t)which };
	uint8_t body[600];
	ssize_t len;

	(void)snprintf(notice.text, sizeof notice.text, "%s", text);
	len = state_notice_encode(&notice, body, sizeof body);
	(void)call_say(c, OP_STATE, body, (size_t)len);
}

/* Before the first acknowledgement it is suspended, after the second it is active again. */
static void suspend_for_a_while(struct call *c)
{
	struct message m;

	if (!call_open_channel(c) || !call_next(c, &m))
		return;
	say_state(c, MACHINE_SUSPENDED, "look into it");
	if (!call_ack(c, &m, 5) || !call_next(c, &m) || !call_ack(c, &m, 5))
		return;
	say_state(c, MACHINE_ACTIVE, "");
	while (call_next(c, &m) && call_ack(c, &m, 5))
		;
}

static void revoke_at_once(struct call *c)
{
	struct message m;

	if (!call_open_channel(c) || !call_next(c, &m) || !call_ack(c, &m, 5))
		return;
	say_state(c, MACHINE_REVOKED, "stolen");
	(void)call_fill(c);
}

static void revoke_by_nack(struct call *c)
{
	struct message m;

	if (call_open_channel(c) && call_next(c, &m))
		(void)call_nack(c, &m, (struct nack){ .code = NACK_REVOKED, .text = "stolen" });
	(void)call_fill(c);
}

/* Neither is an answer to what was said, nor a state that can be. */
static void revoke_something_else_first(struct call *c)
{
	struct message m;

	if (c->n > 2) {
		serve(c);
		return;
	}
	if (!call_open_channel(c) || !call_next(c, &m))
		return;
	if (c->n == 1) {
		m.sequence++;
		(void)call_nack(c, &m, (struct nack){ .code = NACK_REVOKED });
	} else {
		say_state(c, MACHINE_PENDING, "");
	}
	(void)call_fill(c);
}

static void forbid_the_first(struct call *c)
{
	if (c->n > 1) {
		serve(c);
		return;
	}
	(void)call_take_request(c);
	(void)call_print(c, "HTTP/1.1 403 Forbidden\r\nContent-Type: application/problem+json\r\n"
			    "Content-Length: "
			    "46\r\n\r\n{\"code\":\"not-enrolled\",\"detail\":\"unknown key\"}\n");
}

static void be_busy_first(struct call *c)
{
	struct message m;

	if (c->n > 1)
		serve(c);
	else if (call_open_channel(c) && call_next(c, &m))
		(void)call_nack(c, &m, (struct nack){ .code = NACK_BUSY, .retry = 3 });
	(void)call_fill(c);
}

static void acknowledge_something_else(struct call *c)
{
	struct message m;

	if (c->n > 1) {
		serve(c);
	} else if (call_open_channel(c) && call_next(c, &m)) {
		m.sequence++;
		(void)call_ack(c, &m, 5);
		(void)call_fill(c);
	}
}

static void answer_with_garbage_first(struct call *c)
{
	uint8_t garbage[FRAME_HEAD + PACKET_MIN] = { 0, PACKET_MIN };

	if (c->n > 1) {
		serve(c);
	} else if (call_open_channel(c)) {
		(void)call_write(c, garbage, sizeof garbage);
		while (call_fill(c))
			;
	}
}

/* Something that this agent doesn't know is answered, and the channel goes on. */
static void send_a_config(struct call *c)
{
	struct message m;
	struct nack nack;

	if (!call_open_channel(c) || !call_next(c, &m) || !call_say(c, OP_CONFIG, "x", 1))
		return;
	uint64_t hello = m.sequence;

	if (call_next(c, &m) && m.op == OP_NACK && nack_decode(m.body, m.len, &nack) == 0)
		*(uint16_t *)c->peer->userdata = nack.code;
	m.sequence = hello;
	(void)call_ack(c, &m, 5);
	while (call_next(c, &m) && call_ack(c, &m, 5))
		;
}

/* The codes of its answers go to the peer's userdata. */
static void order_updates(struct call *c)
{
	static const struct update_order order = { 7, { 1 }, "0.2.0" };
	uint16_t *codes = c->peer->userdata;
	uint8_t body[64];
	ssize_t len = update_order_encode(&order, body, sizeof body);
	struct message m;
	struct nack nack;

	if (!call_open_channel(c) || !call_next(c, &m) || !call_ack(c, &m, 5) ||
		!call_say(c, OP_UPDATE, body, (size_t)len - 1) ||
		!call_say(c, OP_UPDATE, "\x02", 1) || !call_say(c, OP_UPDATE, body, (size_t)len))
		return;
	for (int i = 0; i < 3 && call_next(c, &m) && m.op == OP_NACK; i++)
		codes[i] = nack_decode(m.body, m.len, &nack) == 0 ? nack.code : UINT16_MAX;
	while (call_next(c, &m) && call_ack(c, &m, 5))
		;
}

static void have_another_clock(struct call *c)
{
	struct message m;

	if (!call_open_channel(c) || !call_next(c, &m))
		return;
	struct ack ack = { .sequence = m.sequence,
		.time = (uint64_t)time(NULL) + 3 * 86400 + 100,
		.heartbeat = 5 };
	uint8_t body[64];
	ssize_t len = ack_encode(&ack, body, sizeof body);

	(void)call_say(c, OP_ACK, body, (size_t)len);
	(void)call_fill(c);
}

/* What has come of messages, a letter each. */
struct letters {
	char text[64];
};

static void note(struct call *c, const struct message *m)
{
	struct letters *l = c->peer->userdata;
	struct msg msg;

	if (msg_decode(m->body, m->len, &msg) == 0 && strlen(l->text) + 1 < sizeof l->text)
		(void)strncat(l->text, msg.text, 1);
}

static void take_messages(struct call *c)
{
	struct message m;

	if (!call_open_channel(c))
		return;
	while (call_next(c, &m)) {
		if (m.op == OP_MSG)
			note(c, &m);
		if (!call_ack(c, &m, 5))
			return;
	}
}

/* One ACK for three of them; then the next HELLO, and the line is lost. */
static void take_three_at_once(struct call *c)
{
	struct message m;
	unsigned n = 0;

	if (c->n > 1) {
		take_messages(c);
		return;
	}
	if (!call_open_channel(c) || !call_next(c, &m) || !call_ack(c, &m, 5))
		return;
	while (call_next(c, &m) && m.op == OP_MSG)
		if (++n <= 3) {
			note(c, &m);
			if (n == 3)
				(void)call_ack(c, &m, 5);
		}
	call_reset(c);
}

static void refuse_the_second(struct call *c)
{
	struct message m;
	unsigned n = 0;

	if (!call_open_channel(c))
		return;
	while (call_next(c, &m)) {
		if (m.op == OP_MSG && ++n == 2) {
			(void)call_nack(c, &m, (struct nack){ .code = NACK_MALFORMED });
			continue;
		}
		if (m.op == OP_MSG)
			note(c, &m);
		(void)call_ack(c, &m, 5);
	}
}

/* An ACK of a later HELLO says nothing of messages, which would wait for ever. */
static void forget_messages_first(struct call *c)
{
	struct message m;

	if (c->n > 1) {
		take_messages(c);
		return;
	}
	if (call_open_channel(c))
		while (call_next(c, &m))
			if (m.op == OP_HELLO)
				(void)call_ack(c, &m, 5);
}

/* ---------------------------------------------------------------- a life */

static void put(struct life *l, const char *name, const char *text)
{
	char path[128];

	(void)snprintf(path, sizeof path, "%s/%s", l->folder, name);
	assert_int_equal(file_write_atomic(path, text, strlen(text), 0644), 0);
}

static void write_config(struct life *l, const char *pin)
{
	char text[1024], key[IDENTITY_TEXT_SIZE];

	identity_public_to_text(identity_public(l->peer.identity), key);
	(void)snprintf(text, sizeof text,
		"[agent]\nServer=%s%s\nPins=%s\nServerKey=%s\nClient="
		"00000000000000000000000000000000\n"
		"ReleaseKey=RWQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n"
		"Proxy=\nBackoffCap=1s\nConnectTimeout=5s\n%s",
		l->beside ? l->beside : "", l->peer.server, pin, key, l->more ? l->more : "");
	put(l, "conf", text);
}

static void write_keys(struct life *l)
{
	char path[128];
	struct tlskey tls;

	(void)snprintf(path, sizeof path, "%s/identity.key", l->folder);
	assert_int_equal(identity_save(l->peer.client, path), 0);
	(void)snprintf(path, sizeof path, "%s/tls.pem", l->folder);
	assert_int_equal(tlskey_generate(TLSKEY_ED25519, "muster", &tls), 0);
	assert_int_equal(tlskey_save(&tls, path), 0);
	tlskey_clear(&tls);
}

/* Messages that are in the spool when the agent starts: a, b, c, ... */
static void fill_spool(struct life *l)
{
	char path[96];
	struct spool *s;
	unsigned damaged;

	(void)snprintf(path, sizeof path, "%s/spool", l->folder);
	assert_int_equal(spool_open(path, &s, &damaged), 0);
	for (unsigned i = 0; i < l->letters; i++) {
		char text[] = { (char)('a' + i) };
		uint8_t key[SPOOL_KEY_SIZE] = { (uint8_t)(i + 1) };
		struct msg m = { .type = "test", .text = text, .len = 1 };

		assert_int_equal(spool_add(s, key, &m), 0);
	}
	assert_int_equal(spool_sync(s), 0);
	spool_free(s);
}

static void begin(struct life *l, script *play)
{
	(void)snprintf(l->folder, sizeof l->folder, "/tmp/agent-life-XXXXXX");
	assert_non_null(mkdtemp(l->folder));
	(void)snprintf(l->config, sizeof l->config, "%s/conf", l->folder);
	l->paths = (struct agent_paths){ l->config, l->folder, l->folder, -1, -1 };
	peer_start(&l->peer, play);
	write_config(l, l->peer.pin);
	write_keys(l);
	fill_spool(l);
	assert_true(sd_event_new(&l->event) >= 0);
	assert_int_equal(agent_new(l->event, &l->paths, &l->agent), 0);
}

static void finish(struct life *l)
{
	static const char *const files[] = { "conf", "identity.key", "tls.pem", "status", "revoked",
		"spool/id", "spool/acked", "spool/0000000000000001.log" };

	l->agent = agent_free(l->agent);
	sd_event_unref(l->event);
	peer_stop(&l->peer);
	for (size_t i = 0; i < COUNT(files); i++) {
		char path[128];

		(void)snprintf(path, sizeof path, "%s/%s", l->folder, files[i]);
		(void)unlink(path);
	}
	(void)snprintf(l->config, sizeof l->config, "%s/spool", l->folder);
	(void)rmdir(l->config);
	assert_int_equal(rmdir(l->folder), 0);
}

/* Runs the loop until the status file tells of that state (and so many HELLOs have come). */
static struct status wait_for(struct life *l, enum state state, unsigned messages)
{
	time_t until = time(NULL) + DEADLINE;
	struct status s = {};

	do {
		assert_true(sd_event_run(l->event, 100 * 1000) >= 0);
		assert_int_equal(status_read(l->folder, &s), 0);
		if (time(NULL) > until)
			fail_msg("still %s after %u messages: %s", status_name(s.state),
				l->peer.messages, s.detail);
	} while (s.state != state || l->peer.messages < messages);
	return s;
}

static void lives_through(script *play)
{
	struct life l = {};

	begin(&l, play);
	(void)wait_for(&l, CONNECTED, 1);
	assert_true(l.peer.calls >= 2);
	finish(&l);
}

/* ---------------------------------------------------------------- tests */

static void it_connects_and_says_hello_again_and_again(void **state)
{
	struct life l = {};
	struct status s;

	(void)state;
	begin(&l, serve);
	s = wait_for(&l, CONNECTED, 1);
	assert_true(s.hello >= s.since && s.since > 0);
	assert_string_equal(s.server, l.peer.server);
	assert_string_equal(s.detail, "");
	s = wait_for(&l, CONNECTED, 3);
	assert_int_equal(l.peer.calls, 1);
	finish(&l);
}

/* Runs the loop until all these messages have come. */
static void messages_come(script *play, const char *text)
{
	struct letters letters = {};
	struct life l = { .letters = 5, .peer.userdata = &letters };
	time_t until = time(NULL) + 2 * DEADLINE;

	begin(&l, play);
	while (strlen(letters.text) < strlen(text) && time(NULL) <= until)
		assert_true(sd_event_run(l.event, 100 * 1000) >= 0);
	(void)wait_for(&l, CONNECTED, 1);
	finish(&l);
	assert_string_equal(letters.text, text);
}

static void its_messages_arrive_in_order(void **state)
{
	(void)state;
	messages_come(take_messages, "abcde");
}

static void one_ack_is_for_all_messages_before(void **state)
{
	(void)state;
	messages_come(take_three_at_once, "abcde");
}

static void a_message_that_is_refused_does_not_stop_the_others(void **state)
{
	(void)state;
	messages_come(refuse_the_second, "acde");
}

static void messages_that_are_not_acknowledged_come_again(void **state)
{
	(void)state;
	messages_come(forget_messages_first, "abcde");
}

static void it_comes_back_after_a_loss(void **state)
{
	struct life l = {};

	(void)state;
	begin(&l, drop_the_first);
	(void)wait_for(&l, WAITING, 1);
	(void)wait_for(&l, CONNECTED, 2);
	assert_int_equal(l.peer.calls, 2);
	finish(&l);
}

static void it_keeps_trying_when_refused(void **state)
{
	struct life l = {};
	struct status s;

	(void)state;
	begin(&l, refuse_the_first);
	s = wait_for(&l, REFUSED, 1);
	assert_non_null(strstr(s.detail, nack_name(NACK_NOT_ENROLLED)));
	assert_non_null(strstr(s.detail, "by root"));
	(void)wait_for(&l, CONNECTED, 2);
	finish(&l);
}

static void it_keeps_trying_when_not_enrolled(void **state)
{
	struct life l = {};
	struct status s;

	(void)state;
	begin(&l, forbid_the_first);
	s = wait_for(&l, REFUSED, 0);
	assert_non_null(strstr(s.detail, "unknown key"));
	(void)wait_for(&l, CONNECTED, 1);
	finish(&l);
}

static void it_waits_as_long_as_a_busy_server_says(void **state)
{
	struct life l = {};
	const time_t began = time(NULL);
	struct status s;

	(void)state;
	begin(&l, be_busy_first);
	s = wait_for(&l, WAITING, 1);
	assert_true(s.next >= began + 3);
	(void)wait_for(&l, CONNECTED, 2);
	finish(&l);
}

static void suspended_it_goes_on_saying_hello(void **state)
{
	struct life l = {};
	struct status s;

	(void)state;
	begin(&l, suspend_for_a_while);
	s = wait_for(&l, SUSPENDED, 1);
	assert_string_equal(s.detail, "look into it");
	s = wait_for(&l, CONNECTED, 2);
	assert_string_equal(s.detail, "");
	assert_int_equal(l.peer.calls, 1);
	finish(&l);
}

static bool is_there(const struct life *l, const char *name)
{
	char path[128];

	(void)snprintf(path, sizeof path, "%s/%s", l->folder, name);
	return access(path, F_OK) == 0;
}

/* The keys are gone for good: so are their bytes, where another name still leads to them. */
static void ends_revoked(script *play)
{
	struct life l = {};
	struct agent *none = NULL;
	char key[128], other[128], why[ENDING_SIZE];
	char *text;
	size_t len;

	begin(&l, play);
	(void)snprintf(key, sizeof key, "%s/identity.key", l.folder);
	(void)snprintf(other, sizeof other, "%s/other", l.folder);
	assert_int_equal(link(key, other), 0);
	assert_int_equal(sd_event_loop(l.event), AGENT_EXIT_REVOKED);
	assert_false(is_there(&l, "identity.key"));
	assert_false(is_there(&l, "tls.pem"));
	assert_int_equal(file_read(other, 4096, &text, &len), 0);
	assert_int_equal(strlen(text), 0);
	assert_true(len >= 64);
	free(text);
	assert_int_equal(unlink(other), 0);
	assert_int_equal(ending_read(l.folder, why), 0);
	assert_string_equal(why, "stolen");
	assert_int_equal(agent_new(l.event, &l.paths, &none), -EKEYREVOKED);
	assert_null(none);
	finish(&l);
}

static void revoked_it_wipes_its_keys_and_ends(void **state)
{
	(void)state;
	ends_revoked(revoke_at_once);
	ends_revoked(revoke_by_nack);
}

static void a_revocation_of_something_else_changes_nothing(void **state)
{
	struct life l = {};

	(void)state;
	begin(&l, revoke_something_else_first);
	(void)wait_for(&l, CONNECTED, 3);
	assert_true(is_there(&l, "identity.key") && is_there(&l, "tls.pem"));
	assert_false(is_there(&l, "revoked"));
	finish(&l);
}

static void it_gives_up_what_is_not_authentic(void **state)
{
	(void)state;
	lives_through(acknowledge_something_else);
	lives_through(answer_with_garbage_first);
}

static void it_answers_what_it_does_not_know(void **state)
{
	uint16_t code = 0;
	struct life l = { .peer.userdata = &code };

	(void)state;
	begin(&l, send_a_config);
	(void)wait_for(&l, CONNECTED, 2);
	finish(&l);
	assert_int_equal(code, NACK_UNSUPPORTED);
}

static void an_update_that_it_does_not_take_is_refused_and_it_goes_on(void **state)
{
	uint16_t codes[3] = {};
	struct life l = { .peer.userdata = codes, .more = "Updates=no\n" };

	(void)state;
	begin(&l, order_updates);
	(void)wait_for(&l, CONNECTED, 4);
	assert_int_equal(l.peer.calls, 1);
	finish(&l);
	assert_int_equal(codes[0], NACK_MALFORMED);
	assert_int_equal(codes[1], NACK_UNSUPPORTED);
	assert_int_equal(codes[2], NACK_NO_UPDATES);
}

static void a_wrong_clock_is_named(void **state)
{
	struct life l = {};
	struct status s;

	(void)state;
	begin(&l, have_another_clock);
	s = wait_for(&l, CONNECTED, 1);
	assert_non_null(strstr(s.detail, "3 days behind the server"));
	finish(&l);
}

static void no_byte_leaves_under_a_wrong_pin(void **state)
{
	struct life l = {};
	struct status s;

	(void)state;
	begin(&l, serve);
	write_config(&l, "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
	agent_reload(l.agent);
	s = wait_for(&l, WAITING, 0);
	assert_non_null(strstr(s.detail, "pin"));
	assert_int_equal(l.peer.bytes, 0);
	write_config(&l, l.peer.pin);
	agent_reload(l.agent);
	(void)wait_for(&l, CONNECTED, 1);
	finish(&l);
}

static void a_mistake_in_the_new_configuration_changes_nothing(void **state)
{
	struct life l = {};

	(void)state;
	begin(&l, serve);
	(void)wait_for(&l, CONNECTED, 1);
	put(&l, "conf", "[agent]\nServer=nonsense\n");
	agent_reload(l.agent);
	(void)wait_for(&l, CONNECTED, 2);
	assert_int_equal(l.peer.calls, 1);
	finish(&l);
}

static void without_keys_it_does_not_start(void **state)
{
	struct life l = {};
	char path[128];
	struct agent *none = NULL;

	(void)state;
	begin(&l, serve);
	(void)snprintf(path, sizeof path, "%s/tls.pem", l.folder);
	assert_int_equal(chmod(path, 0640), 0);
	assert_int_equal(agent_new(l.event, &l.paths, &none), -EPERM);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(agent_new(l.event, &l.paths, &none), -ENOENT);
	assert_null(none);
	finish(&l);
}

/* ---------------------------------------------------------------- several addresses */

/* Wherever its chance begins, the one that serves is found within the first round. */
static void dead_addresses_are_passed_over(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++) {
		struct life l = { .beside = "127.0.0.1:1 127.0.0.1:2 " };
		struct status s;

		begin(&l, serve);
		s = wait_for(&l, CONNECTED, 1);
		assert_string_equal(s.server, l.peer.server);
		assert_int_equal(l.peer.calls, 1);
		finish(&l);
	}
}

static void that_none_of_them_serves_is_told(void **state)
{
	struct life l = { .beside = "127.0.0.1:1 127.0.0.1:2 " };
	time_t until = time(NULL) + DEADLINE;
	struct status s;

	(void)state;
	begin(&l, hang_up);
	do {
		s = wait_for(&l, WAITING, 0);
		assert_true(strncmp(s.server, "127.0.0.1:", 10) == 0);
		assert_true(time(NULL) <= until);
	} while (strncmp(s.detail, "none of 3 addresses serves; the last: ", 38) != 0);
	finish(&l);
}

/* The one that refuses it speaks for all: they share their machines. */
static void a_refusal_ends_the_round(void **state)
{
	struct life l = { .beside = "127.0.0.1:1 " };
	struct status s;

	(void)state;
	begin(&l, refuse_the_first);
	s = wait_for(&l, REFUSED, 0);
	assert_string_equal(s.server, l.peer.server);
	assert_null(strstr(s.detail, "none of"));
	(void)wait_for(&l, CONNECTED, 1);
	finish(&l);
}

static void a_reload_takes_new_addresses(void **state)
{
	struct life l = { .beside = "127.0.0.1:1 127.0.0.1:2 " };
	struct status s;

	(void)state;
	begin(&l, serve);
	(void)wait_for(&l, CONNECTED, 1);
	l.beside = NULL;
	write_config(&l, l.peer.pin);
	agent_reload(l.agent);
	s = wait_for(&l, CONNECTED, 2);
	assert_string_equal(s.server, l.peer.server);
	assert_int_equal(l.peer.calls, 2);
	finish(&l);
}

int main(void)
{
	static const struct CMUnitTest tests[] = { it(it_connects_and_says_hello_again_and_again),
		it(it_comes_back_after_a_loss), it(it_keeps_trying_when_refused),
		it(it_keeps_trying_when_not_enrolled), it(it_waits_as_long_as_a_busy_server_says),
		it(suspended_it_goes_on_saying_hello), it(revoked_it_wipes_its_keys_and_ends),
		it(a_revocation_of_something_else_changes_nothing),
		it(it_gives_up_what_is_not_authentic), it(it_answers_what_it_does_not_know),
		it(an_update_that_it_does_not_take_is_refused_and_it_goes_on),
		it(its_messages_arrive_in_order), it(one_ack_is_for_all_messages_before),
		it(a_message_that_is_refused_does_not_stop_the_others),
		it(messages_that_are_not_acknowledged_come_again), it(a_wrong_clock_is_named),
		it(no_byte_leaves_under_a_wrong_pin),
		it(a_mistake_in_the_new_configuration_changes_nothing),
		it(without_keys_it_does_not_start), it(dead_addresses_are_passed_over),
		it(that_none_of_them_serves_is_told), it(a_refusal_ends_the_round),
		it(a_reload_takes_new_addresses) };

	if (secret_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, uplink_begin, uplink_end);
}

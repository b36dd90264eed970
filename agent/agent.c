/* SPDX-License-Identifier: MIT */
#include "agent/agent.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/epoll.h>
#include <systemd/sd-daemon.h>
#include <time.h>

#include "agent/ending.h"
#include "agent/greeting.h"
#include "agent/log.h"
#include "agent/mail.h"
#include "agent/memory.h"
#include "agent/multi.h"
#include "agent/orders.h"
#include "agent/setup.h"
#include "agent/status.h"
#include "lib/backoff.h"
#include "lib/body.h"
#include "lib/secret.h"
#include "lib/session.h"
#include "lib/uplink.h"

#define SECOND          1000ull       /* milliseconds, as all delays here */
#define ANSWER_WAIT     (30 * SECOND) /* for the answer to Upgrade, and for each ACK */
#define BACKOFF_BASE    SECOND
#define HEARTBEAT_LEAST 5     /* seconds */
#define HEARTBEAT_MOST  3600  /* seconds */
#define RETRY_MOST      3600  /* seconds that a server may put us off */
#define TELL_EVERY      60    /* seconds between mere updates of the status line */
#define ACCURACY        10000 /* microseconds, of the timer */
#define WHY_SIZE        640

struct agent {
	sd_event *event;
	struct multi *multi;
	const struct agent_paths *paths;
	struct setup *setup;
	struct orders *orders;
	struct backoff backoff;

	sd_event_source *timer; /* the one timer, for the one next thing */
	void (*due)(struct agent *a);

	struct uplink *uplink;   /* NULL: no connection, nor an attempt at one */
	sd_event_source *io;     /* its socket */
	sd_event_source *unread; /* fires while there is more to read than the socket tells */
	struct session *session; /* NULL until the channel stands */
	uint64_t awaited;        /* sequence number of the HELLO sent last, 0: acknowledged */
	bool lasted;             /* the connection has outlived a heartbeat */
	bool greeted;            /* a HELLO was acknowledged on it */
	bool suspended;          /* by the server's last word on it */
	char reason[WHY_SIZE];   /* for that */
	struct mail *mail;       /* this machine's messages */
	struct post_limits limits;

	struct status status;
	time_t told;                 /* when systemd was last told */
	struct log_repeat complaint; /* the last failure that was logged */
};

static void attempt(struct agent *a);
static void lose(struct agent *a, enum state state, uint64_t least, const char *format, ...)
	printf_like(4);

/* ---------------------------------------------------------------- what it is doing */

static void write_status(struct agent *a)
{
	int r = status_write(&a->status, a->paths->runtime);

	if (r < 0)
		log_seldom(LOG_WARNING, "cannot write '%s/status': %s", a->paths->runtime,
			strerror(-r));
}

static void tell_systemd(struct agent *a, time_t now)
{
	char sentence[1024];

	status_sentence(&a->status, sentence, sizeof sentence);
	(void)sd_notifyf(0, "STATUS=%s", sentence); /* nobody listens outside systemd */
	a->told = now;
}

static bool has_connection(enum state state)
{
	return state == CONNECTED || state == SUSPENDED;
}

/* A mere acknowledgement is written down, but only now and then worth systemd's while. */
static void change_state(struct agent *a, enum state state, const char *detail)
{
	struct status *s = &a->status;
	time_t now = time(NULL);
	bool same = state == s->state && strcmp(detail, s->detail) == 0;

	if (has_connection(s->state) != has_connection(state) || s->since == 0)
		s->since = now;
	s->state = state;
	if (detail != s->detail)
		(void)snprintf(s->detail, sizeof s->detail, "%s", detail);
	(void)snprintf(s->server, sizeof s->server, "%s", a->setup->config.server);
	write_status(a);
	if (!same || !has_connection(state) || now - a->told >= TELL_EVERY || now < a->told)
		tell_systemd(a, now);
}

/* ---------------------------------------------------------------- time */

static int on_time(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct agent *a = userdata;

	(void)source, (void)usec;
	a->due(a);
	return 0;
}

/* The one place that sets the timer. Its clock goes on while the machine sleeps, so what is overdue
 * after that happens at once. */
static void arm(struct agent *a, uint64_t delay, void (*due)(struct agent *a))
{
	int r = sd_event_source_set_time_relative(a->timer, delay * 1000);

	a->due = due;
	if (r >= 0)
		r = sd_event_source_set_enabled(a->timer, SD_EVENT_ONESHOT);
	if (r < 0) { /* without a timer nothing would ever happen again: let systemd start anew */
		(void)log_err(r, "cannot set a timer");
		(void)sd_event_exit(a->event, EXIT_FAILURE);
	}
}

/* Uniformly from low to high. */
static uint64_t between(uint64_t low, uint64_t high)
{
	uint64_t random;

	random_bytes(&random, sizeof random);
	return low + random % (high - low + 1);
}

/* ---------------------------------------------------------------- the end of a connection */

/* May be called when there is none. */
static void disconnect(struct agent *a)
{
	a->io = sd_event_source_disable_unref(a->io);
	(void)sd_event_source_set_enabled(a->unread, SD_EVENT_OFF);
	mail_end(a->mail);
	a->session = session_free(a->session);
	if (a->orders)
		orders_forget(a->orders);
	if (a->uplink)
		multi_remove(a->multi, uplink_handle(a->uplink));
	a->uplink = uplink_free(a->uplink);
	a->awaited = 0;
	a->lasted = false;
	a->greeted = false;
	a->suspended = false;
}

/* Ends the connection, if there is one, and arms the next attempt: after the back-off's delay, or
 * near its cap when refused, but not before least. */
static void lose(struct agent *a, enum state state, uint64_t least, const char *format, ...)
{
	uint64_t cap = a->backoff.cap_ms, delay;
	char why[WHY_SIZE], text[sizeof a->status.detail];
	va_list values;

	va_start(values, format);
	(void)vsnprintf(why, sizeof why, format, values);
	va_end(values);
	status_copy_printable(why, text, sizeof text);
	if (a->lasted)
		backoff_reset(&a->backoff);
	disconnect(a);
	delay = state == REFUSED ? between(cap - cap / 10, cap + cap / 10)
				 : backoff_next(&a->backoff);
	delay = delay < least ? between(least, least + least / 10) : delay;
	a->status.next = time(NULL) + (time_t)(delay / SECOND);
	log_repeated(&a->complaint, state == REFUSED ? LOG_ERR : LOG_WARNING, text);
	change_state(a, state, text);
	arm(a, delay, attempt);
	memory_give_back();
}

static void lose_by(struct agent *a, const struct uplink_error *e)
{
	bool refused = e->failure == UPLINK_HTTP && e->status == 403;

	lose(a, refused ? REFUSED : WAITING, 0, "%s", e->text);
}

static void on_silence(struct agent *a)
{
	lose(a, WAITING, 0, "%s does not answer", a->setup->config.server);
}

/* ---------------------------------------------------------------- messages */

static void seal(struct agent *a, enum op op, const void *body, ssize_t len, uint64_t *ret_sequence)
{
	int r = (int)len;

	if (len >= 0)
		r = session_seal(
			a->session, op, body, (size_t)len, uplink_out(a->uplink), ret_sequence);
	if (r < 0)
		lose(a, WAITING, 0, "cannot send a message: %s", strerror(-r));
}

static void watch(struct agent *a);

static void say_hello(struct agent *a)
{
	uint8_t body[BODY_ANSWER_MAX];
	struct hello hello;

	greeting_gather(&hello);
	hello.holdings = *orders_holdings(a->orders);
	arm(a, ANSWER_WAIT, on_silence);
	seal(a, OP_HELLO, body, hello_encode(&hello, body, sizeof body), &a->awaited);
}

static void on_heartbeat(struct agent *a)
{
	say_hello(a);
	watch(a);
}

/* The first heartbeat comes early, at a random time: machines that came back together, after the
 * server's restart say, do not stay together. */
static void arm_heartbeat(struct agent *a, uint32_t seconds, bool first)
{
	uint64_t period;

	seconds = seconds < HEARTBEAT_LEAST ? HEARTBEAT_LEAST : seconds;
	seconds = seconds > HEARTBEAT_MOST ? HEARTBEAT_MOST : seconds;
	period = seconds * SECOND;
	if (first)
		arm(a, between(period / 5, period), on_heartbeat);
	else
		arm(a, between(period - period / 10, period + period / 10), on_heartbeat);
}

/* A suspension is more to know than a clock that is wrong. */
static void show_connection(struct agent *a, const char *odd)
{
	change_state(a, a->suspended ? SUSPENDED : CONNECTED, a->suspended ? a->reason : odd);
}

/* What of messages was sent has failed: as with any other. */
static void check_sent(struct agent *a, int r)
{
	if (r < 0)
		lose(a, WAITING, 0, "cannot send a message: %s", strerror(-r));
}

static int send_msg(void *userdata, const void *body, size_t len, uint64_t *ret_sequence)
{
	struct agent *a = userdata;

	return session_seal(a->session, OP_MSG, body, len, uplink_out(a->uplink), ret_sequence);
}

static void on_sent(void *userdata, int r)
{
	check_sent(userdata, r);
	watch(userdata);
}

static void on_hello_ack(struct agent *a, const struct ack *ack)
{
	bool first = !a->greeted;
	char odd[GREETING_ODD_SIZE];

	a->awaited = 0;
	a->lasted = !first;
	a->greeted = true;
	a->complaint.text[0] = '\0';
	a->status.hello = time(NULL);
	greeting_check_clock(ack->time, odd);
	if (odd[0] && strcmp(odd, a->status.detail) != 0)
		log_seldom(LOG_WARNING, "%s", odd);
	show_connection(a, odd);
	arm_heartbeat(a, ack->heartbeat, first);
	if (first) {
		log_seldom(LOG_INFO, "connected to %s", a->setup->config.server);
		memory_give_back(); /* what connecting took */
	}
	if (first && !a->suspended)
		check_sent(a, mail_begin(a->mail));
}

static void on_ack(struct agent *a, const struct message *m)
{
	struct ack ack;
	int r = ack_decode(m->body, m->len, &ack);

	if (r == 0 && a->awaited != 0 && ack.sequence == a->awaited &&
		!mail_overdue(a->mail, ack.sequence)) {
		on_hello_ack(a, &ack);
		return;
	}
	r = r < 0 ? 0 : mail_acked(a->mail, ack.sequence);
	if (r == 0)
		lose(a, WAITING, 0, "%s acknowledged what was not said, or in an unknown form",
			a->setup->config.server);
	else
		check_sent(a, r);
}

/* For ever, by the server's signed word: there is nothing left to do but to say why. */
static void end_revoked(struct agent *a, const char *why)
{
	char text[sizeof a->status.detail];
	int r;

	status_copy_printable(why, text, sizeof text);
	disconnect(a);
	r = ending_make(a->paths->state, text);
	if (r < 0)
		(void)log_err(r, "cannot wipe the keys in '%s'", a->paths->state);
	log_say(LOG_ERR,
		"%s has revoked this machine%s%s; its keys are wiped; to enrol it anew, run "
		"muster-enrol --uninstall and then the installer",
		a->setup->config.server, *text ? ": " : "", text);
	a->status.next = 0;
	change_state(a, REVOKED, text);
	(void)sd_event_source_set_enabled(a->timer, SD_EVENT_OFF);
	(void)sd_event_exit(a->event, AGENT_EXIT_REVOKED);
}

static void on_state(struct agent *a, const struct message *m)
{
	struct state_notice notice;

	if (state_notice_decode(m->body, m->len, &notice) < 0 || notice.state == MACHINE_PENDING) {
		lose(a, WAITING, 0, "%s told a state in an unknown form", a->setup->config.server);
		return;
	}
	if (notice.state == MACHINE_REVOKED) {
		end_revoked(a, notice.text);
		return;
	}
	a->suspended = notice.state == MACHINE_SUSPENDED;
	status_copy_printable(notice.text, a->reason, sizeof a->reason);
	log_seldom(LOG_NOTICE, "%s has %s this machine%s%s", a->setup->config.server,
		a->suspended ? "suspended" : "resumed", *a->reason ? ": " : "", a->reason);
	if (a->suspended)
		mail_hold(a->mail);
	if (!a->greeted)
		return;
	show_connection(a, "");
	if (!a->suspended)
		check_sent(a, mail_begin(a->mail));
}

static void on_nack(struct agent *a, const struct message *m)
{
	const char *server = a->setup->config.server, *colon;
	struct nack nack;
	int r = nack_decode(m->body, m->len, &nack);

	if (r < 0) {
		lose(a, WAITING, 0, "%s sent a refusal in an unknown form", server);
		return;
	}
	colon = nack.text[0] ? ": " : "";
	if (nack.code == NACK_INTERNAL || nack.code == NACK_BUSY) {
		uint32_t retry = nack.retry < RETRY_MOST ? nack.retry : RETRY_MOST;

		lose(a, WAITING, retry * SECOND, "%s cannot serve this machine now: %s%s%s", server,
			nack_name(nack.code), colon, nack.text);
		return;
	}
	if (nack.code == NACK_REVOKED && a->awaited != 0 && nack.sequence == a->awaited) {
		end_revoked(a, nack.text);
		return;
	}
	/* What is under way comes again when it is resumed. */
	if (nack.code == NACK_SUSPENDED && a->suspended && nack.sequence != a->awaited) {
		mail_end(a->mail);
		return;
	}
	if (nack.code == NACK_MALFORMED || nack.code == NACK_UNSUPPORTED) {
		r = mail_refused(a->mail, nack.sequence, nack.text);
		check_sent(a, r);
		if (r != 0)
			return;
	}
	lose(a, REFUSED, 0, "%s refuses this machine: %s%s%s", server, nack_name(nack.code), colon,
		nack.text);
}

/* What a later server may send; it learns that this agent doesn't know it. */
static void on_unknown(struct agent *a, const struct message *m)
{
	struct nack nack = { .sequence = m->sequence, .code = NACK_UNSUPPORTED };
	uint8_t body[1024];

	seal(a, OP_NACK, body, nack_encode(&nack, body, sizeof body), NULL);
}

static void on_config(struct agent *a, const struct message *m)
{
	orders_take(a->orders, m, identity_public(a->setup->identity), session_binding(a->session));
}

/* The answer to a CONFIG; the connection that it came on is still there. */
static void on_verdict(void *userdata, uint64_t sequence, const struct verdict *v)
{
	struct agent *a = userdata;
	struct nack nack = { .sequence = sequence, .code = v->code, .subject = v->subject };
	struct ack ack = { .sequence = sequence, .subject = v->subject };
	uint8_t body[1024];

	memcpy(nack.text, v->text, sizeof nack.text);
	if (v->code)
		seal(a, OP_NACK, body, nack_encode(&nack, body, sizeof body), NULL);
	else
		seal(a, OP_ACK, body, ack_encode(&ack, body, sizeof body), NULL);
	watch(a);
}

typedef void handler(struct agent *a, const struct message *m);

static handler *const handlers[] = {
	[OP_CONFIG] = on_config,
	[OP_STATE] = on_state,
	[OP_ACK] = on_ack,
	[OP_NACK] = on_nack,
};

static void dispatch(struct agent *a, const struct message *m)
{
	handler *h = m->op < COUNT(handlers) ? handlers[m->op] : NULL;

	(h ? h : on_unknown)(a, m);
}

/* ---------------------------------------------------------------- the channel */

static void begin_session(struct agent *a)
{
	const struct setup *s = a->setup;
	struct session_setup setup = {
		.self = FROM_CLIENT,
		.identity = s->identity,
		.peer = s->config.server_key,
	};
	int r;

	memcpy(setup.binding, uplink_binding(a->uplink), sizeof setup.binding);
	memcpy(setup.client_id, s->config.client_id, sizeof setup.client_id);
	r = session_new(&setup, &a->session);
	if (r < 0)
		lose(a, WAITING, 0, "cannot begin a session: %s", strerror(-r));
	else
		say_hello(a);
}

/* Handles every message that has come; a handler may end the connection. */
static void take_messages(struct agent *a)
{
	while (a->session) {
		const uint8_t *packet;
		struct message m;
		size_t len;
		int r = uplink_next_packet(a->uplink, &packet, &len);

		if (r == 0)
			return;
		r = r < 0 ? r : session_open(a->session, packet, len, &m);
		if (r < 0)
			lose(a, WAITING, 0,
				"%s sent something that is not authentic or not "
				"understood (%s)",
				a->setup->config.server, strerror(-r));
		else if (r > 0)
			dispatch(a, &m);
	}
}

static void turn(struct agent *a)
{
	struct uplink_error error;

	if (uplink_step(a->uplink, &error) < 0) {
		lose_by(a, &error);
		return;
	}
	if (!a->session && uplink_is_channel(a->uplink))
		begin_session(a);
	take_messages(a);
	watch(a);
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	(void)source, (void)fd, (void)events;
	turn(userdata);
	return 0;
}

static int on_unread(sd_event_source *source, void *userdata)
{
	(void)source;
	turn(userdata);
	return 0;
}

/* Asks the loop for what the connection waits for, if there is one. */
static void watch(struct agent *a)
{
	uint32_t events = EPOLLIN;
	int r;

	if (!a->uplink)
		return;
	if (uplink_wants_write(a->uplink))
		events |= EPOLLOUT;
	r = sd_event_source_set_io_events(a->io, events);
	if (r >= 0)
		r = sd_event_source_set_enabled(
			a->unread, uplink_unread(a->uplink) ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
	if (r < 0)
		lose(a, WAITING, 0, "cannot wait for the server: %s", strerror(-r));
}

static void on_connected(void *userdata, CURL *curl, CURLcode result)
{
	struct agent *a = userdata;
	struct uplink_error error;
	int r;

	(void)curl; /* there is only one */
	if (uplink_upgrade(a->uplink, result, &error) < 0) {
		lose_by(a, &error);
		return;
	}
	r = sd_event_add_io(a->event, &a->io, uplink_socket(a->uplink), EPOLLIN, on_io, a);
	if (r < 0) {
		lose(a, WAITING, 0, "cannot wait for the server: %s", strerror(-r));
		return;
	}
	arm(a, ANSWER_WAIT, on_silence);
	turn(a);
}

/* While it connects, libcurl's own time-outs hold. */
static void attempt(struct agent *a)
{
	const struct config *c = &a->setup->config;
	struct uplink_options options = {
		.server = c->server,
		.pins = c->pins,
		.proxy = c->has_proxy ? c->proxy : NULL,
		.tls = &a->setup->tls,
		.connect_timeout = c->connect_timeout,
	};
	int r = uplink_prepare(&options, &a->uplink);

	a->status.next = 0;
	change_state(a, CONNECTING, a->status.detail);
	if (r == 0)
		r = multi_add(a->multi, uplink_handle(a->uplink));
	if (r < 0)
		lose(a, WAITING, 0, "cannot prepare a connection: %s", strerror(-r));
}

/* ---------------------------------------------------------------- beginning and end */

static void use_setup(struct agent *a, struct setup *s)
{
	setup_free(a->setup);
	a->setup = s;
	a->limits = s->config.messages;
	a->backoff = (struct backoff){ BACKOFF_BASE, s->config.backoff_cap_ms, 0 };
	a->complaint.text[0] = '\0';
	a->status.next = 0;
	greeting_client_text(s->config.client_id, a->status.client);
}

static int prepare_loop(struct agent *a)
{
	int r = multi_new(a->event, on_connected, a, &a->multi);

	if (r >= 0)
		r = sd_event_add_time_relative(
			a->event, &a->timer, CLOCK_BOOTTIME, 0, ACCURACY, on_time, a);
	if (r >= 0)
		r = sd_event_source_set_enabled(a->timer, SD_EVENT_OFF);
	if (r >= 0)
		r = sd_event_add_defer(a->event, &a->unread, on_unread, a);
	if (r >= 0)
		r = sd_event_source_set_enabled(a->unread, SD_EVENT_OFF);
	return r < 0 ? log_err(r, "cannot prepare the event loop") : 0;
}

int agent_new(sd_event *event, const struct agent_paths *paths, struct agent **ret)
{
	struct agent *a = calloc(1, sizeof *a);
	struct setup *s = NULL;
	int r;

	if (!a)
		return log_err(-ENOMEM, "cannot start");
	a->event = sd_event_ref(event);
	a->paths = paths;
	r = setup_load(paths->config, paths->state, &s);
	if (r == 0) {
		use_setup(a, s);
		r = prepare_loop(a);
	}
	if (r == 0)
		r = orders_new(event, paths->state, on_verdict, a, &a->orders);
	if (r >= 0)
		r = mail_new(event, paths, &a->limits, send_msg, on_sent, a, &a->mail);
	if (r < 0) {
		agent_free(a);
		return r;
	}
	change_state(a, STARTING, "");
	arm(a, 0, attempt);
	*ret = a;
	return 0;
}

struct agent *agent_free(struct agent *a)
{
	if (!a)
		return NULL;
	disconnect(a);
	orders_free(a->orders);
	mail_free(a->mail);
	multi_free(a->multi);
	sd_event_source_disable_unref(a->timer);
	sd_event_source_disable_unref(a->unread);
	sd_event_unref(a->event);
	setup_free(a->setup);
	free(a);
	return NULL;
}

void agent_reload(struct agent *a)
{
	struct setup *s;

	if (setup_load(a->paths->config, a->paths->state, &s) < 0) {
		log_say(LOG_ERR, "going on with the configuration and keys of before");
		return;
	}
	disconnect(a);
	use_setup(a, s);
	log_say(LOG_INFO, "configuration and keys read anew");
	change_state(a, STARTING, "");
	arm(a, 0, attempt);
}

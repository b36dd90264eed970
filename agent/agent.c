/* SPDX-License-Identifier: MIT */
#include "agent/agent.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/epoll.h>
#include <systemd/sd-daemon.h>
#include <time.h>

#include "agent/dialogue.h"
#include "agent/greeting.h"
#include "agent/life.h"
#include "agent/listen.h"
#include "lib/memory.h"
#include "lib/secret.h"

#define BACKOFF_BASE SECOND
#define TELL_EVERY   60    /* seconds between mere updates of the status line */
#define ACCURACY     10000 /* microseconds, of the timer */
#define RESET_AGE    10    /* seconds after its start in which the agent does not restart */

static void attempt(struct agent *a);

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

const char *agent_server(const struct agent *a)
{
	return a->setup->config.servers.at[a->place];
}

/* A mere acknowledgement is written down, but only now and then worth systemd's while. */
void agent_change_state(struct agent *a, enum state state, const char *detail)
{
	struct status *s = &a->status;
	time_t now = time(NULL);
	bool same = state == s->state && strcmp(detail, s->detail) == 0;

	if (has_connection(s->state) != has_connection(state) || s->since == 0)
		s->since = now;
	s->state = state;
	if (detail != s->detail)
		(void)snprintf(s->detail, sizeof s->detail, "%s", detail);
	(void)snprintf(s->server, sizeof s->server, "%s", agent_server(a));
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
void agent_arm(struct agent *a, uint64_t delay, void (*due)(struct agent *a))
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
uint64_t agent_between(uint64_t low, uint64_t high)
{
	uint64_t random;

	random_bytes(&random, sizeof random);
	return low + random % (high - low + 1);
}

/* ---------------------------------------------------------------- the end of a connection */

/* May be called when there is none. */
void agent_disconnect(struct agent *a)
{
	a->io = sd_event_source_disable_unref(a->io);
	(void)sd_event_source_set_enabled(a->unread, SD_EVENT_OFF);
	mail_end(a->mail);
	a->session = session_free(a->session);
	if (a->orders)
		orders_forget(a->orders);
	if (a->reset)
		reset_forget(a->reset);
	if (a->update)
		update_forget(a->update);
	if (a->uplink && uplink_handle(a->uplink))
		multi_remove(a->multi, uplink_handle(a->uplink));
	a->uplink = uplink_free(a->uplink);
	a->awaited = 0;
	a->put_off = false;
	a->lasted = false;
	a->greeted = false;
	a->suspended = false;
}

/* What the last failure means when all the other addresses have failed before. */
static void tell_failure(struct agent *a, enum state state, enum retry_end end, const char *text)
{
	size_t count = a->retry.count;
	char all[sizeof a->status.detail];

	log_repeated(&a->complaints[a->place], state == REFUSED ? LOG_ERR : LOG_WARNING, text);
	if (count > 1 && state == WAITING && retry_is_round(&a->retry, end)) {
		(void)snprintf(all, sizeof all, "none of %zu addresses serves; the last: %.300s",
			count, text);
		text = all;
	}
	agent_change_state(a, state, text);
}

/* Ends the connection, if there is one, and arms the next attempt: after the delay of lib/retry.h,
 * or near the cap when refused, but not before least. */
void agent_lose(struct agent *a, enum state state, uint64_t least, const char *format, ...)
{
	enum retry_end end = a->lasted ? RETRY_LOST : a->greeted ? RETRY_BROKEN : RETRY_FAILED;
	uint64_t cap = a->retry.backoff.cap_ms, delay;
	char why[WHY_SIZE], text[sizeof a->status.detail];
	va_list values;

	va_start(values, format);
	(void)vsnprintf(why, sizeof why, format, values);
	va_end(values);
	status_copy_printable(why, text, sizeof text);
	agent_disconnect(a);
	if (listen_rest(a, end == RETRY_FAILED ? text : "")) { /* that it ends is as it should be */
		memory_give_back();
		return;
	}
	delay = retry_after(&a->retry, end);
	if (state == REFUSED)
		delay = agent_between(cap - cap / 10, cap + cap / 10);
	delay = delay < least ? agent_between(least, least + least / 10) : delay;
	a->status.next = time(NULL) + (time_t)(delay / SECOND);
	tell_failure(a, state, end, text);
	agent_arm(a, delay, attempt);
	memory_give_back();
}

static void lose_by(struct agent *a, const struct uplink_error *e)
{
	bool refused = e->failure == UPLINK_HTTP && e->status == 403;

	agent_lose(a, refused ? REFUSED : WAITING, 0, "%s", e->text);
}

void agent_on_silence(struct agent *a)
{
	agent_lose(a, WAITING, 0, "%s does not answer", agent_server(a));
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
		agent_lose(a, WAITING, 0, "cannot begin a session: %s", strerror(-r));
	else
		dialogue_hello(a);
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
			agent_lose(a, WAITING, 0,
				"%s sent something that is not authentic or not "
				"understood (%s)",
				agent_server(a), strerror(-r));
		else if (r > 0)
			dialogue_take(a, &m);
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
	agent_watch(a);
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
void agent_watch(struct agent *a)
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
		agent_lose(a, WAITING, 0, "cannot wait for the server: %s", strerror(-r));
}

static bool watch_socket(struct agent *a)
{
	int r = sd_event_add_io(a->event, &a->io, uplink_socket(a->uplink), EPOLLIN, on_io, a);

	if (r < 0)
		agent_lose(a, WAITING, 0, "cannot wait for the server: %s", strerror(-r));
	else
		agent_arm(a, ANSWER_WAIT, agent_on_silence);
	return r >= 0;
}

void agent_adopt(struct agent *a, struct uplink *u)
{
	agent_disconnect(a);
	a->uplink = u;
	agent_change_state(a, CONNECTING, "");
	if (watch_socket(a))
		turn(a);
}

static void on_connected(void *userdata, CURL *curl, CURLcode result)
{
	struct agent *a = userdata;
	struct uplink_error error;

	(void)curl; /* there is only one */
	if (uplink_upgrade(a->uplink, result, &error) < 0) {
		lose_by(a, &error);
		return;
	}
	if (watch_socket(a))
		turn(a);
}

/* While it connects, libcurl's own time-outs hold. */
static void attempt(struct agent *a)
{
	const struct config *c = &a->setup->config;
	size_t place = a->place = retry_place(&a->retry);
	struct uplink_options options = {
		.server = c->servers.at[place],
		.pins = c->pins_text,
		.proxy = c->has_proxy ? c->proxy : NULL,
		.tls = &a->setup->tls,
		.connect_timeout = c->connect_timeout,
	};
	int r = uplink_prepare(&options, &a->uplink);

	a->status.next = 0;
	agent_change_state(a, CONNECTING, a->status.detail);
	if (r == 0)
		r = multi_add(a->multi, uplink_handle(a->uplink));
	if (r < 0)
		agent_lose(a, WAITING, 0, "cannot prepare a connection: %s", strerror(-r));
}

/* ---------------------------------------------------------------- beginning and end */

static void use_setup(struct agent *a, struct setup *s)
{
	setup_free(a->setup);
	a->setup = s;
	a->limits = s->config.messages;
	retry_begin(&a->retry, s->config.servers.count, BACKOFF_BASE, s->config.backoff_cap_ms);
	a->place = retry_place(&a->retry);
	memset(a->complaints, 0, sizeof a->complaints);
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

static void begin(struct agent *a)
{
	agent_change_state(a, STARTING, "");
	if (!listen_rest(a, ""))
		agent_arm(a, 0, attempt);
}

static const struct reset_calls reset_calls = { RESET_AGE, dialogue_busy, dialogue_reset_failed,
	dialogue_restart };

int agent_new(sd_event *event, const struct agent_paths *paths, struct agent **ret)
{
	struct update_setup updates = update_setup_of(paths->state);
	struct agent *a = calloc(1, sizeof *a);
	struct setup *s = NULL;
	int r;

	if (!a)
		return log_err(-ENOMEM, "cannot start");
	a->event = sd_event_ref(event);
	a->paths = paths;
	r = setup_load(paths->config, paths->state, true, &s);
	if (r == 0) {
		use_setup(a, s);
		r = prepare_loop(a);
	}
	if (r == 0)
		r = orders_new(event, paths->state, dialogue_verdict, a, &a->orders);
	if (r >= 0)
		r = reset_new(event, paths->state, &reset_calls, a, &a->reset);
	if (r >= 0)
		r = update_new(event, &updates, dialogue_updated, a, &a->update);
	if (r >= 0)
		r = mail_new(
			event, paths, &a->limits, dialogue_send_msg, dialogue_sent, a, &a->mail);
	if (r >= 0)
		r = listen_begin(a);
	if (r < 0) {
		agent_free(a);
		return r;
	}
	begin(a);
	*ret = a;
	return 0;
}

struct agent *agent_free(struct agent *a)
{
	if (!a)
		return NULL;
	agent_disconnect(a);
	listen_end(a);
	orders_free(a->orders);
	reset_free(a->reset);
	update_free(a->update);
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

	if (setup_load(a->paths->config, a->paths->state, false, &s) < 0) {
		log_say(LOG_ERR, "going on with the configuration and keys of before");
		return;
	}
	agent_disconnect(a);
	listen_end(a);
	use_setup(a, s);
	log_say(LOG_INFO, "configuration and keys read anew");
	if (listen_begin(a) < 0)
		(void)sd_event_exit(a->event, EXIT_FAILURE);
	else
		begin(a);
}

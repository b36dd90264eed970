/* SPDX-License-Identifier: MIT */
#include "agent/listen.h"

#include <errno.h>
#include <netinet/in.h>
#include <sodium.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>
#include <time.h>

#include "agent/greeting.h"
#include "agent/port.h"
#include "lib/file.h"

#define ANNOUNCE_SECONDS 300 /* so long an agent that can't connect tries to */
#define ACCURACY         10000u
#define USEC             1000000ull
#define PATH_SIZE        512
#define NOTE_MAX         512

struct listening {
	struct port *port;
	sd_event_source *idle;
	char note[NOTE_MAX]; /* what the server knows once it has acknowledged a HELLO */
	uint64_t until;      /* CLOCK_BOOTTIME, microseconds: tries to connect by itself */
	bool announce;
};

static uint64_t now_usec(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_BOOTTIME, &t); /* can't fail with this clock */
	return (uint64_t)t.tv_sec * USEC + (uint64_t)t.tv_nsec / 1000;
}

/* ---------------------------------------------------------------- systemd's sockets */

int listen_sockets(int *ret_port, int *ret_send)
{
	int n = sd_listen_fds(1);

	*ret_port = *ret_send = -1;
	if (n < 0)
		return log_err(n, "cannot take systemd's sockets");
	for (int fd = SD_LISTEN_FDS_START; fd < SD_LISTEN_FDS_START + n; fd++) {
		if (sd_is_socket(fd, AF_UNIX, SOCK_SEQPACKET, 1) > 0 && *ret_send < 0)
			*ret_send = fd;
		else if (sd_is_socket_inet(fd, AF_UNSPEC, SOCK_STREAM, 1, 0) > 0 && *ret_port < 0)
			*ret_port = fd;
		else
			return log_err(
				-EINVAL, "systemd gave a socket that is none of the agent's");
	}
	return 0;
}

void listen_shut(const struct agent_paths *paths)
{
	if (paths->port >= 0)
		port_shut(paths->port);
	if (paths->send >= 0)
		port_shut(paths->send);
}

static uint16_t port_of(int fd)
{
	struct sockaddr_storage own = {};
	socklen_t len = sizeof own;

	if (getsockname(fd, (struct sockaddr *)&own, &len) < 0)
		return 0;
	return ntohs(own.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&own)->sin6_port
					       : ((struct sockaddr_in *)&own)->sin_port);
}

/* ---------------------------------------------------------------- what the server knows */

static int note_path(const struct agent *a, char ret[static PATH_SIZE])
{
	int len = snprintf(ret, PATH_SIZE, "%s/listening", a->paths->state);

	return len > 0 && len < PATH_SIZE ? 0 : -ENAMETOOLONG;
}

/* In another boot the machine may have another address. */
static void make_note(struct agent *a)
{
	char boot[2 * 16 + 1];
	struct hello hello;

	greeting_gather(&hello);
	sodium_bin2hex(boot, sizeof boot, hello.boot_id, sizeof hello.boot_id);
	(void)snprintf(a->listening->note, NOTE_MAX, "%u %s %s\n", a->listens, boot,
		a->setup->config.servers.at[0]);
}

static bool is_known(const struct agent *a)
{
	scoped(freep) char *text = NULL;
	char path[PATH_SIZE];
	size_t len;

	return note_path(a, path) == 0 && file_read(path, NOTE_MAX, &text, &len) == 0 &&
	       strcmp(text, a->listening->note) == 0;
}

void listen_greeted(struct agent *a)
{
	struct listening *l = a->listening;
	char path[PATH_SIZE];
	int r;

	if (!l || !l->announce)
		return;
	l->announce = false;
	r = note_path(a, path);
	if (r == 0)
		r = file_write_atomic(path, l->note, strlen(l->note), 0600);
	if (r < 0) /* then it is told once more */
		(void)log_err(r, "cannot write '%s/listening'", a->paths->state);
}

/* ---------------------------------------------------------------- the end */

/* Which of several servers connects isn't told apart: the first stands for them all. */
static void name_any(struct agent *a)
{
	a->place = 0;
}

static bool announces(const struct listening *l)
{
	return l->announce && now_usec() < l->until;
}

static bool busy(const struct agent *a)
{
	return orders_busy(a->orders) || reset_waits(a->reset) || update_waits(a->update) ||
	       port_busy(a->listening->port) || announces(a->listening);
}

static int on_idle(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct agent *a = userdata;

	(void)source, (void)usec;
	if (busy(a)) {
		listen_exchange(a);
		return 0;
	}
	agent_disconnect(a);
	name_any(a);
	agent_change_state(a, LISTENING, "");
	(void)sd_event_source_set_enabled(a->timer, SD_EVENT_OFF);
	(void)sd_event_exit(a->event, AGENT_EXIT_IDLE);
	return 0;
}

void listen_exchange(struct agent *a)
{
	struct listening *l = a->listening;
	int r;

	if (!l)
		return;
	r = sd_event_source_set_time_relative(l->idle, a->setup->config.listen_idle * USEC);
	if (r >= 0)
		r = sd_event_source_set_enabled(l->idle, SD_EVENT_ONESHOT);
	if (r < 0) {
		(void)log_err(r, "cannot set a timer");
		(void)sd_event_exit(a->event, EXIT_FAILURE);
	}
}

bool listen_rest(struct agent *a, const char *detail)
{
	if (!a->listening || announces(a->listening))
		return false;
	a->status.next = 0;
	name_any(a);
	(void)sd_event_source_set_enabled(a->timer, SD_EVENT_OFF);
	agent_change_state(a, LISTENING, detail);
	return true;
}

/* ---------------------------------------------------------------- the port */

static void on_guest(void *userdata, SSL *ssl, int fd)
{
	struct agent *a = userdata;
	struct uplink *u;
	int r = uplink_adopt(a->setup->config.servers.at[0], ssl, fd, &u);

	if (r < 0) {
		(void)log_err(r, "cannot take the server's connection");
		return;
	}
	listen_exchange(a);
	name_any(a);
	agent_adopt(a, u);
}

int listen_begin(struct agent *a)
{
	const struct setup *s = a->setup;
	struct listening *l;
	int r;

	if (!s->config.listen)
		return 0;
	if (a->paths->port < 0) {
		log_say(LOG_ERR, "Mode=listen needs the port that muster-agent.socket opens: is it "
				 "started?");
		return -ENOTCONN;
	}
	a->listening = l = calloc(1, sizeof *l);
	if (!l)
		return log_err(-ENOMEM, "cannot listen");
	a->listens = port_of(a->paths->port);
	make_note(a);
	l->announce = !is_known(a);
	l->until = now_usec() + ANNOUNCE_SECONDS * USEC;
	r = port_new(a->event, a->paths->port, &s->tls, &s->config.pins, on_guest, a, &l->port);
	if (r >= 0)
		r = sd_event_add_time_relative(
			a->event, &l->idle, CLOCK_BOOTTIME, 0, ACCURACY, on_idle, a);
	if (r < 0) {
		listen_end(a);
		return log_err(r, "cannot listen");
	}
	listen_exchange(a);
	return 0;
}

void listen_end(struct agent *a)
{
	struct listening *l = give(a->listening);

	if (!l)
		return;
	port_free(l->port);
	sd_event_source_disable_unref(l->idle);
	a->listens = 0;
	free(l);
}

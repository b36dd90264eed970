/* SPDX-License-Identifier: MIT */
#include "lib/multi.h"

#include <errno.h>
#include <sys/epoll.h>
#include <time.h>

#define ACCURACY 1000 /* microseconds; sd-event's own, 250 ms, would slow each step down */

struct multi {
	CURLM *curl;
	sd_event *event;
	sd_event_source *timer;
	multi_done done;
	void *userdata;
};

/* Results are told only after libcurl has returned, so the callee may do with it what it likes. */
static void tell_done(struct multi *m)
{
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(m->curl, &left)))
		if (message->msg == CURLMSG_DONE)
			m->done(m->userdata, message->easy_handle, message->data.result);
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct multi *m = userdata;
	int what = 0, running;

	(void)source;
	what |= events & (EPOLLIN | EPOLLHUP) ? CURL_CSELECT_IN : 0;
	what |= events & EPOLLOUT ? CURL_CSELECT_OUT : 0;
	what |= events & EPOLLERR ? CURL_CSELECT_ERR : 0;
	(void)curl_multi_socket_action(m->curl, fd, what, &running);
	tell_done(m);
	return 0;
}

static int on_time(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct multi *m = userdata;
	int running;

	(void)source, (void)usec;
	(void)curl_multi_socket_action(m->curl, CURL_SOCKET_TIMEOUT, 0, &running);
	tell_done(m);
	return 0;
}

/* libcurl wants to know of a socket, otherwise, or no more. Its own pointer for the socket is our
 * source. */
static int want_socket(CURL *easy, curl_socket_t fd, int what, void *userdata, void *known)
{
	struct multi *m = userdata;
	sd_event_source *source = known;
	uint32_t events = 0;

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		sd_event_source_disable_unref(source);
		(void)curl_multi_assign(m->curl, fd, NULL);
		return 0;
	}
	events |= what & CURL_POLL_IN ? EPOLLIN : 0; /* CURL_POLL_INOUT is both bits */
	events |= what & CURL_POLL_OUT ? EPOLLOUT : 0;
	if (source)
		return sd_event_source_set_io_events(source, events) < 0 ? -1 : 0;
	if (sd_event_add_io(m->event, &source, fd, events, on_io, m) < 0)
		return -1;
	if (curl_multi_assign(m->curl, fd, source) != CURLM_OK) {
		sd_event_source_disable_unref(source);
		return -1;
	}
	return 0;
}

static int want_timer(CURLM *curl, long milliseconds, void *userdata)
{
	struct multi *m = userdata;
	uint64_t delay = milliseconds > 0 ? (uint64_t)milliseconds * 1000 : 0;

	(void)curl;
	if (milliseconds < 0)
		return sd_event_source_set_enabled(m->timer, SD_EVENT_OFF) < 0 ? -1 : 0;
	if (sd_event_source_set_time_relative(m->timer, delay) < 0)
		return -1;
	return sd_event_source_set_enabled(m->timer, SD_EVENT_ONESHOT) < 0 ? -1 : 0;
}

int multi_new(sd_event *event, multi_done done, void *userdata, struct multi **ret)
{
	struct multi *m = calloc(1, sizeof *m);
	int r;

	if (!m)
		return -ENOMEM;
	*m = (struct multi){ .done = done, .userdata = userdata, .event = sd_event_ref(event) };
	r = sd_event_add_time_relative(event, &m->timer, CLOCK_MONOTONIC, 0, ACCURACY, on_time, m);
	if (r >= 0)
		r = sd_event_source_set_enabled(m->timer, SD_EVENT_OFF);
	if (r >= 0)
		m->curl = curl_multi_init();
	if (!m->curl) {
		multi_free(m);
		return r < 0 ? r : -ENOMEM;
	}
	(void)curl_multi_setopt(m->curl, CURLMOPT_SOCKETFUNCTION, want_socket);
	(void)curl_multi_setopt(m->curl, CURLMOPT_SOCKETDATA, m);
	(void)curl_multi_setopt(m->curl, CURLMOPT_TIMERFUNCTION, want_timer);
	(void)curl_multi_setopt(m->curl, CURLMOPT_TIMERDATA, m);
	*ret = m;
	return 0;
}

struct multi *multi_free(struct multi *m)
{
	if (!m)
		return NULL;
	(void)curl_multi_cleanup(m->curl);
	sd_event_source_disable_unref(m->timer);
	sd_event_unref(m->event);
	free(m);
	return NULL;
}

int multi_add(struct multi *m, CURL *curl)
{
	return curl_multi_add_handle(m->curl, curl) == CURLM_OK ? 0 : -ENOMEM;
}

void multi_remove(struct multi *m, CURL *curl)
{
	(void)curl_multi_remove_handle(m->curl, curl);
}

/* SPDX-License-Identifier: MIT */
#include "poller.h"

#include <errno.h>
#include <sys/epoll.h>

#define BATCH 32 /* a few milliseconds, if each of them is a handshake */

struct poller {
	int epoll;
	sd_event_source *source;
	void (*ready)(void *owner, uint32_t events);
	struct epoll_event batch[BATCH];
	int count, at; /* of the batch that is being worked through */
};

static int on_ready(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct poller *p = userdata;

	(void)source;
	(void)revents;
	p->count = epoll_wait(fd, p->batch, BATCH, 0);
	for (p->at = 0; p->at < p->count; p->at++)
		if (p->batch[p->at].data.ptr != NULL)
			p->ready(p->batch[p->at].data.ptr, p->batch[p->at].events);
	p->count = 0;
	return 0;
}

int poller_new(sd_event *loop, void (*ready)(void *owner, uint32_t events), struct poller **ret)
{
	struct poller *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return -ENOMEM;
	p->ready = ready;
	p->epoll = epoll_create1(EPOLL_CLOEXEC);
	int r = p->epoll < 0 ? -errno
			     : sd_event_add_io(loop, &p->source, p->epoll, EPOLLIN, on_ready, p);
	if (r < 0) {
		poller_free(p);
		return r;
	}
	*ret = p;
	return 0;
}

struct poller *poller_free(struct poller *p)
{
	if (p == NULL)
		return NULL;
	sd_event_source_disable_unref(p->source);
	if (p->epoll >= 0)
		close(p->epoll);
	free(p);
	return NULL;
}

static int control(struct poller *p, int operation, int fd, uint32_t events, void *owner)
{
	struct epoll_event e = { .events = events, .data.ptr = owner };

	return epoll_ctl(p->epoll, operation, fd, &e) < 0 ? -errno : 0;
}

int poller_add(struct poller *p, int fd, uint32_t events, void *owner)
{
	return control(p, EPOLL_CTL_ADD, fd, events, owner);
}

int poller_set(struct poller *p, int fd, uint32_t events, void *owner)
{
	return control(p, EPOLL_CTL_MOD, fd, events, owner);
}

void poller_remove(struct poller *p, int fd, const void *owner)
{
	(void)control(p, EPOLL_CTL_DEL, fd, 0, NULL);
	for (int i = p->at; i < p->count; i++)
		if (p->batch[i].data.ptr == owner)
			p->batch[i].data.ptr = NULL;
}

/* SPDX-License-Identifier: MIT */
#include "agent/mail.h"

#include <errno.h>
#include <string.h>

#include "agent/log.h"

struct mail {
	struct spool *spool; /* NULL: there is none, and nothing of what follows */
	struct outbox *outbox;
	struct post *post;
	char path[256]; /* of the spool */
	void (*on_sent)(void *userdata, int result);
	void *userdata;
};

static void on_stored(void *userdata)
{
	struct mail *m = userdata;

	m->on_sent(m->userdata, outbox_pump(m->outbox));
}

static int open_spool(struct mail *m, const char *state)
{
	unsigned damaged;
	int r = -ENAMETOOLONG;

	if ((size_t)snprintf(m->path, sizeof m->path, "%s/spool", state) < sizeof m->path)
		r = spool_open(m->path, &m->spool, &damaged);
	if (r < 0)
		return log_err(
			r, "messages can't be taken: cannot use the spool '%s/spool'", state);
	if (damaged > 0)
		log_say(LOG_WARNING,
			"%u files of the spool '%s' were not whole: what could be read is kept",
			damaged, m->path);
	if (spool_count(m->spool) > 0)
		log_say(LOG_INFO, "%llu messages wait for the server",
			(unsigned long long)spool_count(m->spool));
	return 0;
}

int mail_new(sd_event *event, const struct agent_paths *paths, const struct post_limits *limits,
	outbox_send *send, void (*on_sent)(void *userdata, int result), void *userdata,
	struct mail **ret)
{
	struct mail *m = calloc(1, sizeof *m);
	int r;

	if (!m)
		return -ENOMEM;
	m->on_sent = on_sent;
	m->userdata = userdata;
	if (open_spool(m, paths->state) == 0) {
		r = outbox_new(m->spool, send, userdata, &m->outbox);
		if (r < 0) {
			mail_free(m);
			return r;
		}
		r = post_new(event, paths->runtime, paths->send, m->spool, limits, on_stored, m,
			&m->post);
		if (r < 0)
			(void)log_err(r, "messages can't be taken: cannot listen at '%s/send'",
				paths->runtime);
	}
	*ret = m;
	return 0;
}

struct mail *mail_free(struct mail *m)
{
	if (!m)
		return NULL;
	post_free(m->post);
	outbox_free(m->outbox);
	if (m->spool) {
		spool_sweep(m->spool);
		(void)rmdir(m->path); /* only when it is empty */
	}
	spool_free(m->spool);
	free(m);
	return NULL;
}

int mail_begin(struct mail *m)
{
	if (!m->outbox)
		return 0;
	outbox_open(m->outbox);
	return outbox_pump(m->outbox);
}

void mail_hold(struct mail *m)
{
	if (m->outbox)
		outbox_hold(m->outbox);
}

void mail_end(struct mail *m)
{
	if (m && m->outbox)
		outbox_close(m->outbox);
}

int mail_acked(struct mail *m, uint64_t sequence)
{
	int r;

	if (!m->outbox || !outbox_acked(m->outbox, sequence))
		return 0;
	r = outbox_pump(m->outbox);
	return r < 0 ? r : 1;
}

int mail_refused(struct mail *m, uint64_t sequence, const char *why)
{
	uint64_t number = m->outbox ? outbox_refused(m->outbox, sequence) : 0;
	int r;

	if (number == 0)
		return 0;
	log_seldom(LOG_ERR, "message %llu is lost: the server will not take it: %s",
		(unsigned long long)number, why);
	r = outbox_pump(m->outbox);
	return r < 0 ? r : 1;
}

bool mail_overdue(const struct mail *m, uint64_t sequence)
{
	uint64_t oldest = m->outbox ? outbox_oldest(m->outbox) : 0;

	return oldest > 0 && oldest < sequence;
}

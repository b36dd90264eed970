/* SPDX-License-Identifier: MIT */
#include "metrics.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

#include "dblink.h"
#include "lib/packet.h"
#include "listener.h"
#include "presence.h"
#include "server.h"
#include "store/messages.h"
#include "store/updates.h"
#include "webhooks.h"

/* The first failure sticks; so the families read as a list. */
struct exposition {
	struct buffer *out;
	const char *name; /* of the family */
	int error;
};

static void keep(struct exposition *w, int r)
{
	if (r < 0 && w->error == 0)
		w->error = r;
}

/* Starts a family; its samples follow. */
static void family(struct exposition *w, const char *name, const char *type, const char *help)
{
	w->name = name;
	keep(w, buffer_printf(w->out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type));
}

static void sample(struct exposition *w, uint64_t value)
{
	keep(w, buffer_printf(w->out, "%s %" PRIu64 "\n", w->name, value));
}

/* The labels' values are names out of tables: nothing in them to escape. */
static void labelled(struct exposition *w, const char *label, const char *text, uint64_t value)
{
	keep(w, buffer_printf(w->out, "%s{%s=\"%s\"} %" PRIu64 "\n", w->name, label, text, value));
}

static void counter(struct exposition *w, const char *name, const char *help, uint64_t value)
{
	family(w, name, "counter", help);
	sample(w, value);
}

static void gauge(struct exposition *w, const char *name, const char *help, uint64_t value)
{
	family(w, name, "gauge", help);
	sample(w, value);
}

/* ---- what is stored */

struct stored {
	uint64_t clients[CLIENT_REMOVED]; /* by state */
	uint64_t live, entries, head, outlet;
	struct rollout_record rollout; /* the newest; id 0: there is none */
	struct webhooks_stats hooks;
};

static int read_rollout(struct store *s, struct rollout_record *ret)
{
	int r = store_rollout_get(s, 0, ret);

	if (r == -ENOENT)
		*ret = (struct rollout_record){ .state = ROLLOUT_ENDED };
	return r == -ENOENT ? 0 : r;
}

/* -ENOTCONN: the database can't be reached. */
static int read_stored(struct server *s, struct stored *ret)
{
	struct stored n = {};
	int r = 0;

	for (int state = 0; r == 0 && state < CLIENT_REMOVED; state++)
		r = store_client_count(s->store, (enum client_state)state, &n.clients[state]);
	if (r == 0)
		r = store_token_count_live(s->store, &n.live);
	if (r == 0)
		r = store_audit_count(s->store, &n.entries);
	if (r == 0)
		r = store_message_head(s->store, &n.head);
	if (r == 0)
		r = store_outlet_get(s->store, &n.outlet);
	if (r == 0)
		r = read_rollout(s->store, &n.rollout);
	if (r == 0)
		r = webhooks_stats(s, &n.hooks);
	if (r == 0)
		*ret = n;
	return r;
}

static void webhooks(struct exposition *w, const struct webhooks_stats *h)
{
	family(w, "muster_webhooks", "gauge", "Webhooks, by their state.");
	labelled(w, "state", "active", h->hooks - h->failing - h->disabled);
	labelled(w, "state", "failing", h->failing);
	labelled(w, "state", "disabled", h->disabled);
	family(w, "muster_webhook_attempts_total", "counter", "Messages sent to webhooks.");
	labelled(w, "result", "delivered", h->delivered);
	labelled(w, "result", "failed", h->failed);
	gauge(w, "muster_webhook_waiting",
		"Audit entries that the webhook that is farthest behind has not come to.",
		h->waiting);
}

static void rollouts(struct exposition *w, const struct rollout_record *r)
{
	gauge(w, "muster_rollout_running", "1: a roll-out of a release is running.",
		r->state == ROLLOUT_RUNNING);
	gauge(w, "muster_rollout_halted", "1: it is halted.", r->state == ROLLOUT_HALTED);
	family(w, "muster_rollout_machines", "gauge",
		"Machines that the newest roll-out has asked, by their outcome.");
	labelled(w, "outcome", update_state_name(UPDATE_SENT), r->under_way);
	labelled(w, "outcome", update_state_name(UPDATE_DONE), r->done);
	labelled(w, "outcome", update_state_name(UPDATE_REFUSED), r->failed);
}

static void stored(struct exposition *w, const struct server *s, const struct stored *n)
{
	family(w, "muster_clients", "gauge", "Machines known, by their state.");
	for (int state = 0; state < CLIENT_REMOVED; state++)
		labelled(
			w, "state", client_state_name((enum client_state)state), n->clients[state]);
	gauge(w, "muster_tokens_live", "Tokens that a machine could enrol with now.", n->live);
	counter(w, "muster_audit_entries_total", "Entries of the audit log.", n->entries);
	if (s->config.outlet_file[0] != '\0' || s->config.outlet_command[0] != '\0')
		gauge(w, "muster_outlet_waiting", "Messages that the outlet has not taken yet.",
			n->head > n->outlet ? n->head - n->outlet : 0);
	rollouts(w, &n->rollout);
	webhooks(w, &n->hooks);
}

/* What isn't known is left out: a 0 would say that there is none. */
static void database(struct exposition *w, struct server *s)
{
	struct stored n = {};
	int r = read_stored(s, &n);

	gauge(w, "muster_database_up", "1: the database can be reached; 0: it can't.",
		r != -ENOTCONN && dblink_up(s));
	if (r == 0)
		stored(w, s, &n);
	else if (r != -ENOTCONN)
		keep(w, r);
}

/* ---- what has happened */

static void packets(struct exposition *w, const struct metrics *m)
{
	static const char *const directions[] = {
		[FROM_CLIENT] = "received", [FROM_SERVER] = "sent"
	};

	family(w, "muster_packets_total", "counter", "Packets on channels, by op code.");
	for (unsigned op = 0; op < 256; op++) {
		const struct op_row *row = op_find((uint8_t)op);

		for (unsigned d = 0; row != NULL && d < COUNT(directions); d++)
			if (d == FROM_CLIENT ? row->from_client : row->from_server)
				keep(w, buffer_printf(w->out,
						"%s{op=\"%s\",direction=\"%s\"} %" PRIu64 "\n",
						w->name, row->name, directions[d],
						m->packets[d][op]));
	}
}

static void refusals(struct exposition *w, const struct metrics *m)
{
	family(w, "muster_refusals_total", "counter", "NACKs sent to machines, by reason.");
	for (uint16_t code = NACK_MALFORMED; code <= NACK_SUSPENDED; code++)
		if (strcmp(nack_name(code), "refused") != 0)
			labelled(w, "reason", nack_name(code), m->nacks[code]);
	counter(w, "muster_channel_breaches_total",
		"Channels ended because what came on them is not the protocol.", m->breaches);
}

static void connections(struct exposition *w, const struct server *s, const struct tally *all)
{
	static const char *const results[] = {
		[HANDSHAKE_DONE] = "done", [HANDSHAKE_FAILED] = "failed", [HANDSHAKE_LATE] = "late"
	};

	family(w, "muster_handshakes_total", "counter", "TLS handshakes on the client port.");
	for (size_t i = 0; i < COUNT(results); i++)
		labelled(w, "result", results[i], all->metrics.handshakes[i]);
	gauge(w, "muster_connections", "Connections open on the client port.", all->connections);
	gauge(w, "muster_connections_max", "Connections that may be open on the client port.",
		(uint64_t)s->config.connections * (s->board != NULL ? s->config.workers : 1));
	counter(w, "muster_connections_refused_total",
		"Connections refused because their network has too many.",
		all->metrics.turned_away);
}

static void enrolments(struct exposition *w, const struct metrics *m)
{
	static const char *const results[] = { [ENROLMENT_GRANTED] = "granted",
		[ENROLMENT_PENDING] = "pending",
		[ENROLMENT_REFUSED] = "refused" };

	family(w, "muster_enrolments_total", "counter",
		"Answers to ENROL; granted again when an answer was lost.");
	for (size_t i = 0; i < COUNT(results); i++)
		labelled(w, "result", results[i], m->enrolments[i]);
}

static void work(struct exposition *w, const struct metrics *m)
{
	counter(w, "muster_config_orders_total", "Configurations sent to machines.", m->orders);
	family(w, "muster_config_answers_total", "counter", "Machines' answers to them.");
	labelled(w, "result", "ack", m->acks);
	labelled(w, "result", "nack", m->nacked);
	counter(w, "muster_messages_stored_total", "Machines' messages stored.", m->messages);
	counter(w, "muster_messages_repeated_total", "Machines' messages that were stored already.",
		m->repeated);
	family(w, "muster_api_answers_total", "counter", "Answers of the API, by their status.");
	for (size_t i = 2; i < METRICS_STATUSES; i++)
		keep(w, buffer_printf(w->out, "%s{status=\"%zuxx\"} %" PRIu64 "\n", w->name, i,
				m->answers[i]));
	gauge(w, "muster_event_streams", "Event streams open now.", m->streams);
	counter(w, "muster_event_streams_dropped_total",
		"Event streams ended because their reader was too slow.", m->streams_ended);
}

static void turns(struct exposition *w, const struct turn_stats *t)
{
	uint64_t count = 0;

	family(w, "muster_turns_total", "counter", "Transactions of the server, one a turn.");
	labelled(w, "result", "committed", t->committed);
	labelled(w, "result", "failed", t->failed);
	family(w, "muster_turn_commit_seconds", "histogram", "How long the commits of turns took.");
	for (size_t i = 0; i < TURN_BUCKETS; i++) {
		count += t->buckets[i];
		if (i + 1 < TURN_BUCKETS)
			keep(w, buffer_printf(w->out, "%s_bucket{le=\"%g\"} %" PRIu64 "\n", w->name,
					(double)turn_bounds[i] / 1e6, count));
		else
			keep(w, buffer_printf(w->out, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n",
					w->name, count));
	}
	keep(w, buffer_printf(w->out, "%s_sum %.6f\n", w->name, (double)t->commit_usec / 1e6));
	keep(w, buffer_printf(w->out, "%s_count %" PRIu64 "\n", w->name, count));
}

/* ---- the process */

/* Linux from 6.2 on tells it as the folder's size. */
static uint64_t open_files(void)
{
	struct stat st;
	uint64_t count = 0;

	if (stat("/proc/self/fd", &st) == 0 && st.st_size > 0)
		return (uint64_t)st.st_size;
	DIR *folder = opendir("/proc/self/fd");
	if (folder == NULL)
		return 0;
	while (readdir(folder) != NULL)
		count++;
	closedir(folder);
	return count > 3 ? count - 3 : 0; /* not ".", ".." and the folder itself */
}

struct process {
	unsigned long user, system;
	unsigned long long start; /* ticks after the machine's */
	unsigned long virtual;
	long pages;
};

/* proc(5), "stat": what follows the program's name, which may have anything in it. */
static bool read_process(struct process *ret)
{
	scoped(fclosep) FILE *file = fopen("/proc/self/stat", "re");
	char line[1024];
	const char *rest;

	if (file == NULL || fgets(line, sizeof(line), file) == NULL)
		return false;
	rest = strrchr(line, ')');
	return rest != NULL &&
	       sscanf(rest + 1,
		       " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %*d %*d %*d %*d %*d "
		       "%*d %llu %lu %ld",
		       &ret->user, &ret->system, &ret->start, &ret->virtual, &ret->pages) == 5;
}

static double boot_time(void)
{
	struct timespec wall, since;

	clock_gettime(CLOCK_REALTIME, &wall);
	clock_gettime(CLOCK_BOOTTIME, &since);
	return (double)(wall.tv_sec - since.tv_sec) + (double)(wall.tv_nsec - since.tv_nsec) / 1e9;
}

/* The names that Prometheus' own client libraries give to these. */
static void process(struct exposition *w)
{
	struct process p;
	struct rlimit files;
	double ticks = (double)sysconf(_SC_CLK_TCK);

	if (read_process(&p)) {
		family(w, "process_cpu_seconds_total", "counter", "Time of the processor used.");
		keep(w, buffer_printf(
				w->out, "%s %.2f\n", w->name, (double)(p.user + p.system) / ticks));
		family(w, "process_start_time_seconds", "gauge", "Start, since 1970.");
		keep(w, buffer_printf(w->out, "%s %.2f\n", w->name,
				boot_time() + (double)p.start / ticks));
		gauge(w, "process_resident_memory_bytes", "Resident memory.",
			(uint64_t)p.pages * (uint64_t)sysconf(_SC_PAGESIZE));
		gauge(w, "process_virtual_memory_bytes", "Virtual memory.", p.virtual);
	}
	gauge(w, "process_open_fds", "Open file descriptors.", open_files());
	if (getrlimit(RLIMIT_NOFILE, &files) == 0)
		gauge(w, "process_max_fds", "The most that may be open.", files.rlim_cur);
}

int metrics_write(struct server *s, struct buffer *out)
{
	static struct tally all; /* large, and used nowhere beyond this call */
	struct exposition w = { .out = out };

	tally_sum(s, &all);
	family(&w, "muster_build_info", "gauge", "Always 1; the version is a label.");
	labelled(&w, "version", MUSTER_VERSION, 1);
	database(&w, s);
	gauge(&w, "muster_clients_connected", "Machines connected to this server now.",
		presence_count(s));
	connections(&w, s, &all);
	enrolments(&w, &all.metrics);
	packets(&w, &all.metrics);
	refusals(&w, &all.metrics);
	work(&w, &all.metrics);
	turns(&w, &all.turns);
	process(&w);
	return w.error;
}

#define AROUND (16 + 8 + 64) /* client id, sequence number and signature */

size_t metrics_packets(size_t body)
{
	return (body + AROUND + PACKET_DATA_MAX - 2) / (PACKET_DATA_MAX - 1);
}

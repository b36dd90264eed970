/* SPDX-License-Identifier: MIT */
/*
 * seed: fills a database as months of work with many machines would have, by the store's own
 * functions under a clock of its own. No server may be running on it.
 *
 *	seed DATABASE MACHINES [hostile]
 *
 * hostile: what machines can say about themselves is text that wants to be a program in a browser.
 */
#include <sodium.h>
#include <string.h>
#include <time.h>

#include "lib/secret.h"
#include "lib/text.h"
#include "server/store/configs.h"
#include "server/store/internal.h"
#include "server/store/messages.h"
#include "server/store/updates.h"

#define DAY     86400u
#define DAYS    60u
#define TOKENS  40u
#define PART    1000u /* machines in one transaction */
#define HOSTILE "<img src=x onerror=\"document.title='X'\">"

static uint64_t now, wall;

static uint64_t wall_now(void)
{
	return wall;
}

static uint64_t elapsed_now(void)
{
	return wall;
}

static const struct clock_source its_clock = { .wall = wall_now, .elapsed = elapsed_now };

struct seed {
	struct store *store;
	uint32_t machines;
	bool hostile;
	uint8_t tokens[TOKENS][TOKEN_SIZE];
	uint8_t (*ids)[CLIENT_ID_SIZE];
	struct config_record configs[4];
};

static void must(int r, const char *what)
{
	if (r >= 0)
		return;
	fprintf(stderr, "seed: %s: %s\n", what, strerror(-r));
	exit(1);
}

/* The same numbers each time. */
static uint32_t chance(uint32_t n, uint32_t salt, uint32_t below)
{
	uint64_t x = (uint64_t)n * 0x9e3779b97f4a7c15u + salt * 0xbf58476d1ce4e5b9u + 1;

	x ^= x >> 31;
	x *= 0x94d049bb133111ebu;
	x ^= x >> 29;
	return (uint32_t)(x % below);
}

static const char *const roles[] = { "web", "web", "db", "cache", "build", "edge" };
static const char *const sites[] = { "fra1", "zrh2", "ams1", "waw3" };
static const char *const kinds[] = { "backup.done", "disk.full", "login", "text" };

static void make_tokens(struct seed *s)
{
	for (uint32_t i = 0; i < TOKENS; i++) {
		struct token_spec spec = { .uses = UNLIMITED_USES, .actor = "uid:0(root)" };
		char label[LABEL_SIZE];
		struct token_record t;

		snprintf(label, sizeof(label), "role=%s", roles[i % COUNT(roles)]);
		must(labels_add(&spec.labels, label), "label");
		snprintf(label, sizeof(label), "site=%s", sites[i % COUNT(sites)]);
		must(labels_add(&spec.labels, label), "label");
		must(labels_add(&spec.labels, i % 5 ? "env=prod" : "env=staging"), "label");
		spec.expires = i % 4 ? 0 : now + i * 3600;
		spec.note = i % 3 ? "" : "rack by rack";
		spec.approve = i == 3;
		must(store_token_create(s->store, &spec, s->tokens[i], &t), "token");
	}
}

static void some_facts(const struct seed *s, uint32_t n, struct facts *f)
{
	uint32_t t = n % TOKENS;

	*f = (struct facts){ .kernel = "6.1.0-27-amd64", .arch = "x86_64", .version = "0.1.0" };
	snprintf(f->hostname, sizeof(f->hostname), "%s-%05u.%s.example", roles[t % COUNT(roles)], n,
		sites[t % COUNT(sites)]);
	snprintf(f->os, sizeof(f->os), "Debian GNU/Linux %u (%s)", n % 3 ? 12 : 13,
		n % 3 ? "bookworm" : "trixie");
	if (s->hostile && n % 10 == 0) {
		snprintf(f->hostname, sizeof(f->hostname), "%s", HOSTILE);
		snprintf(f->os, sizeof(f->os), "%s", HOSTILE);
		snprintf(f->kernel, sizeof(f->kernel), "%s", HOSTILE);
		snprintf(f->version, sizeof(f->version), "<script>alert(1)</script>");
	}
	memcpy(f->machine, &n, sizeof(n));
}

static void some_address(uint32_t n, char ret[static ADDRESS_SIZE])
{
	snprintf(ret, ADDRESS_SIZE, "10.%u.%u.%u", n >> 16 & 255, n >> 8 & 255, n & 255);
}

static void enrol(struct seed *s, const uint8_t point[static PUBLIC_KEY_SIZE], uint32_t n)
{
	struct enrol_request e = { .time = wall };
	struct client_record c;
	char address[ADDRESS_SIZE];

	memcpy(e.token, s->tokens[n % TOKENS], TOKEN_SIZE);
	memcpy(e.identity, point, PUBLIC_KEY_SIZE);
	memcpy(e.identity + 33, &n, sizeof(n));
	random_bytes(e.tls_pin, sizeof(e.tls_pin));
	some_facts(s, n, &e.facts);
	some_address(n, address);
	must(store_client_enrol(s->store, &e, address, &c) == 0 ? 0 : -1, "enrolment");
	memcpy(s->ids[n], c.id, CLIENT_ID_SIZE);
}

static void hello(struct seed *s, uint32_t n)
{
	struct hello h = { .time = wall, .uptime = 1000 + chance(n, 1, 9000000) };
	char address[ADDRESS_SIZE];

	random_bytes(h.boot_id, sizeof(h.boot_id));
	some_facts(s, n, &h.facts);
	some_address(n, address);
	(void)!store_client_hello(s->store, s->ids[n], &h, address); /* not of a pending one */
}

static void push(struct seed *s, size_t at, const char *name, const char *selector, uint32_t times)
{
	for (uint32_t i = 0; i < times; i++) {
		char content[256];
		struct config_spec spec = { .name = name,
			.selector = selector,
			.content = content,
			.actor = "uid:0(root)",
			.act = "config.push",
			.note = i ? "the next try" : "" };

		spec.len = (size_t)snprintf(content, sizeof(content),
			"# %s\nserver = %s.example\nretries = %u\n", name, name, i);
		must(store_config_push(s->store, &spec, &s->configs[at]), "configuration");
	}
}

static void receipt(struct seed *s, uint32_t n, const struct config_record *c, bool ack)
{
	struct receipt r = { .time = wall,
		.op = ack ? OP_ACK : OP_NACK,
		.kind = ORDER_SET,
		.code = ack ? 0 : NACK_APPLY,
		.revision = c->revision,
		.len = 200 };

	memcpy(r.client, s->ids[n], sizeof(r.client));
	memcpy(r.name, c->name, sizeof(r.name));
	memcpy(r.hash, c->hash, sizeof(r.hash));
	r.client_key[0] = r.server_key[0] = 4;
	must(store_receipt_add(s->store, &r), "receipt");
}

/* Most have the newest, some the one before, a few have refused it, the others nothing yet. */
static void answer(struct seed *s, uint32_t n, const struct config_record *c, uint32_t salt)
{
	struct holding h = { .revision = c->revision };
	struct refusal why = { .revision = c->revision, .time = wall, .code = NACK_APPLY };
	uint32_t luck = chance(n, salt, 1000);

	if (luck > 950)
		return;
	memcpy(h.name, c->name, sizeof(h.name));
	memcpy(h.hash, c->hash, sizeof(h.hash));
	snprintf(why.text, sizeof(why.text), "%s",
		s->hostile ? HOSTILE : "hook exited with 1: line 3: 'retries' is not a number");
	if (luck <= 5)
		must(store_refusal_set(s->store, s->ids[n], c->name, &why), "refusal");
	else {
		h.revision -= luck > 900;
		must(store_held_put(s->store, s->ids[n], &h), "holding");
	}
	receipt(s, n, c, luck > 5);
}

static void message(struct seed *s, uint32_t n)
{
	static const struct message_limits limits = { 10000, 1u << 30 };
	char text[256];
	struct msg m = { .number = 1, .time = wall };

	random_bytes(m.spool, sizeof(m.spool));
	snprintf(m.type, sizeof(m.type), "%s", kinds[chance(n, 7, COUNT(kinds))]);
	m.len = (size_t)snprintf(text, sizeof(text), "%s",
		s->hostile ? HOSTILE
			   : "the backup of /srv took 93 s, 1.2 GB in 3,201 files\nnothing was "
			     "left out");
	m.text = text;
	must(store_message_add(s->store, s->ids[n], &m, &limits), "message");
}

static void roll_out(struct seed *s, const char *version, const char *selector, uint32_t failures,
	struct rollout_record *ret)
{
	uint8_t release[RELEASE_DIGEST_SIZE];
	struct rollout_spec spec = { .release = release,
		.version = version,
		.selector = selector,
		.at_once = 10,
		.failures = failures,
		.actor = "uid:0(root)" };

	memset(release, (int)strlen(selector), sizeof(release));
	must(store_rollout_start(s->store, &spec, ret), "roll-out");
}

/* What becomes of the nth of them: most are done, six stay under way, three fail. */
static void outcome(struct seed *s, const struct update_record *u, uint32_t nth)
{
	if (nth >= 40 && nth < 46)
		return;
	if (nth == 27)
		must(store_update_lost(s->store, u->client, "not heard of for 15 minutes"), "lost");
	else
		must(store_update_answer(s->store, u->client, u->number,
			     nth == 7    ? NACK_PUT_BACK
			     : nth == 47 ? NACK_UPDATE
					 : 0,
			     s->hostile ? HOSTILE : "the folder /usr/local/sbin is read-only"),
			"answer");
}

/* Of the role "web", until the third failure halts it. */
static void update_some(struct seed *s)
{
	struct rollout_record r;
	struct client_record c;
	struct update_record u;

	roll_out(s, "0.1.0-rc1", "env=staging", 0, &r);
	roll_out(s, "0.1.0", "role=web", 2, &r);
	for (uint32_t n = 0, nth = 0; n < s->machines; n++) {
		int taken = store_client_by_id(s->store, s->ids[n], &c);

		if (taken == 0)
			taken = store_update_take(s->store, &c, r.release, &u);
		must(taken, "update");
		if (taken == UPDATE_TAKEN)
			outcome(s, &u, nth++);
		if (taken == UPDATE_WAITS)
			break;
	}
}

/* All machines, so many in a transaction, the time going on from one to the other. */
static void each(
	struct seed *s, uint64_t from, uint64_t to, void (*one)(struct seed *s, uint32_t n))
{
	for (uint32_t n = 0; n < s->machines; n++) {
		wall = from + (to - from) * n / s->machines;
		if (n % PART == 0)
			must(store_begin(s->store), "begin");
		one(s, n);
		if (n % PART == PART - 1 || n == s->machines - 1)
			must(store_commit(s->store), "commit");
	}
}

static uint8_t point[PUBLIC_KEY_SIZE];

static void enrol_one(struct seed *s, uint32_t n)
{
	enrol(s, point, n);
	if (chance(n, 2, 100) < 7)
		hello(s, n); /* and was never seen again */
}

static void live_one(struct seed *s, uint32_t n)
{
	if (chance(n, 2, 100) >= 7)
		hello(s, n);
	answer(s, n, &s->configs[0], 3);
	if (n % TOKENS % COUNT(roles) < 2)
		answer(s, n, &s->configs[1], 4);
	message(s, n);
}

static void end_some(struct seed *s)
{
	struct client_order order = { .actor = "uid:0(root)", .reason = "sold" };

	for (uint32_t n = 0; n < s->machines; n++) {
		enum client_act act = n % 400 == 1 ? CLIENT_SUSPEND : CLIENT_REVOKE;
		char id[CLIENT_ID_TEXT_SIZE];
		struct client_record c;

		if (n % 400 != 1 && n % 500 != 2)
			continue;
		sodium_bin2hex(id, sizeof(id), s->ids[n], CLIENT_ID_SIZE);
		(void)!store_client_change(s->store, id, act, &order, &c);
	}
}

int main(int argc, char **argv)
{
	static const uint8_t key[TOKEN_KEY_SIZE] = "nobody enrols with these tokens";
	struct identity *identity = NULL;
	struct seed s = { .hostile = argc > 3 };
	uint64_t machines = 0;

	if (argc < 3 || text_number(argv[2], 1, 1000000, &machines) < 0 || secret_init() < 0) {
		fprintf(stderr, "usage: seed DATABASE MACHINES [hostile]\n");
		return 2;
	}
	s.machines = (uint32_t)machines;
	now = (uint64_t)time(NULL);
	wall = now - DAYS * DAY;
	s.ids = calloc(machines, CLIENT_ID_SIZE);
	must(s.ids ? identity_generate(&identity) : -1, "memory");
	memcpy(point, identity_public(identity), sizeof(point));
	identity_free(identity);
	must(store_open_at(argv[1], key, &its_clock, &s.store), "database");
	must(store_begin(s.store), "begin");
	make_tokens(&s);
	push(&s, 0, "chrony", "*", 4);
	push(&s, 1, "nginx", "role=web", 7);
	push(&s, 2, "motd", "env=staging,site!=ams1", 2);
	must(store_commit(s.store), "commit");
	each(&s, wall, now - DAY, enrol_one);
	each(&s, now - 3600, now, live_one);
	must(store_begin(s.store), "begin");
	end_some(&s);
	update_some(&s);
	must(store_commit(s.store), "commit");
	store_close(s.store);
	free(s.ids);
	return 0;
}

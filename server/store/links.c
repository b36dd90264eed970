/* SPDX-License-Identifier: MIT */
/*
 * A machine that was installed anew enrols anew, as another client; the two are linked by the
 * machine-id's hash. Anybody who holds a token can name any hash, so a link gives nothing to the
 * new client and takes nothing from the former one: it says what seems to be the case, only once
 * the former one is silent, and goes as soon as that is heard again.
 */
#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "internal.h"

/* The latest of the machine that has no successor yet. */
static const struct sql find_former = { "SELECT " CLIENT_COLUMNS
					" FROM client WHERE machine = $1 AND id <> $2"
					" AND successor = '' ORDER BY enrolled DESC,"
					" id LIMIT 1" };
/* The client with an alarm as which this machine spoke. */
static const struct sql find_clone = { "SELECT " CLIENT_COLUMNS
				       " FROM client WHERE id = (SELECT client FROM clone_machine"
				       " WHERE machine = $1 ORDER BY last DESC LIMIT 1)" };
static const struct sql set_link = { "UPDATE client SET link = $2, former = $3 WHERE id = $1" };
static const struct sql set_successor = {
	"UPDATE client SET successor = $2, state = $3, state_since = $4 WHERE id = $1"
};

static int write_link(struct store *s, const struct client_record *c)
{
	return db_run(s->db, &set_link,
		VALUES(value_bytes(c->id, sizeof(c->id)), value_integer(c->link),
			value_text(c->former)),
		NULL);
}

static int write_successor(struct store *s, const struct client_record *c)
{
	return db_run(s->db, &set_successor,
		VALUES(value_bytes(c->id, sizeof(c->id)), value_text(c->successor),
			value_integer(c->state), value_integer(c->since)),
		NULL);
}

/* -ENOENT: it has been removed. */
static int by_text(struct store *s, const char *id, struct client_record *ret)
{
	return *id ? store_client_get(s, id, ret) : -ENOENT;
}

static int unlink_new(struct store *s, struct client_record *c)
{
	c->link = LINK_NONE;
	memset(c->former, 0, sizeof(c->former));
	return write_link(s, c);
}

static int audit(struct store *s, const struct client_record *former, const char *actor,
	const char *act, const char *successor)
{
	char id[CLIENT_ID_TEXT_SIZE], detail[256];

	sodium_bin2hex(id, sizeof(id), former->id, sizeof(former->id));
	snprintf(detail, sizeof(detail), "hostname=%s successor=%s", former->facts.hostname,
		successor);
	return store_audit(s, actor, act, id, detail);
}

/* Of two machines that spoke as the former, this one has an identity of its own now. */
static int split(struct store *s, struct client_record *c, const struct client_record *former)
{
	char id[CLIENT_ID_TEXT_SIZE];
	int r;

	c->link = LINK_CLONE;
	sodium_bin2hex(c->former, sizeof(c->former), former->id, sizeof(former->id));
	sodium_bin2hex(id, sizeof(id), c->id, sizeof(c->id));
	r = write_link(s, c);
	return r < 0 ? r : audit(s, former, "server", "client.split", id);
}

int link_former(struct store *s, struct client_record *c)
{
	static const uint8_t unknown[MACHINE_HASH_SIZE];
	static struct client_record former; /* large, and used nowhere beyond this call */
	const uint8_t *machine = c->facts.machine;
	int r;

	if (memcmp(machine, unknown, sizeof(unknown)) == 0)
		return 0;
	r = client_one(s, &find_clone, VALUES(value_bytes(machine, MACHINE_HASH_SIZE)), &former);
	if (r == 0)
		return split(s, c, &former);
	if (r != -ENOENT)
		return r;
	r = client_one(s, &find_former,
		VALUES(value_bytes(machine, MACHINE_HASH_SIZE), value_bytes(c->id, sizeof(c->id))),
		&former);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	c->link = LINK_MAYBE;
	sodium_bin2hex(c->former, sizeof(c->former), former.id, sizeof(former.id));
	return write_link(s, c);
}

static uint64_t heard(const struct client_record *c)
{
	return c->last_hello > c->enrolled ? c->last_hello : c->enrolled;
}

static bool can_speak(const struct client_record *c)
{
	return c->state != CLIENT_LEFT && c->state != CLIENT_REVOKED;
}

static int replace(
	struct store *s, struct client_record *c, struct client_record *former, uint64_t now)
{
	int r;

	sodium_bin2hex(former->successor, sizeof(former->successor), c->id, sizeof(c->id));
	if (former->state == CLIENT_ENROLLED) {
		former->state = CLIENT_REPLACED;
		former->since = now;
	}
	c->link = LINK_REPLACES;
	r = write_link(s, c);
	if (r == 0)
		r = write_successor(s, former);
	if (r == 0)
		r = audit(s, former, "server", "client.replace", former->successor);
	return r < 0 ? r : 1;
}

int store_client_succeed(struct store *s, struct client_record *c, uint64_t silence,
	struct client_record *ret_former)
{
	uint64_t now = store_now(s);
	int r;

	if (c->link != LINK_MAYBE)
		return 0;
	r = by_text(s, c->former, ret_former);
	if (r < 0 && r != -ENOENT)
		return r;
	if (r < 0 || *ret_former->successor || ret_former->last_hello > c->enrolled)
		return unlink_new(s, c);
	if (can_speak(ret_former) && now < heard(ret_former) + silence)
		return 0;
	return replace(s, c, ret_former, now);
}

/* Takes the former's mark off. */
static int restore(struct store *s, struct client_record *former)
{
	memset(former->successor, 0, sizeof(former->successor));
	if (former->state == CLIENT_REPLACED) {
		former->state = CLIENT_ENROLLED;
		former->since = store_now(s);
	}
	return write_successor(s, former);
}

int store_client_return(struct store *s, struct client_record *c)
{
	static struct client_record successor; /* large, and used nowhere beyond this call */
	char id[CLIENT_ID_TEXT_SIZE], actor[ACTOR_SIZE], was[CLIENT_ID_TEXT_SIZE];
	int r = by_text(s, c->successor, &successor);

	sodium_bin2hex(id, sizeof(id), c->id, sizeof(c->id));
	snprintf(actor, sizeof(actor), "client:%s", id);
	memcpy(was, c->successor, sizeof(was));
	if (r == 0 && strcmp(successor.former, id) == 0)
		r = unlink_new(s, &successor);
	if (r == 0 || r == -ENOENT)
		r = restore(s, c);
	return r < 0 ? r : audit(s, c, actor, "client.return", was);
}

int link_undo(struct store *s, const struct client_record *c)
{
	static struct client_record former; /* large, and used nowhere beyond this call */
	char id[CLIENT_ID_TEXT_SIZE];
	int r = c->link == LINK_REPLACES ? by_text(s, c->former, &former) : -ENOENT;

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	sodium_bin2hex(id, sizeof(id), c->id, sizeof(c->id));
	return strcmp(former.successor, id) == 0 ? restore(s, &former) : 0;
}

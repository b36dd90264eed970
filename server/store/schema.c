/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "../log.h"
#include "schema.h"

#define BEGIN_TRIES 2000 /* minutes: another process may be at it, with tables that are large */

/*
 * Step n makes version n + 1. A step that has been in a release is never changed: another one is
 * added.
 *
 * What must never be true is refused by the tables themselves, not only by the code: two tokens of
 * one hash, two clients of one key, more uses than a token has.
 */
static const char *const steps[] = {
	/* Times are seconds since 1970, 0 for never or not yet. uses: 4294967295 is unlimited.
	 * lapsed: seen as expired by a clock that has been put back since, so expired for ever.
	 * client.state: enum client_state. audit_head has one row: the last of audit. */
	"CREATE TABLE meta ("
	"  name TEXT PRIMARY KEY NOT NULL,"
	"  value {integer} NOT NULL"
	") {strict};"

	"CREATE TABLE token ("
	"  id TEXT PRIMARY KEY NOT NULL,"
	"  hash {bytes} NOT NULL UNIQUE CHECK (length(hash) = 32),"
	"  labels TEXT NOT NULL,"
	"  uses {integer} NOT NULL CHECK (uses >= 1 AND uses <= 4294967295),"
	"  used {integer} NOT NULL DEFAULT 0,"
	"  created {integer} NOT NULL,"
	"  expires {integer} NOT NULL,"
	"  lapsed {integer} NOT NULL DEFAULT 0,"
	"  revoked {integer} NOT NULL DEFAULT 0,"
	"  created_by TEXT NOT NULL,"
	"  note TEXT NOT NULL,"
	"  CHECK (used >= 0 AND used <= uses)"
	") {strict};"

	"CREATE TABLE client ("
	"  id {bytes} PRIMARY KEY NOT NULL CHECK (length(id) = 16),"
	"  identity {bytes} NOT NULL UNIQUE CHECK (length(identity) = 65),"
	"  tls_pin {bytes} NOT NULL UNIQUE CHECK (length(tls_pin) = 32),"
	"  state {integer} NOT NULL,"
	"  labels TEXT NOT NULL,"
	"  token TEXT NOT NULL REFERENCES token(id),"
	"  enrolled {integer} NOT NULL,"
	"  last_hello {integer} NOT NULL,"
	"  uptime {integer} NOT NULL,"
	"  boot_id {bytes} NOT NULL,"
	"  address TEXT NOT NULL,"
	"  hostname TEXT NOT NULL,"
	"  os TEXT NOT NULL,"
	"  kernel TEXT NOT NULL,"
	"  arch TEXT NOT NULL,"
	"  version TEXT NOT NULL,"
	"  machine {bytes} NOT NULL"
	") {strict};"
	"CREATE INDEX client_token ON client(token, id);"
	"CREATE INDEX client_state ON client(state);"

	"CREATE TABLE audit ("
	"  seq {integer} PRIMARY KEY NOT NULL,"
	"  time {integer} NOT NULL,"
	"  actor TEXT NOT NULL,"
	"  act TEXT NOT NULL,"
	"  object TEXT NOT NULL,"
	"  detail TEXT NOT NULL,"
	"  hash {bytes} NOT NULL"
	") {strict};"
	"CREATE TABLE audit_head ("
	"  one {integer} PRIMARY KEY NOT NULL CHECK (one = 1),"
	"  seq {integer} NOT NULL,"
	"  hash {bytes} NOT NULL CHECK (length(hash) = 32)"
	") {strict};",

	/* config.live: some machine can still be meant by it. config_held, config_refused: what
	 * machines said last; of one that is gone they say nothing. Receipts are never changed. */
	"CREATE TABLE config_content ("
	"  hash {bytes} PRIMARY KEY NOT NULL CHECK (length(hash) = 32),"
	"  content {bytes} NOT NULL"
	") {strict};"

	"CREATE TABLE config ("
	"  name TEXT NOT NULL,"
	"  revision {integer} NOT NULL CHECK (revision >= 1),"
	"  removal {integer} NOT NULL,"
	"  selector TEXT NOT NULL,"
	"  hash {bytes} NOT NULL CHECK (length(hash) = 32),"
	"  size {integer} NOT NULL,"
	"  created {integer} NOT NULL,"
	"  created_by TEXT NOT NULL,"
	"  note TEXT NOT NULL,"
	"  live {integer} NOT NULL,"
	"  PRIMARY KEY (name, revision)"
	") {strict};"
	"CREATE INDEX config_live ON config(live, name, revision);"

	"CREATE TABLE config_held ("
	"  client {bytes} NOT NULL CHECK (length(client) = 16),"
	"  name TEXT NOT NULL,"
	"  revision {integer} NOT NULL,"
	"  hash {bytes} NOT NULL,"
	"  PRIMARY KEY (client, name)"
	") {strict};"

	"CREATE TABLE config_refused ("
	"  client {bytes} NOT NULL CHECK (length(client) = 16),"
	"  name TEXT NOT NULL,"
	"  revision {integer} NOT NULL,"
	"  time {integer} NOT NULL,"
	"  code {integer} NOT NULL,"
	"  text TEXT NOT NULL,"
	"  PRIMARY KEY (client, name)"
	") {strict};"

	"CREATE TABLE receipt ("
	"  id {integer} PRIMARY KEY NOT NULL,"
	"  time {integer} NOT NULL,"
	"  client {bytes} NOT NULL CHECK (length(client) = 16),"
	"  client_key {bytes} NOT NULL,"
	"  server_key {bytes} NOT NULL,"
	"  op {integer} NOT NULL,"
	"  kind {integer} NOT NULL,"
	"  code {integer} NOT NULL,"
	"  name TEXT NOT NULL,"
	"  revision {integer} NOT NULL,"
	"  hash {bytes} NOT NULL,"
	"  binding {bytes} NOT NULL,"
	"  signature {bytes} NOT NULL,"
	"  bytes {bytes} NOT NULL"
	") {strict};"
	"CREATE INDEX receipt_client ON receipt(client, id);",

	/* States that an administrator sets. removed: the keys of clients that are forgotten. */
	"ALTER TABLE client ADD COLUMN state_since {integer} NOT NULL DEFAULT 0;"
	"ALTER TABLE client ADD COLUMN state_reason TEXT NOT NULL DEFAULT '';"
	"CREATE TABLE removed ("
	"  id {bytes} PRIMARY KEY NOT NULL CHECK (length(id) = 16),"
	"  identity {bytes} NOT NULL UNIQUE CHECK (length(identity) = 65),"
	"  tls_pin {bytes} NOT NULL UNIQUE CHECK (length(tls_pin) = 32),"
	"  since {integer} NOT NULL,"
	"  reason TEXT NOT NULL"
	") {strict};",

	/* Whether the machines that enrol with it wait for an administrator. */
	"ALTER TABLE token ADD COLUMN approve {integer} NOT NULL DEFAULT 0;",

	/* message_box: how much a client has in message. message_head has one row: the last seq
	 * given, and up to which one the outlet has taken them. */
	"CREATE TABLE message ("
	"  seq {integer} PRIMARY KEY NOT NULL,"
	"  client {bytes} NOT NULL,"
	"  spool {bytes} NOT NULL CHECK (length(spool) = 16),"
	"  number {integer} NOT NULL CHECK (number >= 1),"
	"  type TEXT NOT NULL,"
	"  sent {integer} NOT NULL,"
	"  received {integer} NOT NULL,"
	"  cost {integer} NOT NULL,"
	"  text TEXT NOT NULL,"
	"  UNIQUE (client, spool, number)"
	") {strict};"
	"CREATE INDEX message_client ON message(client, seq);"
	"CREATE INDEX message_type ON message(type, seq);"
	"CREATE INDEX message_received ON message(received, seq);"
	"CREATE TABLE message_spool ("
	"  client {bytes} NOT NULL,"
	"  spool {bytes} NOT NULL,"
	"  number {integer} NOT NULL,"
	"  used {integer} NOT NULL,"
	"  PRIMARY KEY (client, spool)"
	") {strict};"
	"CREATE TABLE message_box ("
	"  client {bytes} PRIMARY KEY NOT NULL,"
	"  messages {integer} NOT NULL CHECK (messages >= 0),"
	"  bytes {integer} NOT NULL CHECK (bytes >= 0)"
	") {strict};"
	"CREATE TABLE message_head ("
	"  one {integer} PRIMARY KEY NOT NULL CHECK (one = 1),"
	"  seq {integer} NOT NULL,"
	"  outlet {integer} NOT NULL"
	") {strict};"
	"INSERT INTO message_head (one, seq, outlet) VALUES (1, 0, 0);",

	/* link: enum client_link. former, successor: ids in hex, or nothing. */
	"ALTER TABLE client ADD COLUMN link {integer} NOT NULL DEFAULT 0;"
	"ALTER TABLE client ADD COLUMN former TEXT NOT NULL DEFAULT '';"
	"ALTER TABLE client ADD COLUMN successor TEXT NOT NULL DEFAULT '';"
	"CREATE INDEX client_machine ON client(machine, successor, enrolled);",

	/* What people look for among 50,000 machines. client.find: internal.h; the index on it has
	 * all that a search looks at. */
	"ALTER TABLE client ADD COLUMN find TEXT NOT NULL DEFAULT '';"
	"UPDATE client SET find = labels || '|' || hostname || '|' || address"
	"  WHERE length(labels) <= 800;"
	"CREATE INDEX client_find ON client(hostname, id, state, find);"
	"CREATE INDEX client_enrolled ON client(enrolled, id);"
	"CREATE INDEX client_seen ON client(last_hello, id, state);"
	"CREATE INDEX config_held_name ON config_held(name, client, revision, hash);"
	"CREATE INDEX config_refused_name ON config_refused(name, client);"
	"CREATE INDEX config_refused_time ON config_refused(time);"
	"CREATE INDEX token_expires ON token(expires);"
	"CREATE INDEX audit_object ON audit(object, seq);",

	/* Tokens from the newest on. */
	"CREATE INDEX token_created ON token(created, id);",

	/* The last restart of its agent that was asked for; state: enum reset_state. */
	"CREATE TABLE client_reset ("
	"  client {bytes} PRIMARY KEY NOT NULL CHECK (length(client) = 16),"
	"  number {integer} NOT NULL CHECK (number >= 1),"
	"  state {integer} NOT NULL,"
	"  asked {integer} NOT NULL,"
	"  answered {integer} NOT NULL,"
	"  code {integer} NOT NULL,"
	"  text TEXT NOT NULL"
	") {strict};",

	/* role: enum role. lapsed: as in token. */
	"CREATE TABLE api_token ("
	"  id TEXT PRIMARY KEY NOT NULL,"
	"  hash {bytes} NOT NULL UNIQUE CHECK (length(hash) = 32),"
	"  name TEXT NOT NULL,"
	"  role {integer} NOT NULL CHECK (role >= 1 AND role <= 3),"
	"  scope TEXT NOT NULL,"
	"  created {integer} NOT NULL,"
	"  expires {integer} NOT NULL,"
	"  lapsed {integer} NOT NULL DEFAULT 0,"
	"  revoked {integer} NOT NULL DEFAULT 0,"
	"  used {integer} NOT NULL DEFAULT 0,"
	"  created_by TEXT NOT NULL"
	") {strict};",

	/* ephemeral: seconds, 0 for not. counted: its offline time counts from then on, if that is
	 * later than its last HELLO. 'attended': until when a server was there to hear them. */
	"ALTER TABLE token ADD COLUMN ephemeral {integer} NOT NULL DEFAULT 0;"
	"ALTER TABLE client ADD COLUMN ephemeral {integer} NOT NULL DEFAULT 0;"
	"ALTER TABLE client ADD COLUMN counted {integer} NOT NULL DEFAULT 0;"
	"CREATE INDEX client_ephemeral ON client(last_hello) WHERE ephemeral > 0;"
	"INSERT INTO meta (name, value) VALUES ('attended', 0);",
	/* Where audit entries are sent to. position: the last one that is done with. */
	"CREATE TABLE webhook ("
	"  id TEXT PRIMARY KEY NOT NULL,"
	"  url TEXT NOT NULL,"
	"  events TEXT NOT NULL,"
	"  note TEXT NOT NULL,"
	"  created_by TEXT NOT NULL,"
	"  created {integer} NOT NULL,"
	"  position {integer} NOT NULL,"
	"  delivered {integer} NOT NULL,"
	"  failing_since {integer} NOT NULL,"
	"  disabled {integer} NOT NULL,"
	"  error TEXT NOT NULL,"
	"  salt {bytes} NOT NULL CHECK (length(salt) = 16)"
	") {strict};",

	/* password: what Argon2id made of it, in its own text form; "" is none. */
	"CREATE TABLE admin ("
	"  name TEXT PRIMARY KEY NOT NULL,"
	"  role {integer} NOT NULL CHECK (role >= 1 AND role <= 3),"
	"  password TEXT NOT NULL,"
	"  created {integer} NOT NULL,"
	"  changed {integer} NOT NULL,"
	"  login {integer} NOT NULL DEFAULT 0,"
	"  created_by TEXT NOT NULL"
	") {strict};"
	"CREATE TABLE session ("
	"  id TEXT PRIMARY KEY NOT NULL,"
	"  hash {bytes} NOT NULL UNIQUE CHECK (length(hash) = 32),"
	"  admin TEXT NOT NULL,"
	"  created {integer} NOT NULL,"
	"  used {integer} NOT NULL,"
	"  address TEXT NOT NULL"
	") {strict};"
	"CREATE INDEX session_admin ON session(admin, id);",

	/* What was done under an Idempotency-Key (name). secret: answer is the id of what was made. */
	"CREATE TABLE repeat ("
	"  actor TEXT NOT NULL,"
	"  name TEXT NOT NULL,"
	"  hash {bytes} NOT NULL CHECK (length(hash) = 32),"
	"  time {integer} NOT NULL,"
	"  status {integer} NOT NULL,"
	"  secret {integer} NOT NULL,"
	"  answer TEXT NOT NULL,"
	"  PRIMARY KEY (actor, name)"
	") {strict};"
	"CREATE INDEX repeat_time ON repeat(time);",

	/* server: the processes that serve from this database (presence.h); presence: which of them
	 * has which client's connection. Numbers of processes are never used again. */
	"CREATE TABLE server ("
	"  id {integer} PRIMARY KEY NOT NULL,"
	"  place TEXT NOT NULL UNIQUE,"
	"  beat {integer} NOT NULL,"
	"  connected {integer} NOT NULL"
	") {strict};"
	"CREATE TABLE presence ("
	"  client {bytes} PRIMARY KEY NOT NULL CHECK (length(client) = 16),"
	"  server {integer} NOT NULL"
	") {strict};"
	"INSERT INTO meta (name, value) VALUES ('server', 0);",

	/* clone_since: 0 for no alarm. clone_sign: enum clone_sign. machine_before: a hash of the
	 * boot id and machine-id that came before the present ones, or nothing. */
	"ALTER TABLE client ADD COLUMN clone_since {integer} NOT NULL DEFAULT 0;"
	"ALTER TABLE client ADD COLUMN clone_sign {integer} NOT NULL DEFAULT 0;"
	"ALTER TABLE client ADD COLUMN machine_before TEXT NOT NULL DEFAULT '';"
	"CREATE INDEX client_clone ON client(id) WHERE clone_since > 0;"
	"CREATE TABLE clone_machine ("
	"  client {bytes} NOT NULL CHECK (length(client) = 16),"
	"  boot_id {bytes} NOT NULL,"
	"  machine {bytes} NOT NULL,"
	"  address TEXT NOT NULL,"
	"  hostname TEXT NOT NULL,"
	"  first {integer} NOT NULL,"
	"  last {integer} NOT NULL,"
	"  PRIMARY KEY (client, boot_id, machine)"
	") {strict};"
	"CREATE INDEX clone_machine_machine ON clone_machine(machine);",

	/* Machines that listen. next: when to dial; doubt: there may be something for it. Of one
	 * that has been removed the row stays until it has been told, or given up. */
	"CREATE TABLE client_listening ("
	"  client {bytes} PRIMARY KEY NOT NULL CHECK (length(client) = 16),"
	"  tls_pin {bytes} NOT NULL CHECK (length(tls_pin) = 32),"
	"  port {integer} NOT NULL CHECK (port >= 0 AND port <= 65535),"
	"  address TEXT NOT NULL,"
	"  fixed TEXT NOT NULL,"
	"  next {integer} NOT NULL,"
	"  seen {integer} NOT NULL,"
	"  fails {integer} NOT NULL,"
	"  error TEXT NOT NULL,"
	"  doubt {integer} NOT NULL"
	") {strict};"
	"CREATE INDEX client_listening_next ON client_listening(next);"
	"CREATE INDEX client_listening_doubt ON client_listening(doubt);",

	/* order_number: when what the client should have was decided last, by this row; numbers.c.
	 * 'number': the last one given. */
	"ALTER TABLE config ADD COLUMN order_number {integer} NOT NULL DEFAULT 0;"
	"UPDATE config SET order_number = revision;"
	"ALTER TABLE client ADD COLUMN order_number {integer} NOT NULL DEFAULT 0;"
	"INSERT INTO meta (name, value) VALUES ('number', 0);",

	/* rollout.state: enum rollout_state; at most one has not ended. client_update: what each
	 * client was asked last; state: enum update_state; release: its roll-out's. */
	"CREATE TABLE rollout ("
	"  id {integer} PRIMARY KEY NOT NULL CHECK (id > 0),"
	"  release {bytes} NOT NULL CHECK (length(release) = 32),"
	"  version TEXT NOT NULL,"
	"  selector TEXT NOT NULL,"
	"  at_once {integer} NOT NULL CHECK (at_once > 0),"
	"  failures {integer} NOT NULL CHECK (failures >= 0),"
	"  state {integer} NOT NULL CHECK (state >= 0 AND state <= 2),"
	"  reason TEXT NOT NULL,"
	"  started {integer} NOT NULL,"
	"  changed {integer} NOT NULL,"
	"  actor TEXT NOT NULL,"
	"  under_way {integer} NOT NULL CHECK (under_way >= 0 AND under_way <= at_once),"
	"  done {integer} NOT NULL CHECK (done >= 0),"
	"  failed {integer} NOT NULL CHECK (failed >= 0)"
	") {strict};"
	"CREATE UNIQUE INDEX rollout_standing ON rollout((state < 2)) WHERE state < 2;"
	"CREATE INDEX rollout_under_way ON rollout(under_way) WHERE under_way > 0;"
	"CREATE TABLE client_update ("
	"  client {bytes} PRIMARY KEY NOT NULL CHECK (length(client) = 16),"
	"  rollout {integer} NOT NULL,"
	"  release {bytes} NOT NULL CHECK (length(release) = 32),"
	"  number {integer} NOT NULL CHECK (number > 0),"
	"  state {integer} NOT NULL CHECK (state >= 0 AND state <= 3),"
	"  sent {integer} NOT NULL,"
	"  answered {integer} NOT NULL,"
	"  code {integer} NOT NULL,"
	"  text TEXT NOT NULL"
	") {strict};"
	"CREATE INDEX client_update_rollout ON client_update(rollout, client);"
	"CREATE INDEX client_update_outcome ON client_update(rollout, state, client);"
	"CREATE INDEX client_update_release ON client_update(release, client);"
	"CREATE INDEX client_update_sent ON client_update(sent) WHERE state = 0;",
};

static const struct sql get_version = { "SELECT value FROM meta WHERE name = 'schema'" };
static const struct sql add_version = { "INSERT INTO meta (name, value) VALUES ('schema', $1)" };
static const struct sql set_version = { "UPDATE meta SET value = $1 WHERE name = 'schema'" };
static const struct sql add_clock = { "INSERT INTO meta (name, value) VALUES ('clock', 0)" };
static const struct sql add_head = { "INSERT INTO audit_head (one, seq, hash) VALUES (1, 0, $1)" };

uint64_t schema_version(void)
{
	return COUNT(steps);
}

static int current(struct db *db, uint64_t *ret)
{
	int r = db->driver->has_table(db, "meta");

	*ret = 0;
	return r <= 0 ? r : db_number(db, &get_version, NULL, 0, ret);
}

/* The rows that the first version's tables start with. */
static int seed(struct db *db)
{
	static const uint8_t zeros[32];
	int r = db_run(db, &add_version, VALUES(value_integer(1)), NULL);

	if (r == 0)
		r = db_run(db, &add_clock, NULL, 0, NULL);
	if (r == 0)
		r = db_run(db, &add_head, VALUES(value_bytes(zeros, sizeof(zeros))), NULL);
	return r;
}

/* One step, if there is one to make; which one is known only once nobody else can write. 1: there
 * may be another. */
static int step(struct db *db)
{
	uint64_t from = 0;
	int r = -EBUSY;

	for (int i = 0; r == -EBUSY && i < BEGIN_TRIES; i++)
		r = db->driver->begin(db);
	if (r == 0)
		r = current(db, &from);
	if (r < 0 || from >= COUNT(steps)) {
		db->driver->rollback(db);
		return r;
	}
	r = db->driver->script(db, steps[from]);
	if (r == 0)
		r = from == 0 ? seed(db)
			      : db_run(db, &set_version, VALUES(value_integer(from + 1)), NULL);
	if (r == 0)
		r = db->driver->commit(db);
	if (r < 0)
		db->driver->rollback(db);
	return r < 0 ? r : 1;
}

int schema_migrate(struct db *db)
{
	uint64_t version = 0;
	int r = current(db, &version);

	if (r < 0)
		return log_err(r == -ENOENT ? -EBADMSG : r, "the database has no schema version");
	if (version > COUNT(steps))
		return log_err(-EPROTONOSUPPORT,
			"the database has schema version %llu, this muster-server knows up to %zu: "
			"it needs the newer muster-server that made it",
			(unsigned long long)version, COUNT(steps));
	r = version < COUNT(steps);
	while (r > 0)
		r = step(db);
	return r < 0 ? log_err(r, "cannot make the database's tables") : 0;
}

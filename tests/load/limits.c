/* SPDX-License-Identifier: MIT */
/*
 * limits: the bare work that the server can't do without, each alone in a tight loop, as lines of a
 * name and a value. Processor time is this thread's.
 *
 *	limits FOLDER CONNECTIONS    FOLDER: for a database; CONNECTIONS: idle ones that are measured
 *
 * Of TLS only the server's side counts, of handshakes in memory: both ends in one thread, the clock
 * read at each change of sides.
 */
#include <errno.h>
#include <openssl/err.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

#include "lib/curve.h"
#include "lib/ecies.h"
#include "lib/secret.h"
#include "lib/tlskey.h"
#include "proc.h"
#include "server/log.h"
#include "server/store/store.h"
#include "server/tls.h"

#define ROUNDS     2000
#define HANDSHAKES 1000

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t cpu_ns(void)
{
	return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

static void tell(const char *name, uint64_t ns, size_t rounds)
{
	printf("%s %.2f\n", name, (double)ns / 1e3 / (double)rounds);
}

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "limits: %s failed\n", what);
	exit(1);
}

/* ---- TLS in memory */

struct ends {
	SSL_CTX *server_context, *client_context;
	struct tlskey server_key, client_key;
};

static int accept_any(X509_STORE_CTX *store, void *userdata)
{
	(void)store, (void)userdata;
	return 1;
}

static void make_ends(struct ends *e)
{
	static char groups[] = "X25519:P-256";

	if (tlskey_generate(TLSKEY_P256, "muster", &e->server_key) < 0 ||
		tlskey_generate(TLSKEY_ED25519, "muster-agent", &e->client_key) < 0 ||
		tls_context_new(&e->server_key, &e->server_context) < 0)
		die("TLS");
	e->client_context = SSL_CTX_new(TLS_client_method());
	if (!e->client_context || SSL_CTX_set1_groups_list(e->client_context, groups) != 1)
		die("TLS");
	SSL_CTX_set_mode(e->client_context, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_cert_verify_callback(e->client_context, accept_any, NULL);
}

static SSL *client_of(const struct ends *e, bool certificate)
{
	static const unsigned char alpn[] = "\x08http/1.1";
	SSL *ssl = SSL_new(e->client_context);

	if (!ssl || SSL_set_alpn_protos(ssl, alpn, sizeof alpn - 1) != 0)
		die("TLS");
	if (certificate && (SSL_use_certificate(ssl, e->client_key.certificate) != 1 ||
				   SSL_use_PrivateKey(ssl, e->client_key.key) != 1))
		die("TLS client certificate");
	return ssl;
}

static void shake(SSL *client, SSL *server, uint64_t *server_ns, uint64_t *client_ns)
{
	int done_client = 0, done_server = 0;

	for (int i = 0; i < 10 && !(done_client == 1 && done_server == 1); i++) {
		uint64_t a = cpu_ns();

		done_client = SSL_connect(client);
		uint64_t b = cpu_ns();
		done_server = SSL_accept(server);
		*client_ns += b - a;
		*server_ns += cpu_ns() - b;
	}
	if (done_client != 1 || done_server != 1)
		die("TLS handshake");
}

static void handshakes(
	const struct ends *e, bool certificate, const char *server_name, const char *client_name)
{
	uint64_t server_ns = 0, client_ns = 0;

	for (size_t i = 0; i < HANDSHAKES; i++) {
		SSL *client = client_of(e, certificate);
		uint64_t begin = cpu_ns();
		SSL *server = SSL_new(e->server_context);
		BIO *one, *other;

		if (!server || BIO_new_bio_pair(&one, 0, &other, 0) != 1)
			die("TLS");
		SSL_set_bio(server, one, one);
		SSL_set_bio(client, other, other);
		server_ns += cpu_ns() - begin;
		shake(client, server, &server_ns, &client_ns);
		begin = cpu_ns();
		SSL_free(server);
		server_ns += cpu_ns() - begin;
		SSL_free(client);
	}
	tell(server_name, server_ns, HANDSHAKES);
	tell(client_name, client_ns, HANDSHAKES);
}

/* ---- bare idle connections */

static _Noreturn void idle_clients(const struct ends *e, const int *sockets, size_t count)
{
	SSL **all = calloc(count, sizeof *all);
	char byte;

	for (size_t i = 0; all && i < count; i++) {
		all[i] = client_of(e, true);
		if (SSL_set_fd(all[i], sockets[2 * i]) != 1 || SSL_connect(all[i]) != 1 ||
			SSL_write(all[i], "x", 1) != 1)
			_exit(1);
	}
	_exit(recv(sockets[0], &byte, 1, 0) > 0); /* until the other end closes */
}

/* Each connection takes and gives one byte, as an idle agent's has spoken. */
static void idle_connections(const struct ends *e, size_t count)
{
	int *sockets = calloc(2 * count, sizeof *sockets);
	SSL **all = calloc(count, sizeof *all);
	uint64_t before, after, private;

	for (size_t i = 0; sockets && i < count; i++)
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets + 2 * i) < 0)
			die("socketpair");
	fflush(stdout);
	pid_t pid = fork();
	if (pid == 0)
		idle_clients(e, sockets, count);
	if (pid < 0 || proc_memory(getpid(), &before, &private) < 0)
		die("fork");
	for (size_t i = 0; all && i < count; i++) {
		char byte;

		close(sockets[2 * i]);
		all[i] = SSL_new(e->server_context);
		if (!all[i] || SSL_set_fd(all[i], sockets[2 * i + 1]) != 1 ||
			SSL_accept(all[i]) != 1 || SSL_read(all[i], &byte, 1) != 1 ||
			SSL_write(all[i], "y", 1) != 1)
			die("idle connection");
	}
	if (proc_memory(getpid(), &after, &private) < 0)
		die("smaps_rollup");
	printf("idle_connection_kib %.2f\n", (double)(after - before) / (double)count);
	for (size_t i = 0; i < count; i++) {
		SSL_free(all[i]);
		close(sockets[2 * i + 1]);
	}
	(void)waitpid(pid, NULL, 0);
	free(sockets);
	free(all);
}

/* ---- keys and packets */

static void curve_work(void)
{
	uint8_t secret[32], public[PUBLIC_KEY_SIZE], shared[PUBLIC_KEY_SIZE];
	uint8_t digest[DIGEST_SIZE] = { 1 }, signature[SIGNATURE_SIZE];
	scoped(identity_freep) struct identity *id = NULL;
	secp256k1_pubkey parsed;
	uint64_t sums[5] = {}, t[6];

	if (identity_generate(&id) < 0)
		die("identity");
	for (size_t i = 0; i < ROUNDS; i++) {
		t[0] = cpu_ns();
		int r = curve_generate(secret, public);
		t[1] = cpu_ns();
		r |= curve_share(identity_secret(id), public, shared);
		t[2] = cpu_ns();
		memcpy(digest, shared + 1, sizeof digest);
		t[2] = cpu_ns();
		r |= identity_sign(id, digest, signature);
		t[3] = cpu_ns();
		r |= identity_verify(identity_public(id), digest, signature);
		t[4] = cpu_ns();
		r |= curve_parse(public, &parsed);
		t[5] = cpu_ns();
		if (r != 0)
			die("curve");
		for (size_t k = 0; k < COUNT(sums); k++)
			sums[k] += t[k + 1] - t[k];
	}
	static const char *const names[] = { "ephemeral_us", "ecdh_us", "sign_us",
		"verify_us", /* with the parsing of the key */
		"parse_us" };
	for (size_t k = 0; k < COUNT(sums); k++)
		tell(names[k], sums[k], ROUNDS);
}

static void packet_work(void)
{
	struct ecies_sender *sender = NULL;
	struct ecies_receiver *receiver = NULL;
	uint8_t plain[400] = {}, sealed[400 + ECIES_OVERHEAD];
	scoped(identity_freep) struct identity *id = NULL;

	if (identity_generate(&id) < 0 || ecies_sender_new(identity_public(id), &sender) < 0 ||
		ecies_receiver_new(id, &receiver) < 0)
		die("ECIES");
	uint64_t begin = cpu_ns();
	for (size_t i = 0; i < ROUNDS; i++)
		if (ecies_seal(sender, plain, sizeof plain, sealed) < 0)
			die("ECIES");
	uint64_t middle = cpu_ns();
	for (size_t i = 0; i < ROUNDS; i++)
		if (ecies_open(receiver, sealed, sizeof sealed, plain) < 0)
			die("ECIES");
	tell("seal_us", middle - begin, ROUNDS);
	tell("open_us", cpu_ns() - middle, ROUNDS);
	ecies_sender_free(sender);
	ecies_receiver_free(receiver);
}

/* ---- commits */

static sqlite3_stmt *prepare(sqlite3 *db, const char *text)
{
	sqlite3_stmt *st = NULL;

	if (sqlite3_prepare_v2(db, text, -1, &st, NULL) != SQLITE_OK)
		die(sqlite3_errmsg(db));
	return st;
}

static void run(sqlite3_stmt *st)
{
	int r;

	do
		r = sqlite3_step(st);
	while (r == SQLITE_ROW);
	if (r != SQLITE_DONE || sqlite3_reset(st) != SQLITE_OK)
		die("SQL");
}

/* The rows of an enrolment, no more: a token's use, the client, the audit's entry and head. */
struct bare_rows {
	sqlite3_stmt *begin, *commit, *use, *client, *audit, *head;
	sqlite3_int64 seq;
};

static void write_rows(struct bare_rows *w)
{
	uint8_t id[16], key[65], pin[32];

	random_bytes(id, sizeof id);
	random_bytes(key, sizeof key);
	random_bytes(pin, sizeof pin);
	run(w->use);
	sqlite3_bind_blob(w->client, 1, id, sizeof id, SQLITE_STATIC);
	sqlite3_bind_blob(w->client, 2, key, sizeof key, SQLITE_STATIC);
	sqlite3_bind_blob(w->client, 3, pin, sizeof pin, SQLITE_STATIC);
	run(w->client);
	sqlite3_bind_int64(w->audit, 1, ++w->seq);
	sqlite3_bind_blob(w->audit, 2, pin, sizeof pin, SQLITE_STATIC);
	run(w->audit);
	sqlite3_bind_int64(w->head, 1, w->seq);
	sqlite3_bind_blob(w->head, 2, pin, sizeof pin, SQLITE_STATIC);
	run(w->head);
}

static void commits(struct bare_rows *w, size_t group)
{
	char name[32];
	uint64_t cpu = cpu_ns(), wall = clock_ns(CLOCK_MONOTONIC);

	for (size_t done = 0; done < ROUNDS; done += group) {
		run(w->begin);
		for (size_t i = 0; i < group; i++)
			write_rows(w);
		run(w->commit);
	}
	snprintf(name, sizeof name, "commit_%zu_us", group);
	tell(name, cpu_ns() - cpu, ROUNDS);
	snprintf(name, sizeof name, "commit_%zu_wall_us", group);
	tell(name, clock_ns(CLOCK_MONOTONIC) - wall, ROUNDS);
}

/* The schema is the store's own. */
static void make_tables(const char *path)
{
	static const uint8_t key[TOKEN_KEY_SIZE] = { 1 };
	struct token_spec spec = { .uses = UNLIMITED_USES, .actor = "limits" };
	struct token_record record;
	uint8_t token[TOKEN_SIZE];
	struct store *store = NULL;

	if (store_open(&(struct db_place){ path, NULL }, key, &store) < 0 ||
		store_begin(store) < 0 || store_token_create(store, &spec, token, &record) < 0 ||
		store_commit(store) < 0)
		die("store");
	store_close(store);
}

static void commit_work(const char *folder)
{
	char path[512];
	sqlite3 *db = NULL;
	struct bare_rows w = { .seq = 1000 };

	snprintf(path, sizeof path, "%s/limits.db", folder);
	make_tables(path);
	if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK ||
		sqlite3_exec(db, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL", NULL, NULL,
			NULL) != SQLITE_OK)
		die("database");
	w.begin = prepare(db, "BEGIN IMMEDIATE");
	w.commit = prepare(db, "COMMIT");
	w.use = prepare(db, "UPDATE token SET used = used + 1 WHERE used < uses");
	w.client = prepare(db,
		"INSERT INTO client (id, identity, tls_pin, state, labels, token, enrolled, "
		"last_hello,"
		" uptime, boot_id, address, hostname, os, kernel, arch, version, machine)"
		" SELECT ?1, ?2, ?3, 0, '', id, 1795305600, 0, 0, x'00', "
		"'127.0.0.1', 'machine-1000.example.org', 'Debian GNU/Linux 12 (bookworm)', "
		"'6.1.0-30-amd64', 'x86_64', '0.1.0', ?3 FROM token LIMIT 1");
	w.audit = prepare(db,
		"INSERT INTO audit VALUES (?1, 1795305600, "
		"'client:00112233445566778899aabbccddeeff',"
		" 'client.enrol', '00112233445566778899aabbccddeeff',"
		" 'token=t-0123456789 hostname=machine-1000.example.org address=127.0.0.1', ?2)");
	w.head = prepare(db, "UPDATE audit_head SET seq = ?1, hash = ?2 WHERE one = 1");
	commits(&w, 1);
	commits(&w, 16);
	commits(&w, 64);
	for (sqlite3_stmt **st = &w.begin; st <= &w.head; st++)
		sqlite3_finalize(*st);
	sqlite3_close(db);
}

int main(int argc, char **argv)
{
	struct ends ends = {};

	if (argc != 3) {
		fprintf(stderr, "usage: limits FOLDER CONNECTIONS\n");
		return 2;
	}
	log_open("limits", LOG_ERR);
	if (secret_init() < 0)
		die("libsodium");
	make_ends(&ends);
	idle_connections(&ends, strtoul(argv[2], NULL, 10));
	handshakes(&ends, false, "handshake_us", "handshake_client_us");
	handshakes(&ends, true, "handshake_mutual_us", "handshake_mutual_client_us");
	curve_work();
	packet_work();
	commit_work(argv[1]);
	return 0;
}

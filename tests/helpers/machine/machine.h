/* SPDX-License-Identifier: MIT */
/* A machine that the tests play (helpers/peer.c): its files, its connection, its messages. */
#ifndef MUSTER_TESTS_MACHINE_H
#define MUSTER_TESTS_MACHINE_H

#include <netinet/in.h>
#include <openssl/ssl.h>
#include <stdbool.h>

#include "lib/body.h"
#include "lib/buffer.h"
#include "lib/packet.h"
#include "lib/session.h"
#include "lib/tlskey.h"

/* Exit codes, and what a command comes to: the larger is the worse. */
#define REFUSED 1
#define MISUSED 2
#define FAILED  3

struct arguments {
	struct sockaddr_in server, from;
	uint8_t server_key[PUBLIC_KEY_SIZE];
	uint8_t pin[PIN_SIZE];
	bool has_pin, has_from;
	char dir[4096];
	char prefix[32];           /* of each line */
	int gate_ready, gate_open; /* of --count: -1 without */
};
extern struct arguments args;

struct machine {
	int fd;
	SSL *ssl;
	SSL_CTX *ctx;
	struct session *session;
	struct buffer in;
	size_t taken;
	FILE *sent, *received; /* records; NULL: none */
	uint8_t id[CLIENT_ID_SIZE];
	uint8_t binding[BINDING_SIZE];
	bool muted;       /* seals and records, sends nothing */
	bool deaf;        /* connects with hardly any room for what comes */
	char machine[64]; /* its machine-id; "": one of its own, by its key */
	uint8_t boot_id[16];
	uint64_t uptime;
	int listener;
	uint16_t listens; /* 0: it doesn't */
	long flip;        /* bit of the next message's first packet, -1: none */
	struct identity *identity;
	struct tlskey tls;
};
extern struct machine me;

/* Ends the program. */
void stop(int code, const char *format, ...) __attribute__((noreturn)) printf_like(2);
void must(int r, const char *what);
void tell(const char *format, ...) printf_like(1); /* one line */

void load_files(void);
void save_id(const uint8_t id[static CLIENT_ID_SIZE]);

void connect_now(bool enrolled); /* with the TLS key, or without */
void listen_now(void);           /* at a port that it tells */
void accept_now(void);           /* the server's next connection */
void close_connection(void);
void send_bytes(const void *data, size_t len);
/* The same, but false if the peer takes no more for a while. */
bool try_to_send(const void *data, size_t len);
int read_more(void); /* into me.in: 1; 0: the connection has ended */

void send_message(uint8_t op, const void *body, size_t len);
void send_ask(const uint8_t token[static TOKEN_SIZE]);
void send_enrol(const uint8_t token[static TOKEN_SIZE]);
void send_hello(void);
size_t hello_body(uint8_t *ret, size_t size);
int next_message(struct message *ret); /* 1; 0: the connection has ended */
int tell_answer(const struct message *m);
int await_answer(void); /* 0, REFUSED or FAILED */

#endif

/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include "lib/tlscontext.h"

#define SPOKEN                                                                                     \
	"\x05"                                                                                     \
	"right"

struct ends {
	struct tlskey keys[2];
	SSL_CTX *server, *client;
	SSL *ssl[2];
};

static int any(X509_STORE_CTX *store, void *userdata)
{
	(void)store, (void)userdata;
	return 1;
}

static void begin(struct ends *e)
{
	*e = (struct ends){};
	assert_int_equal(tlskey_generate(TLSKEY_P256, "server", &e->keys[0]), 0);
	assert_int_equal(tlskey_generate(TLSKEY_ED25519, "client", &e->keys[1]), 0);
	assert_int_equal(tlscontext_new(TLS_server_method(), &e->keys[0], &e->server), 0);
	assert_int_equal(tlscontext_new(TLS_client_method(), &e->keys[1], &e->client), 0);
	SSL_CTX_set_verify(e->server, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_cert_verify_callback(e->server, any, NULL);
	SSL_CTX_set_cert_verify_callback(e->client, any, NULL);
	tlscontext_speak(e->server, SPOKEN);
}

static void end(struct ends *e)
{
	for (size_t i = 0; i < 2; i++) {
		SSL_free(e->ssl[i]);
		tlskey_clear(&e->keys[i]);
	}
	SSL_CTX_free(e->server);
	SSL_CTX_free(e->client);
}

/* Each side has its turn until both are done, or one gives up. offered: ALPN, NULL: none. */
static bool shake_hands(struct ends *e, const char *offered)
{
	BIO *ours, *theirs;

	assert_int_equal(BIO_new_bio_pair(&ours, 0, &theirs, 0), 1);
	e->ssl[0] = SSL_new(e->server);
	e->ssl[1] = SSL_new(e->client);
	SSL_set_bio(e->ssl[0], ours, ours);
	SSL_set_bio(e->ssl[1], theirs, theirs);
	SSL_set_accept_state(e->ssl[0]);
	SSL_set_connect_state(e->ssl[1]);
	if (offered)
		assert_int_equal(SSL_set_alpn_protos(e->ssl[1], (const unsigned char *)offered,
					 (unsigned)strlen(offered)),
			0);
	while (!SSL_is_init_finished(e->ssl[0]) || !SSL_is_init_finished(e->ssl[1]))
		for (size_t i = 0; i < 2; i++) {
			int r = SSL_do_handshake(e->ssl[i]);

			if (r != 1 && SSL_get_error(e->ssl[i], r) != SSL_ERROR_WANT_READ)
				return false;
		}
	return true;
}

static bool meets(const char *offered, int version)
{
	struct ends e;
	bool met;

	begin(&e);
	if (version)
		assert_true(SSL_CTX_set_min_proto_version(e.client, version) == 1 &&
			    SSL_CTX_set_max_proto_version(e.client, version) == 1);
	met = shake_hands(&e, offered);
	end(&e);
	return met;
}

static void other_protocols_are_refused(void **state)
{
	static const char *const others[] = { "\x05"
					      "wrong",
		"\x04"
		"righ",
		"\x06"
		"rights",
		"\x05"
		"RIGHT",
		"\x08"
		"http/1.1"
		"\x02"
		"h2" };

	(void)state;
	for (size_t i = 0; i < COUNT(others); i++)
		assert_false(meets(others[i], 0));
}

static void older_versions_are_refused(void **state)
{
	(void)state;
	assert_false(meets(SPOKEN, TLS1_2_VERSION));
	assert_true(meets(SPOKEN, TLS1_3_VERSION));
}

static void another_groups_peer_is_refused(void **state)
{
	static char groups[] = "P-384";
	struct ends e;

	(void)state;
	begin(&e);
	assert_int_equal(SSL_CTX_set1_groups_list(e.client, groups), 1);
	assert_false(shake_hands(&e, SPOKEN));
	end(&e);
}

static void the_protocol_is_agreed_on_if_one_is_offered(void **state)
{
	(void)state;
	assert_true(meets(NULL, 0));
	assert_true(meets(SPOKEN, 0));
	assert_true(meets("\x02"
			  "h2" SPOKEN,
		0));
}

static void both_ends_show_their_key_and_have_one_binding(void **state)
{
	uint8_t bindings[2][BINDING_SIZE], others[2][BINDING_SIZE], pin[PIN_SIZE];
	struct ends e;

	(void)state;
	begin(&e);
	assert_true(shake_hands(&e, SPOKEN));
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(tlscontext_binding(e.ssl[i], bindings[i]), 0);
		assert_int_equal(pin_of_certificate(SSL_get0_peer_certificate(e.ssl[i]), pin), 0);
		assert_memory_equal(pin, e.keys[1 - i].pin, PIN_SIZE);
		assert_false(SSL_session_reused(e.ssl[i]));
	}
	assert_memory_equal(bindings[0], bindings[1], BINDING_SIZE);
	end(&e);
	begin(&e);
	assert_true(shake_hands(&e, SPOKEN));
	assert_int_equal(tlscontext_binding(e.ssl[0], others[0]), 0);
	assert_memory_not_equal(bindings[0], others[0], BINDING_SIZE);
	end(&e);
}

static void before_the_handshake_there_is_no_binding(void **state)
{
	uint8_t binding[BINDING_SIZE];
	struct ends e;

	(void)state;
	begin(&e);
	e.ssl[0] = SSL_new(e.server);
	SSL_set_accept_state(e.ssl[0]);
	assert_int_equal(tlscontext_binding(e.ssl[0], binding), -EIO);
	end(&e);
}

static void anothers_certificate_is_refused(void **state)
{
	struct tlskey own = {}, other = {}, mixed = {};
	SSL_CTX *ctx = NULL;

	(void)state;
	assert_int_equal(tlskey_generate(TLSKEY_P256, "own", &own), 0);
	assert_int_equal(tlskey_generate(TLSKEY_P256, "other", &other), 0);
	mixed.key = own.key;
	mixed.certificate = other.certificate;
	assert_int_equal(tlscontext_new(TLS_server_method(), &mixed, &ctx), -EIO);
	assert_null(ctx);
	tlskey_clear(&own);
	tlskey_clear(&other);
}

UNIT(it(other_protocols_are_refused), it(older_versions_are_refused),
	it(another_groups_peer_is_refused), it(before_the_handshake_there_is_no_binding),
	it(anothers_certificate_is_refused), it(the_protocol_is_agreed_on_if_one_is_offered),
	it(both_ends_show_their_key_and_have_one_binding))

/* SPDX-License-Identifier: MIT */
#include "tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <string.h>

#include "lib/packet.h"
#include "lib/tlscontext.h"
#include "log.h"

static int accept_any(X509_STORE_CTX *store, void *userdata)
{
	(void)store;
	(void)userdata;
	return 1;
}

static int failed(int error, const char *what)
{
	const char *why = ERR_reason_error_string(ERR_get_error());

	log_at(LOG_ERR, "%s: %s", what, why ? why : strerror(-error));
	ERR_clear_error();
	return error;
}

int tls_context_new(const struct tlskey *key, SSL_CTX **ret)
{
	int r = tlscontext_new(TLS_server_method(), key, ret);

	if (r < 0)
		return failed(r, "cannot set up TLS");
	SSL_CTX_set_options(*ret, SSL_OP_CIPHER_SERVER_PREFERENCE);
	SSL_CTX_set_verify(*ret, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_cert_verify_callback(*ret, accept_any, NULL);
	tlscontext_speak(*ret, "\x08http/1.1");
	return 0;
}

static int expect(X509_STORE_CTX *store, void *userdata)
{
	const SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct tls_expected *e = ssl != NULL ? SSL_get_app_data(ssl) : NULL;
	X509 *certificate = X509_STORE_CTX_get0_cert(store);
	uint8_t pin[PIN_SIZE];

	(void)userdata;
	if (e == NULL || certificate == NULL || pin_of_certificate(certificate, pin) < 0)
		return 0;
	e->wrong = memcmp(pin, e->pin, sizeof(pin)) != 0;
	if (e->wrong)
		X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_UNTRUSTED);
	return !e->wrong;
}

static bool set_dial(SSL_CTX *ctx)
{
	static const unsigned char offered[] = "\x0f" PACKET_PROTOCOL;
	static char algorithms[] = "ed25519:ECDSA+SHA256";

	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_cert_verify_callback(ctx, expect, NULL);
	return SSL_CTX_set1_sigalgs_list(ctx, algorithms) == 1 &&
	       SSL_CTX_set_alpn_protos(ctx, offered, sizeof(offered) - 1) == 0;
}

int tls_dial_context_new(const struct tlskey *key, SSL_CTX **ret)
{
	SSL_CTX *ctx = NULL;
	int r = tlscontext_new(TLS_client_method(), key, &ctx);

	if (r == 0 && !set_dial(ctx))
		r = -EIO;
	if (r < 0) {
		SSL_CTX_free(ctx);
		return failed(r, "cannot set up TLS for machines that listen");
	}
	*ret = ctx;
	return 0;
}

bool tls_speaks_packets(const SSL *ssl)
{
	const unsigned char *chosen = NULL;
	unsigned len = 0;

	SSL_get0_alpn_selected(ssl, &chosen, &len);
	return len == strlen(PACKET_PROTOCOL) && memcmp(chosen, PACKET_PROTOCOL, len) == 0;
}

int tls_peer_pin(const SSL *ssl, uint8_t ret[static PIN_SIZE])
{
	X509 *certificate = SSL_get0_peer_certificate(ssl);

	if (certificate == NULL)
		return 0;
	int r = pin_of_certificate(certificate, ret);
	return r < 0 ? r : 1;
}

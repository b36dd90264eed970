/* SPDX-License-Identifier: MIT */
#include "tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <string.h>

#include "log.h"

/* Room for a minimal self-signed certificate; a chain of somebody's CA is none of ours. */
#define CERTIFICATE_MAX 4096

static const unsigned char alpn[] = { 8, 'h', 't', 't', 'p', '/', '1', '.', '1' };

static int accept_any(X509_STORE_CTX *store, void *userdata)
{
	(void)store;
	(void)userdata;
	return 1;
}

static int choose_alpn(SSL *ssl, const unsigned char **ret, unsigned char *ret_len,
	const unsigned char *offered, unsigned int len, void *userdata)
{
	unsigned char *chosen;

	(void)ssl;
	(void)userdata;
	if (SSL_select_next_proto(&chosen, ret_len, alpn, sizeof(alpn), offered, len) !=
		OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*ret = chosen;
	return SSL_TLSEXT_ERR_OK;
}

static void set_options(SSL_CTX *ctx)
{
	SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION |
					 SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_NO_COMPRESSION);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
				      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_max_early_data(ctx, 0);
	SSL_CTX_set_max_cert_list(ctx, CERTIFICATE_MAX);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_cert_verify_callback(ctx, accept_any, NULL);
	SSL_CTX_set_alpn_select_cb(ctx, choose_alpn, NULL);
}

static bool set_key(SSL_CTX *ctx, const struct tlskey *key)
{
	/* Macros of OpenSSL's cast const away from these. */
	static char groups[] = "X25519:P-256", algorithms[] = "ed25519:ECDSA+SHA256";

	return SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) == 1 &&
	       SSL_CTX_set_num_tickets(ctx, 0) == 1 &&
	       SSL_CTX_set_ciphersuites(ctx, "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256:"
					     "TLS_AES_256_GCM_SHA384") == 1 &&
	       SSL_CTX_set1_groups_list(ctx, groups) == 1 &&
	       SSL_CTX_set1_client_sigalgs_list(ctx, algorithms) == 1 &&
	       SSL_CTX_use_certificate(ctx, key->certificate) == 1 &&
	       SSL_CTX_use_PrivateKey(ctx, key->key) == 1;
}

int tls_context_new(const struct tlskey *key, SSL_CTX **ret)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	if (ctx == NULL)
		return log_err(-ENOMEM, "cannot set up TLS");
	set_options(ctx);
	if (!set_key(ctx, key)) {
		SSL_CTX_free(ctx);
		log_at(LOG_ERR, "cannot set up TLS: %s", ERR_reason_error_string(ERR_get_error()));
		ERR_clear_error();
		return -EIO;
	}
	*ret = ctx;
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
	static const unsigned char offered[] = "\x0f" TLS_PACKET_ALPN;
	static char algorithms[] = "ed25519:ECDSA+SHA256";

	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_cert_verify_callback(ctx, expect, NULL);
	return SSL_CTX_set1_sigalgs_list(ctx, algorithms) == 1 &&
	       SSL_CTX_set_alpn_protos(ctx, offered, sizeof(offered) - 1) == 0;
}

int tls_dial_context_new(const struct tlskey *key, SSL_CTX **ret)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	if (ctx == NULL)
		return log_err(-ENOMEM, "cannot set up TLS");
	set_options(ctx);
	if (!set_key(ctx, key) || !set_dial(ctx)) {
		SSL_CTX_free(ctx);
		ERR_clear_error();
		log_at(LOG_ERR, "cannot set up TLS for machines that listen");
		return -EIO;
	}
	*ret = ctx;
	return 0;
}

bool tls_speaks_packets(const SSL *ssl)
{
	const unsigned char *chosen = NULL;
	unsigned len = 0;

	SSL_get0_alpn_selected(ssl, &chosen, &len);
	return len == strlen(TLS_PACKET_ALPN) && memcmp(chosen, TLS_PACKET_ALPN, len) == 0;
}

int tls_binding(SSL *ssl, uint8_t ret[static BINDING_SIZE])
{
	static const char label[] = "EXPORTER-Channel-Binding";

	return SSL_export_keying_material(
		       ssl, ret, BINDING_SIZE, label, strlen(label), NULL, 0, 1) == 1
		       ? 0
		       : -EIO;
}

int tls_peer_pin(const SSL *ssl, uint8_t ret[static PIN_SIZE])
{
	X509 *certificate = SSL_get0_peer_certificate(ssl);

	if (certificate == NULL)
		return 0;
	int r = pin_of_certificate(certificate, ret);
	return r < 0 ? r : 1;
}

/* SPDX-License-Identifier: MIT */
#include "lib/tlscontext.h"

#include <errno.h>
#include <openssl/err.h>
#include <string.h>

/* Room for a minimal self-signed certificate; a chain of somebody's CA is none of ours. */
#define CERTIFICATE_MAX 4096

static void set_options(SSL_CTX *ctx)
{
	SSL_CTX_set_options(
		ctx, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
				      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_max_early_data(ctx, 0);
	SSL_CTX_set_max_cert_list(ctx, CERTIFICATE_MAX);
}

static bool set_rules(SSL_CTX *ctx, const struct tlskey *key)
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

int tlscontext_new(const SSL_METHOD *method, const struct tlskey *key, SSL_CTX **ret)
{
	SSL_CTX *ctx = SSL_CTX_new(method);

	if (!ctx)
		return -ENOMEM;
	set_options(ctx);
	if (!set_rules(ctx, key)) {
		SSL_CTX_free(ctx);
		return -EIO;
	}
	*ret = ctx;
	return 0;
}

static int choose(SSL *ssl, const unsigned char **ret, unsigned char *ret_len,
	const unsigned char *offered, unsigned int len, void *protocol)
{
	unsigned char *chosen;

	(void)ssl;
	if (SSL_select_next_proto(&chosen, ret_len, protocol, (unsigned)strlen(protocol), offered,
		    len) != OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*ret = chosen;
	return SSL_TLSEXT_ERR_OK;
}

/* The callback only reads it. */
void tlscontext_speak(SSL_CTX *ctx, const char *protocol)
{
	SSL_CTX_set_alpn_select_cb(ctx, choose, (void *)(uintptr_t)protocol);
}

int tlscontext_binding(SSL *ssl, uint8_t ret[static BINDING_SIZE])
{
	static const char label[] = "EXPORTER-Channel-Binding";

	return SSL_export_keying_material(
		       ssl, ret, BINDING_SIZE, label, strlen(label), NULL, 0, 1) == 1
		       ? 0
		       : -EIO;
}

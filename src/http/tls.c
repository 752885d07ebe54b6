/* SPDX-License-Identifier: Apache-2.0 */
/* Reads and judges the certificate and key of the configuration before the listener is there. */
#include "http/tls.h"

#include <errno.h>
#include <gnutls/gnutls.h>
#include <sodium.h>
#include <string.h>

#include "base/file.h"
#include "http/http.h"

#define PEM_MAX (1u << 20)

static gnutls_datum_t datum(const char *text)
{
	return (gnutls_datum_t){ (unsigned char *)(uintptr_t)text, (unsigned int)strlen(text) };
}

/* libmicrohttpd would only say that it does not start. */
static int judge(const struct http_tls *tls, struct err *e)
{
	gnutls_certificate_credentials_t cred;
	gnutls_datum_t certificate = datum(tls->certificate), key = datum(tls->key), ca;
	int rc = gnutls_certificate_allocate_credentials(&cred);

	if (rc)
		return err_set(e, -ENOMEM, "%s", gnutls_strerror(rc));
	rc = gnutls_certificate_set_x509_key_mem(cred, &certificate, &key, GNUTLS_X509_FMT_PEM);
	if (rc < 0)
		err_set(e, -EINVAL, "[api] tls_certificate, tls_key: %s", gnutls_strerror(rc));
	if (rc >= 0 && tls->client_ca) {
		ca = datum(tls->client_ca);
		rc = gnutls_certificate_set_x509_trust_mem(cred, &ca, GNUTLS_X509_FMT_PEM);
		if (rc <= 0)
			err_set(e, rc = -EINVAL, "[api] tls_client_ca has no certificate");
	}
	gnutls_certificate_free_credentials(cred);
	return rc < 0 ? -EINVAL : 0;
}

static int read_pem(const struct conf *conf, const char *key, char **out, struct err *e)
{
	const char *path = conf_get(conf, "api", key);

	return *path ? file_read(path, PEM_MAX, out, NULL, e) : 0;
}

/**
 * http_tls_read() - The TLS of the configuration
 * @conf:   configuration; its files are read here, so root may read them before it is given up
 * @listen: where it is for: without TLS, beyond this machine only if the configuration asks by name
 * @out:    PEM texts; all NULL: plain HTTP. To be freed with http_tls_fini(), also on failure
 * @e:	    why not
 *
 * Return: 0; -EINVAL if half of it is missing or does not fit together; -EPERM for plain HTTP
 * beyond this machine; errno of the files.
 */
int http_tls_read(const struct conf *conf, const char *listen, struct http_tls *out, struct err *e)
{
	int rc = read_pem(conf, "tls_certificate", &out->certificate, e);

	rc = rc ?: read_pem(conf, "tls_key", &out->key, e);
	rc = rc ?: read_pem(conf, "tls_client_ca", &out->client_ca, e);
	if (rc)
		return rc;
	if (!out->certificate != !out->key || (out->client_ca && !out->key))
		return err_set(e, -EINVAL, "[api] tls_certificate and tls_key belong together");
	if (out->key)
		return judge(out, e);
	if (http_is_local(listen) || conf_bool(conf, "api", "plain_http"))
		return 0;
	return err_set(e, -EPERM,
		       "[api] listen = %s without TLS: passwords and tokens would go in clear; set "
		       "tls_certificate and tls_key, or plain_http = yes",
		       listen);
}

/**
 * http_tls_fini() - Wipe and free
 * @tls: may be half-filled
 */
void http_tls_fini(struct http_tls *tls)
{
	if (tls->key)
		sodium_memzero(tls->key, strlen(tls->key));
	free(tls->certificate);
	free(tls->key);
	free(tls->client_ca);
	*tls = (struct http_tls){ 0 };
}

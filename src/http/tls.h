/* SPDX-License-Identifier: Apache-2.0 */
/* TLS of the listener: what it shows and whom it believes, as PEM texts. GnuTLS by libmicrohttpd. */
#ifndef ANYVF_HTTP_TLS_H
#define ANYVF_HTTP_TLS_H

#include <stdbool.h>

#include "base/conf.h"

#define HTTP_TLS_PRIORITIES "SECURE128:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-RSA"

struct http_tls {
	char *certificate, *key; /* with the chain; NULL: plain HTTP */
	char *client_ca;	 /* who signs agents' certificates; NULL: none are asked for */
};

int http_tls_read(const struct conf *conf, const char *listen, struct http_tls *out, struct err *e);
void http_tls_fini(struct http_tls *tls);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* GnuTLS, with whom to believe and what to show from files, which are read for each connection. */
#include "httpc/tlsc.h"

#include <arpa/inet.h>
#include <errno.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <string.h>

#define VERSIONS "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"

struct tlsc {
	gnutls_certificate_credentials_t cred;
	gnutls_session_t session;
	char *host;
	gnutls_typed_vdata_st must[2]; /* what the other side's certificate must have */
};

static int load(struct tlsc *t, const struct httpc_trust *trust, struct err *e)
{
	bool own = trust->ca_file && *trust->ca_file;
	int rc = own ? gnutls_certificate_set_x509_trust_file(t->cred, trust->ca_file,
							      GNUTLS_X509_FMT_PEM)
		     : gnutls_certificate_set_x509_system_trust(t->cred);

	if (own && rc <= 0)
		return err_set(e, -EKEYREJECTED, "%s: no certificate of an authority: %s",
			       trust->ca_file, rc ? gnutls_strerror(rc) : "it is empty");
	if (!trust->certificate || !*trust->certificate)
		return 0;
	rc = gnutls_certificate_set_x509_key_file(t->cred, trust->certificate, trust->key ?: "",
						  GNUTLS_X509_FMT_PEM);
	return rc < 0 ? err_set(e, -EKEYREJECTED, "%s: certificate and key: %s", trust->certificate,
				gnutls_strerror(rc))
		      : 0;
}

/* The certificate of a client, of the same authority and machine, does not make a server. */
static int begin(struct tlsc *t, int fd)
{
	const char *host = t->host;
	static const gnutls_datum_t h2 = { (unsigned char *)(uintptr_t) "h2", 2 };
	unsigned char address[sizeof(struct in6_addr)];
	int rc = gnutls_init(&t->session, GNUTLS_CLIENT | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL);

	rc = rc ?: gnutls_priority_set_direct(t->session, VERSIONS, NULL);
	rc = rc ?: gnutls_credentials_set(t->session, GNUTLS_CRD_CERTIFICATE, t->cred);
	rc = rc ?: gnutls_alpn_set_protocols(t->session, &h2, 1, 0);
	if (!rc && !inet_pton(AF_INET, host, address) && !inet_pton(AF_INET6, host, address))
		rc = gnutls_server_name_set(t->session, GNUTLS_NAME_DNS, host, strlen(host));
	if (rc)
		return -ENOMEM;
	t->must[0] = (gnutls_typed_vdata_st){ GNUTLS_DT_DNS_HOSTNAME, (unsigned char *)t->host, 0 };
	t->must[1] = (gnutls_typed_vdata_st){
		GNUTLS_DT_KEY_PURPOSE_OID,
		(unsigned char *)(uintptr_t)GNUTLS_KP_TLS_WWW_SERVER,
		0,
	};
	gnutls_session_set_verify_cert2(t->session, t->must, ARRAY_LEN(t->must), 0);
	gnutls_transport_set_int(t->session, fd);
	return 0;
}

/**
 * tlsc_new() - Prepare TLS on a connection
 * @trust: as httpc_req.trust
 * @host:  a name or address, which the other side's certificate must have
 * @fd:    connected, borrowed
 * @out:   ended with tlsc_free(), before @fd is closed
 * @e:     why not
 *
 * Return: 0; -EKEYREJECTED: a file cannot be read; -ENOMEM.
 */
int tlsc_new(const struct httpc_trust *trust, const char *host, int fd, struct tlsc **out,
	     struct err *e)
{
	struct tlsc *t = calloc(1, sizeof(*t));
	int rc;

	if (!t || gnutls_certificate_allocate_credentials(&t->cred)) {
		free(t);
		return err_set(e, -ENOMEM, "out of memory");
	}
	t->host = strdup(host);
	rc = load(t, trust, e);
	if (!rc && (!t->host || begin(t, fd)))
		rc = err_set(e, -ENOMEM, "out of memory");
	if (rc)
		tlsc_free(t);
	else
		*out = t;
	return rc;
}

/**
 * tlsc_free() - End it
 * @t: may be NULL; the other side hears nothing but the end of the connection
 */
void tlsc_free(struct tlsc *t)
{
	if (!t)
		return;
	if (t->session)
		gnutls_deinit(t->session);
	gnutls_certificate_free_credentials(t->cred);
	free(t->host);
	free(t);
}

static int refuse(const struct tlsc *t, struct err *e)
{
	gnutls_datum_t text = { NULL, 0 };
	unsigned int status = gnutls_session_get_verify_cert_status(t->session);

	gnutls_certificate_verification_status_print(status, GNUTLS_CRT_X509, &text, 0);
	err_set(e, -EKEYREJECTED, "its certificate is not to be believed: %s",
		text.data ? (const char *)text.data : "");
	gnutls_free(text.data);
	return -EKEYREJECTED;
}

/**
 * tlsc_shake() - Go on with the handshake
 * @t: from its beginning, and whenever the socket is ready for what tlsc_writes() says
 * @e: why not
 *
 * Return: 0: it is over; -EAGAIN; -EKEYREJECTED: the other side is not to be believed; -EIO.
 */
int tlsc_shake(struct tlsc *t, struct err *e)
{
	gnutls_datum_t agreed;
	int rc;

	do
		rc = gnutls_handshake(t->session);
	while (rc < 0 && rc != GNUTLS_E_AGAIN && !gnutls_error_is_fatal(rc));
	if (rc == GNUTLS_E_AGAIN)
		return -EAGAIN;
	if (rc == GNUTLS_E_CERTIFICATE_VERIFICATION_ERROR)
		return refuse(t, e);
	if (rc)
		return err_set(e, -EIO, "TLS: %s", gnutls_strerror(rc));
	if (gnutls_alpn_get_selected_protocol(t->session, &agreed))
		return err_set(e, -EIO, "TLS: the server does not speak HTTP/2");
	return 0;
}

/**
 * tlsc_writes() - Does the handshake wait for room in the socket, not for what is to come?
 * @t: of which tlsc_shake() said -EAGAIN
 */
bool tlsc_writes(const struct tlsc *t)
{
	return gnutls_record_get_direction(t->session) == 1;
}

static ssize_t moved(ssize_t n)
{
	if (n >= 0)
		return n;
	return n == GNUTLS_E_AGAIN || n == GNUTLS_E_INTERRUPTED ? -EAGAIN : -EIO;
}

/**
 * tlsc_send() - Send
 * @t:    whose handshake is over
 * @data: bytes
 * @size: of them; after -EAGAIN at least as many, and the same ones, are to be sent again
 *
 * Return: bytes that were sent; -EAGAIN; -EIO.
 */
ssize_t tlsc_send(struct tlsc *t, const void *data, size_t size)
{
	return moved(gnutls_record_send(t->session, data, size));
}

/**
 * tlsc_recv() - Receive
 * @t:    whose handshake is over
 * @data: room
 * @size: of it
 *
 * Return: bytes that came; 0: the end; -EAGAIN, and before that the socket may not be waited for;
 * -EIO.
 */
ssize_t tlsc_recv(struct tlsc *t, void *data, size_t size)
{
	return moved(gnutls_record_recv(t->session, data, size));
}

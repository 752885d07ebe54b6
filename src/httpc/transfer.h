/* SPDX-License-Identifier: Apache-2.0 */
/* One request on one curl handle: what httpc.c and httpm.c share. */
#ifndef ANYVF_HTTPC_TRANSFER_H
#define ANYVF_HTTPC_TRANSFER_H

#include <curl/curl.h>
#include <sys/types.h>

#include "httpc/httpc.h"

struct transfer {
	const struct httpc_req *req;
	CURL *curl;
	struct curl_slist *headers; /* owned */
	struct httpc_answer answer; /* as far as it came */
	size_t headers_size;
	size_t max_size;
	off_t sent;		   /* bytes of req->in_fd */
	int rc;			   /* why a callback ended the transfer */
	char why[CURL_ERROR_SIZE]; /* curl's words; "": none */
};

int transfer_prepare(struct transfer *t);
int transfer_end(struct transfer *t, CURLcode code, struct err *e);
void transfer_fini(struct transfer *t);

#endif

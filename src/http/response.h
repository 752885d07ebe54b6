/* SPDX-License-Identifier: Apache-2.0 */
/* Answers as libmicrohttpd has them; inside of this room. */
#ifndef ANYVF_HTTP_RESPONSE_H
#define ANYVF_HTTP_RESPONSE_H

#include <microhttpd.h>

#include "http/http.h"

struct MHD_Response *response_new(const struct http_answer *answer);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* What a browser is to keep to: nothing but our own files, and no HTML made of texts. */
#include "web/page/page.h"

const char *const page_headers[PAGE_HEADERS + 1] = {
	"Cache-Control",
	"no-store",
	"Content-Security-Policy",
	"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
	"require-trusted-types-for 'script'; trusted-types 'none'",
	"X-Content-Type-Options",
	"nosniff",
	"Referrer-Policy",
	"no-referrer",
	"Cross-Origin-Opener-Policy",
	"same-origin",
	"Cross-Origin-Resource-Policy",
	"same-origin",
	NULL,
};

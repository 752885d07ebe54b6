/* SPDX-License-Identifier: Apache-2.0 */
/* The page's files, as they stand beside this one. */
#ifndef ANYVF_WEB_PAGE_PAGE_H
#define ANYVF_WEB_PAGE_PAGE_H

#include <stddef.h>

struct page_file {
	const char *data;
	size_t size;
};

#define PAGE_D3 "/usr/share/javascript/d3/d3.min.js" /* of Debian's libjs-d3 */

extern const struct page_file page_html, page_css, page_js, web_js, ui_html, ui_js;

/* What each answer of a page's server says besides its own: name, value, ..., NULL. */
#define PAGE_HEADERS 12
extern const char *const page_headers[PAGE_HEADERS + 1];

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The page's files, as they stand in page/. */
#ifndef ANYVF_WEB_PAGE_H
#define ANYVF_WEB_PAGE_H

#include <stddef.h>

struct page_file {
	const char *data;
	size_t size;
};

extern const struct page_file page_html, page_css, page_js;

#endif

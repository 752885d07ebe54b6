/* SPDX-License-Identifier: Apache-2.0 */
/* Where the API's documents are: [api] store and what belongs to it. */
#ifndef ANYVF_DAEMONS_API_STORE_H
#define ANYVF_DAEMONS_API_STORE_H

#include "base/conf.h"
#include "store/seal.h"
#include "store/store.h"

int api_store_keys(const struct conf *conf, const char *url, struct seal **out, struct err *e);
void api_store_opts(const struct conf *conf, struct loop *loop, const struct seal *seal,
		    struct store_opts *out);
int api_store_join(const struct store *st, const char *state_dir, struct err *e);
int api_store_copy(const struct conf *conf, const struct seal *seal, const char *from,
		   const char *to, struct err *e);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * INI configuration (/etc/anyvf/anyvf.conf). A daemon gives its table of known
 * keys; an unknown section or key is an error that names file and line. All
 * daemons share the one file, so every table of the project is known to all.
 */
#ifndef ANYVF_BASE_CONF_H
#define ANYVF_BASE_CONF_H

#include <stdbool.h>

#include "base/err.h"

#define CONF_NO_API "none" /* [api] listen of a machine that has no API */
#define CONF_DEFAULT_PATH "/etc/anyvf/anyvf.conf"

struct conf;

/* path missing: an empty configuration, every key at its default. */
int conf_open(const char *path, struct conf **out, struct err *e);
void conf_free(struct conf *conf);
AUTO_DEFINE(struct conf *, conf_free)

/* The value, or the key's default; "" when neither. Asserts on a key no table has. */
const char *conf_get(const struct conf *conf, const char *section, const char *key);
bool conf_api_url(const struct conf *conf, unsigned int i, char *out, size_t size);
bool conf_said(const struct conf *conf, const char *section, const char *key);
bool conf_bool(const struct conf *conf, const char *section, const char *key);
/* Names after the dot of sections such as [pf.p2p1]; i counts from 0; NULL past the end. */
const char *conf_instance(const struct conf *conf, const char *family, unsigned int i);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is shown, as documents with keys, and the revision at which each last changed: who has seen
 * one is told the difference. A round of feed_put() is one revision, or none if nothing is new.
 */
#ifndef ANYVF_WEB_FEED_H
#define ANYVF_WEB_FEED_H

#include "base/field.h"

struct feed;

struct feed *feed_new(bool write);
void feed_free(struct feed *f);
AUTO_DEFINE(struct feed *, feed_free)

void feed_begin(struct feed *f);
int feed_put(struct feed *f, unsigned int owner, const char *key, json_t *value);
void feed_keep(struct feed *f, const char *key);
void feed_keep_all(struct feed *f, unsigned int owner);
void feed_end(struct feed *f);

uint64_t feed_revision(const struct feed *f);
const json_t *feed_get(const struct feed *f, const char *key);
char *feed_text(const struct feed *f, uint64_t after);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* SSH keys as Nova's keypairs need them: check and fingerprint a public key, make a new pair. */
#ifndef ANYVF_COMPUTE_SSHKEY_H
#define ANYVF_COMPUTE_SSHKEY_H

#include "base/err.h"

#define SSHKEY_FINGERPRINT_LEN 48    /* "aa:bb:..." 16 times and a NUL */
#define SSHKEY_MAX_LEN	       16384 /* longest public key line that is looked at */

int sshkey_fingerprint(const char *public_key, char out[SSHKEY_FINGERPRINT_LEN], struct err *e);
int sshkey_generate(const char *comment, char **public_key, char **private_key, struct err *e);

#endif

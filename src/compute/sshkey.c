/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SSH keys: public lines "TYPE BASE64 [COMMENT]" (RFC 4253, 6.6), new pairs as
 * Ed25519 in OpenSSH's own private format (PROTOCOL.key). Used by keypairs.
 */
#include "compute/sshkey.h"

#include <errno.h>
#include <sodium.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/md5.h"

#define PEM_COLUMNS 70
#define ED25519	    "ssh-ed25519"

/* Bytes being put together; a write past the end is counted, not done. */
struct blob {
	uint8_t data[1024];
	size_t len;
};

static void blob_put(struct blob *b, const void *data, size_t len)
{
	if (b->len + len <= sizeof(b->data))
		memcpy(b->data + b->len, data, len);
	b->len += len;
}

static void blob_put_u32(struct blob *b, uint32_t n)
{
	const uint8_t be[4] = { (uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8),
				(uint8_t)n };

	blob_put(b, be, sizeof(be));
}

/* RFC 4251's "string": length and bytes. */
static void blob_put_string(struct blob *b, const void *data, size_t len)
{
	blob_put_u32(b, (uint32_t)len);
	blob_put(b, data, len);
}

/**
 * sshkey_fingerprint() - Check a public key line and hash its key
 * @public_key: "TYPE BASE64 [COMMENT]"; foreign, at most SSHKEY_MAX_LEN characters are accepted
 * @out:        the MD5 of the key's bytes as Nova shows it, colons between
 * @e:          what is wrong
 *
 * Return: 0; -EINVAL when the line is not a public key: no base64, or its own type is not the one
 * in front.
 */
int sshkey_fingerprint(const char *public_key, char out[SSHKEY_FINGERPRINT_LEN], struct err *e)
{
	const char *type_end = strchr(public_key, ' ');
	size_t type_len = type_end ? (size_t)(type_end - public_key) : 0, text_len, len, need;
	uint8_t digest[MD5_LEN];

	if (!type_len || strlen(public_key) > SSHKEY_MAX_LEN)
		return err_set(e, -EINVAL, "a public key is a line of type, key and comment");
	text_len = strcspn(type_end + 1, " \t\r\n");
	auto_free uint8_t *key = malloc(text_len + 1);
	if (!key)
		return err_set(e, -ENOMEM, "out of memory");
	if (sodium_base642bin(key, text_len + 1, type_end + 1, text_len, NULL, &len, NULL,
			      sodium_base64_VARIANT_ORIGINAL))
		return err_set(e, -EINVAL, "the public key is not base64");
	need = 4 + type_len;
	if (len <= need || key[0] || key[1] || key[2] || key[3] != type_len ||
	    memcmp(key + 4, public_key, type_len))
		return err_set(e, -EINVAL, "the public key is not of the type it says");
	md5(key, len, digest);
	for (int i = 0; i < MD5_LEN; i++)
		snprintf(out + 3 * i, 4, "%02x%s", digest[i], i + 1 < MD5_LEN ? ":" : "");
	return 0;
}

static char *base64_of(const void *data, size_t len)
{
	size_t size = sodium_base64_ENCODED_LEN(len, sodium_base64_VARIANT_ORIGINAL);
	char *text = malloc(size);

	return text ? sodium_bin2base64(text, size, data, len, sodium_base64_VARIANT_ORIGINAL)
		    : NULL;
}

static char *pem_of(const char *base64)
{
	size_t len = strlen(base64), size = len + len / PEM_COLUMNS + 128;
	char *pem = malloc(size);
	int n;

	if (!pem)
		return NULL;
	n = snprintf(pem, size, "-----BEGIN OPENSSH PRIVATE KEY-----\n");
	for (size_t i = 0; i < len; i += PEM_COLUMNS)
		n += snprintf(pem + n, size - (size_t)n, "%.*s\n", PEM_COLUMNS, base64 + i);
	snprintf(pem + n, size - (size_t)n, "-----END OPENSSH PRIVATE KEY-----\n");
	return pem;
}

/* The secret part: two equal check numbers, the key, padding 1, 2, 3... to 8 bytes. */
static void put_secret(struct blob *b, const uint8_t *pub, const uint8_t *secret,
		       const char *comment)
{
	uint32_t check = randombytes_random();

	blob_put_u32(b, check);
	blob_put_u32(b, check);
	blob_put_string(b, ED25519, strlen(ED25519));
	blob_put_string(b, pub, crypto_sign_PUBLICKEYBYTES);
	blob_put_string(b, secret, crypto_sign_SECRETKEYBYTES);
	blob_put_string(b, comment, strlen(comment));
	for (uint8_t pad = 1; b->len % 8; pad++)
		blob_put(b, &pad, 1);
}

/**
 * sshkey_generate() - Make a new Ed25519 pair
 * @comment:     put into both halves; at most 255 bytes
 * @public_key:  set to the line for authorized_keys; the caller frees it
 * @private_key: set to the PEM file that ssh -i takes; the caller frees it
 * @e:           what failed
 *
 * Return: 0 or -ENOMEM; outputs are untouched then. Context: any thread, after sodium_init().
 */
int sshkey_generate(const char *comment, char **public_key, char **private_key, struct err *e)
{
	uint8_t pub[crypto_sign_PUBLICKEYBYTES], secret[crypto_sign_SECRETKEYBYTES];
	struct blob key = { .len = 0 }, inner = { .len = 0 }, all = { .len = 0 };
	char *line = NULL;

	crypto_sign_keypair(pub, secret);
	blob_put_string(&key, ED25519, strlen(ED25519));
	blob_put_string(&key, pub, sizeof(pub));
	put_secret(&inner, pub, secret, comment);
	blob_put(&all, "openssh-key-v1", sizeof("openssh-key-v1"));
	blob_put_string(&all, "none", 4);
	blob_put_string(&all, "none", 4);
	blob_put_string(&all, "", 0);
	blob_put_u32(&all, 1);
	blob_put_string(&all, key.data, key.len);
	blob_put_string(&all, inner.data, inner.len);
	if (all.len > sizeof(all.data))
		return err_set(e, -EINVAL, "the key's comment is too long");

	auto_free char *key_text = base64_of(key.data, key.len);
	auto_free char *all_text = base64_of(all.data, all.len);
	auto_free char *pem = all_text ? pem_of(all_text) : NULL;
	sodium_memzero(secret, sizeof(secret));
	sodium_memzero(&inner, sizeof(inner));
	sodium_memzero(&all, sizeof(all));
	if (!key_text || !pem || asprintf(&line, "%s %s %s", ED25519, key_text, comment) < 0)
		return err_set(e, -ENOMEM, "out of memory");
	*public_key = line;
	*private_key = take(pem);
	return 0;
}

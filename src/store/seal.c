/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file has a line a key: a name (letters, digits, "-_."), a space, 32 bytes
 * in base64. A sealed document is {"sealed":NAME,"text":BASE64 of nonce and
 * ciphertext}; what it stands under is authenticated with it, so nobody puts one
 * user's password hash into another's place. What is not sealed is not believed,
 * unless the file has a line "plain": for a store that was not sealed before.
 */
#include "store/seal.h"

#include <errno.h>
#include <jansson.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/field.h"
#include "base/file.h"

#define KEYS_MAX   8
#define NAME_LEN   31
/* it stands within JSON */
#define NAME_BYTES "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."
/* of a sealed document, in front of the name, between it and the base64, and behind that */
#define SEALED	   "{\"sealed\":\""
#define TEXT	   "\",\"text\":\""
#define END	   "\"}"
#define KEY_SIZE   crypto_aead_xchacha20poly1305_ietf_KEYBYTES
#define NONCE	   crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define TAG	   crypto_aead_xchacha20poly1305_ietf_ABYTES
#define VARIANT	   sodium_base64_VARIANT_ORIGINAL
#define FILE_SIZE  4096

struct seal {
	struct {
		char name[NAME_LEN + 1];
		unsigned char key[KEY_SIZE];
	} keys[KEYS_MAX];
	unsigned int n;
	bool plain; /* what is not sealed is believed, too */
};

static const unsigned char *find(const struct seal *seal, const char *name)
{
	for (unsigned int i = 0; seal && i < seal->n; i++)
		if (!strcmp(seal->keys[i].name, name))
			return seal->keys[i].key;
	return NULL;
}

static int parse_line(struct seal *s, const char *line, size_t len)
{
	size_t name = strspn(line, NAME_BYTES), size = 0;

	if (len == 5 && !memcmp(line, "plain", 5)) {
		s->plain = true;
		return 0;
	}
	if (!name || name > NAME_LEN || line[name] != ' ' || s->n == KEYS_MAX ||
	    sodium_base642bin(s->keys[s->n].key, KEY_SIZE, line + name + 1, len - name - 1, NULL,
			      &size, NULL, VARIANT) ||
	    size != KEY_SIZE)
		return -EINVAL;
	memcpy(s->keys[s->n].name, line, name);
	if (find(s, s->keys[s->n].name))
		return -EEXIST;
	s->n++;
	return 0;
}

/**
 * seal_load() - Read the keys
 * @path: their file
 * @out:  freed with seal_free()
 * @e:    which line is wrong
 *
 * Return: 0; -EINVAL for a line that is no key, or none at all; -ENOMEM; what the file says.
 * Context: any thread; one seal may be read by many.
 */
int seal_load(const char *path, struct seal **out, struct err *e)
{
	auto_of(seal_free) struct seal *s = calloc(1, sizeof(*s));
	auto_free char *text = NULL;
	unsigned int n = 1;
	int rc = 0;

	if (!s || sodium_init() < 0)
		return err_set(e, -ENOMEM, "out of memory");
	rc = file_read(path, FILE_SIZE, &text, NULL, e);
	for (const char *line = text; !rc && *line; n++) {
		size_t len = strcspn(line, "\n");

		if (len && *line != '#' && parse_line(s, line, len))
			rc = err_set(e, -EINVAL,
				     "%s:%u: not \"NAME KEY\", a new name and 32 bytes in base64 "
				     "(%d keys at most)",
				     path, n, KEYS_MAX);
		line += len + (line[len] == '\n');
	}
	if (text)
		sodium_memzero(text, strlen(text));
	if (!rc && !s->n)
		rc = err_set(e, -EINVAL, "%s: no key", path);
	if (!rc)
		*out = take(s);
	return rc;
}

/**
 * seal_make() - Make a file with one new key
 * @path: written with mode 0600, not replaced
 * @e:    why not
 *
 * Return: 0; -EEXIST; -ENOMEM; what the file says.
 */
int seal_make(const char *path, struct err *e)
{
	unsigned char key[KEY_SIZE];
	char base64[sodium_base64_ENCODED_LEN(KEY_SIZE, VARIANT)],
		line[NAME_LEN + sizeof(base64) + 3];
	int rc;

	if (sodium_init() < 0)
		return -ENOMEM;
	if (!access(path, F_OK))
		return err_set(e, -EEXIST, "%s is there", path);
	randombytes_buf(key, sizeof(key));
	sodium_bin2base64(base64, sizeof(base64), key, sizeof(key), VARIANT);
	snprintf(line, sizeof(line), "k%08x %s\n", randombytes_random(), base64);
	rc = file_replace(path, line, strlen(line), 0600, e);
	sodium_memzero(key, sizeof(key));
	sodium_memzero(line, sizeof(line));
	sodium_memzero(base64, sizeof(base64));
	return rc;
}

/**
 * seal_free() - Forget the keys
 * @seal: may be NULL
 */
void seal_free(struct seal *seal)
{
	if (seal)
		sodium_memzero(seal, sizeof(*seal));
	free(seal);
}

/**
 * seal_write() - A document as it is stored
 * @seal: NULL: it is not sealed
 * @key:  what it will stand under
 * @text: of the document, a JSON object
 * @len:  its bytes
 *
 * Return: JSON, the caller's to free; NULL without memory.
 */
char *seal_write(const struct seal *seal, const char *key, const char *text, size_t len)
{
	size_t size = NONCE + len + TAG, room = sodium_base64_encoded_len(size, VARIANT);
	auto_free unsigned char *box = NULL;
	auto_free char *base64 = NULL;
	char *out;

	if (!seal)
		return strndup(text, len);
	box = malloc(size);
	base64 = malloc(room);
	if (!box || !base64)
		return NULL;
	randombytes_buf(box, NONCE);
	crypto_aead_xchacha20poly1305_ietf_encrypt(box + NONCE, NULL, (const unsigned char *)text,
						   len, (const unsigned char *)key, strlen(key),
						   NULL, box, seal->keys[0].key);
	sodium_bin2base64(base64, room, box, size, VARIANT);
	return asprintf(&out, SEALED "%s" TEXT "%s" END, seal->keys[0].name, base64) < 0 ? NULL
											 : out;
}

/* A part of a text. */
struct part {
	const char *at;
	size_t len;
};

/* What stands in front of a word, and the rest behind that. */
static bool cut(struct part *rest, const char *word, struct part *before)
{
	const char *at = memmem(rest->at, rest->len, word, strlen(word));

	if (!at)
		return false;
	*before = (struct part){ rest->at, (size_t)(at - rest->at) };
	rest->at = at + strlen(word);
	rest->len -= before->len + strlen(word);
	return true;
}

/* Is it as seal_write() writes it? All other JSON is a document: tenants name members, too. */
static bool is_sealed(const char *text, size_t size, char name[NAME_LEN + 1], struct part *base64)
{
	struct part rest = { text, size }, before, of;

	if (!cut(&rest, SEALED, &before) || before.len || !cut(&rest, TEXT, &of) ||
	    of.len > NAME_LEN || !cut(&rest, END, base64) || rest.len ||
	    memchr(base64->at, '"', base64->len))
		return false;
	memcpy(name, of.at, of.len);
	name[of.len] = '\0';
	return true;
}

/* Nobody but who has the key wrote it, so it is what seal_write() was given. */
static char *open_box(const unsigned char *with, const char *key, const struct part *base64,
		      size_t *len)
{
	auto_free unsigned char *box = malloc(base64->len + 1);
	auto_free char *text = malloc(base64->len + 1);
	unsigned long long n = 0;
	size_t size = 0;

	if (!box || !text ||
	    sodium_base642bin(box, base64->len, base64->at, base64->len, NULL, &size, NULL,
			      VARIANT) ||
	    size < NONCE + TAG ||
	    crypto_aead_xchacha20poly1305_ietf_decrypt((unsigned char *)text, &n, NULL, box + NONCE,
						       size - NONCE, (const unsigned char *)key,
						       strlen(key), box, with))
		return NULL;
	text[n] = '\0';
	*len = (size_t)n;
	return take(text);
}

/* What is not sealed may be anybody's. */
static char *read_plain(const struct seal *seal, const char *key, const char *text, size_t size,
			size_t *len, struct err *e)
{
	auto_of(json_decref) json_t *doc = json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);
	char *out;

	if (!json_is_object(doc)) {
		err_set(e, -EBADMSG, "%s: the stored document is not JSON", key);
		return NULL;
	}
	if (seal && !seal->plain) {
		err_set(e, -EBADMSG, "%s: not sealed", key);
		return NULL;
	}
	out = json_dumps(doc, JSON_COMPACT);
	*len = out ? strlen(out) : 0;
	return out;
}

/**
 * seal_read() - A stored document, opened
 * @seal: NULL: no key is known
 * @key:  what it stands under
 * @text: what is stored
 * @size: its bytes
 * @len:  gets the bytes of what is returned
 * @e:    why not
 *
 * Return: the document's text as JSON_COMPACT writes it, the caller's to free; NULL: it is no JSON
 * object, not sealed, sealed with a key that is not here, or not what was sealed for this place.
 */
char *seal_read(const struct seal *seal, const char *key, const char *text, size_t size,
		size_t *len, struct err *e)
{
	char name[NAME_LEN + 1], *opened;
	const unsigned char *with;
	struct part base64;

	if (!is_sealed(text, size, name, &base64))
		return read_plain(seal, key, text, size, len, e);
	with = find(seal, name);
	if (!with) {
		err_set(e, -ENOKEY, "%s: sealed with the key \"%s\", which is not here", key, name);
		return NULL;
	}
	opened = open_box(with, key, &base64, len);
	if (!opened)
		err_set(e, -EBADMSG, "%s: not what was sealed for this place", key);
	return opened;
}

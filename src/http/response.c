/* SPDX-License-Identifier: Apache-2.0 */
/* Answers as libmicrohttpd has them. */
#include "http/response.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PIECE (1u << 20) /* bytes of a long body that are sent at a time */

struct whole {
	char *data;
	size_t size;
};

static ssize_t give_piece(void *arg, uint64_t pos, char *out, size_t max)
{
	const struct whole *w = arg;
	size_t n = MIN(max, w->size - (size_t)pos);

	memcpy(out, w->data + pos, n);
	return (ssize_t)n;
}

static void free_whole(void *arg)
{
	struct whole *w = arg;

	free(w->data);
	free(w);
}

/*
 * What is sent with one send(2) goes on as long as the client takes it, which is a tenth of a
 * second for 47 MB on this machine: so others have their turn behind each piece.
 */
static struct MHD_Response *in_pieces(char *body_taken, size_t size)
{
	struct whole *w = malloc(sizeof(*w));
	struct MHD_Response *response = NULL;

	if (w) {
		*w = (struct whole){ body_taken, size };
		response =
			MHD_create_response_from_callback(size, PIECE, give_piece, w, free_whole);
	}
	if (!response) {
		free(body_taken);
		free(w);
	}
	return response;
}

static struct MHD_Response *of_file(const struct http_answer *answer)
{
	struct MHD_Response *response =
		MHD_create_response_from_fd_at_offset64(answer->size, answer->fd, answer->offset);

	if (!response)
		close(answer->fd);
	return response;
}

static struct MHD_Response *of_body(const struct http_answer *answer)
{
	struct MHD_Response *response;

	if (answer->body && answer->size > PIECE)
		return in_pieces(answer->body, answer->size);
	response = MHD_create_response_from_buffer(answer->body ? answer->size : 0, answer->body,
						   answer->body ? MHD_RESPMEM_MUST_FREE
								: MHD_RESPMEM_PERSISTENT);
	if (!response)
		free(answer->body);
	return response;
}

/**
 * response_new() - Make the response of an answer, headers included
 * @answer: its body and fd are taken
 *
 * Return: to be given to MHD_destroy_response(); NULL without memory.
 */
struct MHD_Response *response_new(const struct http_answer *answer)
{
	struct MHD_Response *response = answer->fd >= 0 ? of_file(answer) : of_body(answer);

	for (const char *const *h = answer->headers; response && h && h[0] && h[1]; h += 2)
		MHD_add_response_header(response, h[0], h[1]);
	return response;
}

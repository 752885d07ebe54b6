/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The page's questions as lines, for who started us: no port, no socket, nobody else to be judged.
 *   {"id": N, "ask": "state?after=7"}, with "body": TEXT for a change
 *   {"id": N, "status": 200, "body": JSON}, or another status and its sentence
 * Answers come in any order. What is no such line is the end.
 */
#ifndef ANYVF_WEB_PIPE_H
#define ANYVF_WEB_PIPE_H

#include "base/err.h"

int pipe_run(int in, int out, const char *run_dir, const char *program, struct err *e);

#endif

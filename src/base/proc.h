/* SPDX-License-Identifier: Apache-2.0 */
/* Processes as proc(5) has them, and namespaces as people name them by one. */
#ifndef ANYVF_BASE_PROC_H
#define ANYVF_BASE_PROC_H

#include <stdbool.h>
#include <stdint.h>

#define PROC_PID_LEN 12 /* with its NUL */

uint64_t proc_born(int dir);
bool proc_of_netns(char *word, char pid[PROC_PID_LEN]);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the program words print. */
#ifndef ANYVF_TESTS_WORDS_H
#define ANYVF_TESTS_WORDS_H

void words_print_control(void);

#endif

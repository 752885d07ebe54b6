/* SPDX-License-Identifier: Apache-2.0 */
/* Empty until this room has its first file; then goes. */

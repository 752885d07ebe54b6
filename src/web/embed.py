#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""embed.py FILE OUT: a file of the page as bytes in C."""
import pathlib
import sys

file, out = map(pathlib.Path, sys.argv[1:])
name, data = file.name.replace('.', '_'), file.read_bytes()
out.write_text(f'#include "web/page/page.h"\nstatic const unsigned char bytes[] = {{ {",".join(map(str, data))} }};\n'
               f'const struct page_file {name} = {{ (const char *)bytes, {len(data)} }};\n')

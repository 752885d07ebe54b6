# SPDX-License-Identifier: Apache-2.0
"""For pip of releases that want it; setup.cfg says all."""
import setuptools

setuptools.setup()

# SPDX-License-Identifier: Apache-2.0
"""POSIX checks by subject; posix_check.py runs them."""

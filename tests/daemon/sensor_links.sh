#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# The privileged program has no way to a network: none of the libraries that open one is linked, directly or not.
set -eu
libraries=$(ldd "$WATT_BUILD/watt-sensor")
if echo "$libraries" | grep -E 'mongoc|libssl|libcrypto|libcurl|libresolv|libsasl|libsnappy|libnss|libldap|gnutls'; then
    echo "FAILED: watt-sensor links a network library" >&2
    exit 1
fi
echo "$libraries" | grep -q libbson || { echo "FAILED: ldd says nothing of watt-sensor" >&2; exit 1; }

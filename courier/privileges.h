/* SPDX-License-Identifier: BSD-3-Clause */
/* The courier speaks with the network, so it holds no privilege that the network could take over. */
#pragma once

struct error;

/* Drops every capability (bounding, ambient, effective, permitted, inheritable) and forbids to gain any by exec. Before any
 * thread is started. -EPERM with what is still held. */
int privileges_drop(struct error *err);

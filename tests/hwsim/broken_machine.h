/* SPDX-License-Identifier: BSD-3-Clause */
/* The recorded machines with files that say anything: empty, huge, negative, binary, cut, another file's, a folder, a loop of links, a
 * read error. Whatever it is, sources are probed, opened, described and read, alone and as the ladder does, and nothing impossible
 * may come out. For the mutation test and the fuzz target. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct broken_machines;

/* Reads every machine of the folder and builds its tree. */
struct broken_machines *broken_machines_new(const char *folder);
void broken_machines_free(struct broken_machines *machines);

/* The bytes say which machine it is, what is broken before it is opened and between its ticks, and how much time passes. Returns how many valid
 * samples there were, or -1 with what came out in why. */
int broken_machines_measure(struct broken_machines *machines, const uint8_t *bytes, size_t size, char why[static 400]);

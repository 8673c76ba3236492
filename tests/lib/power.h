/* tests/lib/power.h - what a disk holds when the power goes.
 *
 * Reads a log of tests/lib/disk.h and makes the directory as it may be found
 * after a cut before any of its records. What was synced is there. Of the rest:
 *
 *   bytes	each sector of 512 bytes is as it was at some moment since the
 *		last sync of its file; so writes are torn and in any order
 *   sizes	as at some such moment; sectors that never came are zeros, or
 *		whatever lay there before
 *   names	what happened to a directory since it was synced: a beginning
 *		of it, or any part of it that is possible
 *
 * A seed says which. Seed 0: nothing that was not synced; seed 1: all of it.
 */
#ifndef TESTS_LIB_POWER_H
#define TESTS_LIB_POWER_H

#include "tests/lib/disk.h"

#include <stddef.h>

struct power;

/* Ends the test when the log cannot be read. */
struct power *power_load(const char *log);
void power_free(struct power *p);
size_t power_count(const struct power *p);
const struct disk_record *power_record(const struct power *p, size_t i);

/* Makes dest (which must not be there) as a cut before record `at` leaves the
 * root. Cuts of rising places are cheap. */
void power_cut(struct power *p, size_t at, uint64_t seed, const char *dest);

#endif

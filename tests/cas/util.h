/* tests/cas/util.h - bytes to test with. */
#ifndef TESTS_CAS_UTIL_H
#define TESTS_CAS_UTIL_H

#include "cas/store.h"

/* splitmix64 (Steele, Lea, Flood 2014): the state starts as the seed. */
uint64_t splitmix(uint64_t *state);

/* n bytes of its numbers, little-endian, one after the other. */
void fill_random(void *p, size_t n, uint64_t seed);
/* The same as a new allocation, one byte longer. */
uint8_t *random_bytes(size_t n, uint64_t seed) MUST_USE;
/* Words and numbers, compressible. */
uint8_t *text_bytes(size_t n, uint64_t seed) MUST_USE;

/* An open store in a new directory, which *ret_dir names; both go with
 * drop_store. */
struct store *new_store(char **ret_dir) MUST_USE;
void drop_store(struct store *s, char *dir);
struct store *reopen_store(struct store *s, const char *dir) MUST_USE;

/* The address as hex in static memory, for comparisons in tests. */
const char *hex_of(const struct addr *a);

/* The only pack of a store, opened for reading and writing, and its id. */
int open_only_pack(const char *dir, uint8_t ret_id[PACK_ID_LEN]) MUST_USE;
/* Log lines that a test provokes go nowhere. */
void quiet(void);
/* Changes one byte of a file by XOR. */
void flip_byte(int fd, uint64_t off, uint8_t mask);

#endif

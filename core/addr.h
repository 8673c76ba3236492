/* core/addr.h - addresses: 32 bytes of BLAKE3 over an object's bytes.
 *
 * A chunk's address is plain BLAKE3 (what b3sum prints). Every other kind is
 * hashed in BLAKE3's derive-key mode under a context of its own, so that no
 * file content can pose as a node, a directory, a recipe or a journal.
 * Contexts and kinds are permanent; deriva-store(5) lists them.
 * Source: the BLAKE3 paper, section 2.3 (modes), and its reference C code.
 */
#ifndef CORE_ADDR_H
#define CORE_ADDR_H

#include "core/macros.h"

#include <stdbool.h>
#include <string.h>

#define ADDR_LEN 32
#define ADDR_HEX 65 /* 64 digits and NUL */

struct addr {
	uint8_t b[ADDR_LEN];
};

/* What an object is. Numbers are on disk. */
enum obj_kind {
	OBJ_CHUNK = 1,	 /* raw bytes of a file, at most 256 KiB */
	OBJ_NODE = 2,	 /* inner node of a blob */
	OBJ_DIR = 3,	 /* page of a directory tree */
	OBJ_RECIPE = 4,	 /* canonical computation */
	OBJ_JOURNAL = 5, /* change records of a transaction, or their values */
};

bool obj_kind_valid(int kind);
const char *obj_kind_name(enum obj_kind kind);

/* Address of an object of that kind with those bytes. */
void addr_of(enum obj_kind kind, const void *p, size_t n, struct addr *ret);

/* BLAKE3 derive-key hash under any other context (gear table, salts). */
void addr_derive(const char *context, const void *p, size_t n,
		 struct addr *ret);

/* Incremental hashing of a stream as a chunk's bytes are: plain BLAKE3. */
struct hasher;
struct hasher *hasher_new(void) MUST_USE;
void hasher_add(struct hasher *h, const void *p, size_t n);
void hasher_sum(const struct hasher *h, struct addr *ret);
void hasher_free(struct hasher *h);

void addr_hex(const struct addr *a, char ret[ADDR_HEX]);
/* 64 hex digits of either case, nothing behind them: true. */
bool addr_parse(const char *hex, struct addr *ret);

static inline bool addr_eq(const struct addr *a, const struct addr *b)
{
	return !memcmp(a->b, b->b, ADDR_LEN);
}
bool addr_is_zero(const struct addr *a);
static inline uint64_t addr_hash(const struct addr *a)
{
	uint64_t v;

	memcpy(&v, a->b, sizeof(v)); /* for tables in memory only */
	return v;
}

#endif

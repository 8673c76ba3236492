/* tests/fuzz/input.h - takes a fuzzer's bytes apart into values.
 *
 * What is taken when nothing is left is zero: every input says something.
 */
#ifndef TESTS_FUZZ_INPUT_H
#define TESTS_FUZZ_INPUT_H

#include "core/buf.h"
#include "core/err.h"
#include "tests/fuzz/fuzz.h"

static inline UNUSED uint8_t take_u8(struct cur *c)
{
	return cur_left(c) ? cur_u8(c) : 0;
}

static inline UNUSED uint64_t take_u64(struct cur *c)
{
	uint8_t p[8] = {0};
	size_t n = MIN(cur_left(c), sizeof(p));

	if (n)
		memcpy(p, cur_bytes(c, n), n);
	return get_le64(p);
}

/* At most n bytes. */
static inline UNUSED const void *take_bytes(struct cur *c, size_t n,
					    size_t *ret_n)
{
	*ret_n = MIN(cur_left(c), n);
	return cur_bytes(c, *ret_n);
}

/* A length in two bytes, then so many. */
static inline UNUSED const void *take_some(struct cur *c, size_t *ret_n)
{
	size_t n = take_u8(c);

	n |= (size_t)take_u8(c) << 8;
	return take_bytes(c, n, ret_n);
}

/* Numbers that are near a limit somewhere, and any. */
static inline UNUSED int64_t take_number(struct cur *c)
{
	uint8_t how = take_u8(c);

	if (how < 200)
		return how;
	switch (how) {
	case 200:
		return INT64_MAX;
	case 201:
		return INT64_MIN;
	case 202:
		return UINT32_MAX;
	case 203:
		return INT32_MAX;
	case 204:
		return INT64_C(1) << 32;
	case 205:
		return -1;
	case 206:
		return UINT32_C(1) << 31;
	default:
		return (int64_t)take_u64(c);
	}
}

/* A directory for the life of the process. */
const char *work_dir(void);
/* Takes a file or a tree away. */
void work_clear(const char *path);

#endif

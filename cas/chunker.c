/* A hole is a maximal run of more than 256 KiB of zeros, and ends the chunk
 * before it. No chunk is longer than 256 KiB, so that a hole can never lie
 * inside the chunk that FastCDC proposes: it can only begin there and reach
 * beyond its end. Hence a look at the last byte of each proposed chunk is all
 * that finding holes costs: where it is not zero, there is none.
 *
 * A run that turned out to be short may be longer than the chunk that it was
 * met in; "settled" remembers how far it reaches, so that what is left of it
 * is not taken for a run of its own.
 */
#include "cas/chunker.h"

#include <string.h>

#include "core/addr.h"
#include "core/buf.h"

/* All of the top 18 (14) bits zero, as a comparison. */
#define BELOW_STRICT (UINT64_C(1) << (64 - 18))
#define BELOW_LOOSE  (UINT64_C(1) << (64 - 14))

void chunker_init(struct chunker *c)
{
	struct addr a;
	unsigned i;
	uint8_t b;

	for (i = 0; i < 256; i++) {
		b = (uint8_t)i;
		addr_derive("deriva gear v1", &b, 1, &a);
		c->gear[i] = get_le64(a.b);
	}
}

/* ret_decided: the chunk ends there whatever follows the n bytes, if no hole
 * begins in it. */
static size_t cut(const struct chunker *c, const uint8_t *p, size_t n,
		  bool *ret_decided)
{
	size_t normal, i;
	uint64_t h = 0;

	*ret_decided = n >= CHUNK_MAX;
	if (n <= CHUNK_MIN)
		return n;
	n = MIN(n, CHUNK_MAX);
	normal = MIN(n, CHUNK_NORMAL);
	for (i = CHUNK_MIN; i < normal; i++) {
		h = (h << 1) + c->gear[p[i]];
		if (h < BELOW_STRICT)
			goto found;
	}
	for (; i < n; i++) {
		h = (h << 1) + c->gear[p[i]];
		if (h < BELOW_LOOSE)
			goto found;
	}
	return n;
found:
	*ret_decided = true;
	return i + 1;
}

size_t chunker_cut(const struct chunker *c, const uint8_t *p, size_t n)
{
	bool decided;

	return cut(c, p, n, &decided);
}

enum piece cutter_next(struct cutter *t, const struct chunker *c,
		       const uint8_t *p, size_t n, bool last, size_t *ret_len)
{
	size_t len, from, to;
	bool decided;

	if (!n)
		return PIECE_MORE;
	if (!p[0] && !t->settled) { /* a hole is seen at once */
		to = zeros_at(p, n);
		if (to > HOLE_MORE_THAN) {
			*ret_len = to;
			return PIECE_HOLE;
		}
	}
	len = cut(c, p, n, &decided);
	if (!decided && !last)
		return PIECE_MORE;
	if (len > t->settled && !p[len - 1]) {
		from = len - zeros_before(p, len);
		to = len + zeros_at(p + len, n - len);
		if (to - from > HOLE_MORE_THAN) {
			t->settled = 0;
			*ret_len = from ? from : to;
			return from ? PIECE_CHUNK : PIECE_HOLE;
		}
		if (to == n && !last)
			return PIECE_MORE; /* it may be longer than that */
		t->settled = to;
	}
	t->settled -= MIN(t->settled, len);
	*ret_len = len;
	return PIECE_CHUNK;
}

size_t zeros_at(const uint8_t *p, size_t n)
{
	uint64_t a, b, c, d;
	size_t i = 0;

	for (; i + 32 <= n; i += 32) {
		memcpy(&a, p + i, 8);
		memcpy(&b, p + i + 8, 8);
		memcpy(&c, p + i + 16, 8);
		memcpy(&d, p + i + 24, 8);
		if (a | b | c | d)
			break;
	}
	while (i < n && !p[i])
		i++;
	return i;
}

size_t zeros_before(const uint8_t *p, size_t n)
{
	size_t i = n;
	uint64_t v;

	for (; i >= 8; i -= 8) {
		memcpy(&v, p + i - 8, 8);
		if (v)
			break;
	}
	while (i && !p[i - 1])
		i--;
	return n - i;
}

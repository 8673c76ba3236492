#include "fs/sums.h"

#include <errno.h>

#include "core/buf.h"
#include "core/map.h"

#define IN_BLOCK 512

struct block {
	uint64_t sum[IN_BLOCK];
	bool known[IN_BLOCK];
};

struct sums {
	struct map *blocks; /* piece / IN_BLOCK -> struct block */
	struct hasher *run; /* of a piece, from its beginning up to: */
	uint64_t run_at;
};

static uint64_t short_sum(const struct addr *a)
{
	return get_le64(a->b);
}

struct sums *sums_new(void)
{
	struct sums *s = calloc(1, sizeof(*s));

	if (s)
		s->blocks = map_new();
	if (s && !s->blocks) {
		free(s);
		s = NULL;
	}
	return s;
}

void sums_free(struct sums *s)
{
	size_t it = 0;
	void *b;

	if (!s)
		return;
	while (map_next(s->blocks, &it, NULL, NULL, &b))
		free(b);
	map_free(s->blocks);
	hasher_free(s->run);
	free(s);
}

static void set(struct sums *s, uint64_t k, const struct addr *a)
{
	struct block *b = map_get_u64(s->blocks, k / IN_BLOCK);

	if (!b) {
		b = calloc(1, sizeof(*b));
		if (!b || map_put_u64(s->blocks, k / IN_BLOCK, b) < 0) {
			free(b);
			return;
		}
	}
	b->sum[k % IN_BLOCK] = short_sum(a);
	b->known[k % IN_BLOCK] = true;
}

static void stop_run(struct sums *s)
{
	hasher_free(steal(&s->run));
}

static void forget(struct sums *s, uint64_t k)
{
	struct block *b = map_get_u64(s->blocks, k / IN_BLOCK);

	if (b)
		b->known[k % IN_BLOCK] = false;
}

/* A part of a piece: it begins one, or goes on where the last one ended. */
static void wrote_part(struct sums *s, const void *p, size_t n, uint64_t off)
{
	struct addr a;

	forget(s, off / SUMS_PIECE);
	if (off % SUMS_PIECE == 0) {
		stop_run(s);
		s->run = hasher_new();
		s->run_at = off;
	} else if (s->run && off != s->run_at) {
		if ((s->run_at - 1) / SUMS_PIECE == off / SUMS_PIECE)
			stop_run(s);
		return;
	}
	if (!s->run)
		return;
	hasher_add(s->run, p, n);
	s->run_at += n;
	if (s->run_at % SUMS_PIECE)
		return;
	hasher_sum(s->run, &a);
	stop_run(s);
	set(s, off / SUMS_PIECE, &a);
}

void sums_wrote(struct sums *s, const void *p, size_t n, uint64_t off)
{
	const uint8_t *from = p;
	struct addr a;
	size_t part;

	for (; n; from += part, off += part, n -= part) {
		part = (size_t)MIN((uint64_t)n, SUMS_PIECE - off % SUMS_PIECE);
		if (part < SUMS_PIECE) {
			wrote_part(s, from, part, off);
			continue;
		}
		if (s->run && (s->run_at - 1) / SUMS_PIECE == off / SUMS_PIECE)
			stop_run(s);
		addr_of(OBJ_CHUNK, from, part, &a);
		set(s, off / SUMS_PIECE, &a);
	}
}

static void lose_in(struct block *b, uint64_t base, uint64_t from, uint64_t to)
{
	uint64_t k;

	for (k = MAX(from, base); k < MIN(to, base + IN_BLOCK); k++)
		b->known[k - base] = false;
}

void sums_lose(struct sums *s, uint64_t start, uint64_t end)
{
	uint64_t from = start / SUMS_PIECE, to = (end - 1) / SUMS_PIECE + 1, k;
	const void *key;
	size_t it = 0;
	void *b;

	if (start >= end)
		return;
	if (s->run && (s->run_at - 1) / SUMS_PIECE >= from &&
	    (s->run_at - 1) / SUMS_PIECE < to)
		stop_run(s);
	while (map_next(s->blocks, &it, &key, NULL, &b)) {
		memcpy(&k, key, sizeof(k));
		lose_in(b, k * IN_BLOCK, from, to);
	}
}

bool sums_known(const struct sums *s, uint64_t k, uint64_t *ret)
{
	const struct block *b = map_get_u64(s->blocks, k / IN_BLOCK);

	if (!b || !b->known[k % IN_BLOCK])
		return false;
	*ret = b->sum[k % IN_BLOCK];
	return true;
}

/* --- all of it ------------------------------------------------------------ */

int summer_end(struct summer *s)
{
	struct addr a;

	if (!s->h)
		return 0;
	hasher_sum(s->h, &a);
	hasher_free(steal(&s->h));
	return s->fn(s->ctx, short_sum(&a));
}

int summer_add(struct summer *s, const void *p, size_t n, uint64_t off)
{
	const uint8_t *from = p;
	size_t part;
	int r = 0;

	for (; r >= 0 && n; from += part, off += part, n -= part) {
		part = (size_t)MIN((uint64_t)n, SUMS_PIECE - off % SUMS_PIECE);
		if (s->h && s->piece != off / SUMS_PIECE)
			r = summer_end(s);
		if (r >= 0 && !s->h) {
			s->h = hasher_new();
			s->piece = off / SUMS_PIECE;
			r = s->h ? 0 : -ENOMEM;
		}
		if (r >= 0)
			hasher_add(s->h, from, part);
	}
	return r;
}

void summer_done(struct summer *s)
{
	hasher_free(steal(&s->h));
}

#include "cas/cache.h"

#include "tests/cas/util.h"
#include "tests/lib/harness.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

static struct addr addr_no(uint32_t i)
{
	struct addr a = {{0}};

	put_le32(a.b, i);
	return a;
}

struct loads {
	atomic_uint count;
	int rc;
};

/* 1000 bytes that say whose they are. */
static int load(void *ctx, const struct addr *a, void **ret, size_t *ret_len)
{
	struct loads *l = ctx;

	l->count++;
	if (l->rc)
		return l->rc;
	*ret = malloc(1000);
	memset(*ret, a->b[0], 1000);
	*ret_len = 1000;
	return 0;
}

static const struct cached *get(struct cache *c, uint32_t i, struct loads *l)
{
	struct addr a = addr_no(i);
	const struct cached *e;

	ck_assert_int_eq(cache_get(c, &a, load, l, &e), 0);
	ck_assert_uint_eq(e->len, 1000);
	ck_assert_uint_eq(*(const uint8_t *)e->data, i & 0xff);
	return e;
}

START_TEST(cache_keeps_the_most_recent_up_to_its_bound)
{
	struct cache *c = cache_new(10000);
	struct loads l = {0};
	uint32_t i;

	for (i = 0; i < 10; i++)
		cache_put(c, get(c, i, &l));
	ck_assert_uint_eq(l.count, 10);
	cache_put(c, get(c, 0, &l)); /* most recent now */
	ck_assert_uint_eq(l.count, 10);
	cache_put(c, get(c, 10, &l)); /* 1 has to go */
	cache_put(c, get(c, 0, &l));
	ck_assert_uint_eq(l.count, 11);
	cache_put(c, get(c, 1, &l));
	ck_assert_uint_eq(l.count, 12);
	cache_free(c);
}
END_TEST

START_TEST(cache_what_is_held_stays_when_thrown_out)
{
	struct cache *c = cache_new(500); /* nothing fits */
	const struct cached *a, *b;
	struct loads l = {0};

	a = get(c, 1, &l);
	b = get(c, 2, &l);
	cache_hold(c, a);
	cache_put(c, a);
	ck_assert_uint_eq(*(const uint8_t *)a->data, 1);
	ck_assert_uint_eq(*(const uint8_t *)b->data, 2);
	cache_put(c, a);
	cache_put(c, b);
	cache_free(c);
}
END_TEST

START_TEST(cache_what_is_dropped_makes_room_at_once)
{
	struct cache *c = cache_new(2000);
	const struct cached *a, *b;
	struct loads l = {0};

	a = get(c, 1, &l);
	b = get(c, 1, &l);
	cache_drop(c, a);
	ck_assert_uint_eq(*(const uint8_t *)b->data, 1);
	cache_put(c, get(c, 2, &l));
	cache_put(c, get(c, 3, &l)); /* two there is room for */
	cache_put(c, get(c, 2, &l));
	ck_assert_uint_eq(l.count, 3);
	cache_drop(c, b); /* gone long since */
	cache_put(c, get(c, 1, &l));
	ck_assert_uint_eq(l.count, 4);
	cache_drop(c, NULL);
	cache_free(c);
}
END_TEST

START_TEST(cache_failures_are_reported_and_not_kept)
{
	struct cache *c = cache_new(10000);
	struct loads l = {.rc = -EBADMSG};
	struct addr a = addr_no(1);
	const struct cached *e;

	ck_assert_int_eq(cache_get(c, &a, load, &l, &e), -EBADMSG);
	ck_assert_int_eq(cache_get(c, &a, load, &l, &e), -EBADMSG);
	ck_assert_uint_eq(l.count, 2);
	l.rc = 0;
	cache_put(c, get(c, 1, &l));
	cache_free(c);
}
END_TEST

struct slow {
	pthread_barrier_t started;
	struct cache *c;
	atomic_uint loads;
	int rc;
};

static int load_slowly(void *ctx, const struct addr *a, void **ret,
		       size_t *ret_len)
{
	struct slow *s = ctx;

	s->loads++;
	usleep(50000);
	if (s->rc)
		return s->rc;
	*ret = calloc(1, 10);
	*ret_len = 10;
	return 0;
}

static void *get_slowly(void *ctx)
{
	struct addr a = addr_no(1);
	const struct cached *e;
	struct slow *s = ctx;
	int rc;

	pthread_barrier_wait(&s->started);
	rc = cache_get(s->c, &a, load_slowly, s, &e);
	if (!rc)
		cache_put(s->c, e);
	return rc == s->rc ? s : NULL;
}

START_TEST(cache_several_who_ask_share_one_load)
{
	pthread_t threads[8];
	struct slow s = {0};
	void *result;
	size_t i, round;

	pthread_barrier_init(&s.started, NULL, ARRAY_LEN(threads));
	s.c = cache_new(1000);
	for (round = 0; round < 2; round++) {
		s.rc = round ? 0 : -EIO;
		s.loads = 0;
		for (i = 0; i < ARRAY_LEN(threads); i++)
			pthread_create(&threads[i], NULL, get_slowly, &s);
		for (i = 0; i < ARRAY_LEN(threads); i++) {
			pthread_join(threads[i], &result);
			ck_assert_ptr_nonnull(result);
		}
		if (!s.rc)
			ck_assert_uint_eq(s.loads, 1);
	}
	cache_free(s.c);
	pthread_barrier_destroy(&s.started);
}
END_TEST

struct churn {
	struct cache *c;
	struct loads l;
	uint64_t seed;
};

static void *churn(void *ctx)
{
	struct churn *x = ctx;
	unsigned i;

	for (i = 0; i < 20000; i++)
		(i % 7 ? cache_put
		       : cache_drop)(x->c,
				     get(x->c, splitmix(&x->seed) % 64, &x->l));
	return NULL;
}

START_TEST(cache_threads_that_throw_out_for_each_other_do_no_harm)
{
	struct cache *c = cache_new(16000);
	struct churn x[4];
	pthread_t threads[4];
	size_t i;

	for (i = 0; i < 4; i++) {
		x[i] = (struct churn){.c = c, .seed = i};
		pthread_create(&threads[i], NULL, churn, &x[i]);
	}
	for (i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	cache_free(c);
}
END_TEST

TESTS("cache", cache_keeps_the_most_recent_up_to_its_bound,
      cache_what_is_held_stays_when_thrown_out,
      cache_what_is_dropped_makes_room_at_once,
      cache_failures_are_reported_and_not_kept,
      cache_several_who_ask_share_one_load,
      cache_threads_that_throw_out_for_each_other_do_no_harm)

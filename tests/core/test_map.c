#include "core/map.h"

#include "tests/lib/harness.h"

START_TEST(map_holds_what_was_put_through_growth_and_deletion)
{
	struct map *m = map_new();
	uint64_t i;

	for (i = 1; i <= 10000; i++)
		ck_assert_int_eq(map_put_u64(m, i, (void *)(uintptr_t)i), 0);
	ck_assert_uint_eq(map_count(m), 10000);
	for (i = 1; i <= 10000; i += 2)
		ck_assert_uint_eq((uintptr_t)map_del_u64(m, i), i);
	for (i = 1; i <= 10000; i++)
		ck_assert_uint_eq((uintptr_t)map_get_u64(m, i), i % 2 ? 0 : i);
	ck_assert_uint_eq(map_count(m), 5000);
	map_free(m);
}
END_TEST

START_TEST(map_keys_of_any_length_are_distinct)
{
	struct map *m = map_new();
	char key[100];
	size_t n;
	void *old;

	memset(key, 'k', sizeof(key));
	for (n = 0; n <= sizeof(key); n++)
		ck_assert_int_eq(map_put(m, key, n, (void *)(uintptr_t)(n + 1),
					 NULL),
				 0);
	for (n = 0; n <= sizeof(key); n++)
		ck_assert_uint_eq((uintptr_t)map_get(m, key, n), n + 1);
	ck_assert_int_eq(map_put(m, key, 50, (void *)7, &old), 0);
	ck_assert_uint_eq((uintptr_t)old, 51);
	ck_assert_uint_eq((uintptr_t)map_del(m, key, 50), 7);
	ck_assert_ptr_null(map_get(m, key, 50));
	ck_assert_ptr_nonnull(map_get(m, key, 51));
	map_free(m);
}
END_TEST

START_TEST(map_next_visits_each_once)
{
	struct map *m = map_new();
	uint64_t sum = 0, i;
	size_t it = 0;
	void *v;

	for (i = 1; i <= 1000; i++)
		ck_assert_int_eq(map_put_u64(m, i, (void *)(uintptr_t)i), 0);
	while (map_next(m, &it, NULL, NULL, &v))
		sum += (uintptr_t)v;
	ck_assert_uint_eq(sum, 500500);
	map_free(m);
}
END_TEST

START_TEST(clear_empties_and_can_be_filled_again)
{
	CLEANUP(map_freep) struct map *m = map_new();
	const char *key = "a key that is longer than what lies in a slot";
	size_t it = 0;
	uint64_t i;

	for (i = 1; i <= 100; i++)
		ck_assert_int_eq(map_put_u64(m, i, &it), 0);
	ck_assert_int_eq(map_put(m, key, strlen(key), &it, NULL), 0);
	map_clear(m);
	ck_assert_uint_eq(map_count(m), 0);
	ck_assert(!map_next(m, &it, NULL, NULL, NULL));
	ck_assert_ptr_null(map_get_u64(m, 7));
	ck_assert_int_eq(map_put(m, key, strlen(key), &it, NULL), 0);
	ck_assert_ptr_eq(map_get(m, key, strlen(key)), &it);
}
END_TEST

TESTS("map", clear_empties_and_can_be_filled_again,
      map_holds_what_was_put_through_growth_and_deletion,
      map_keys_of_any_length_are_distinct, map_next_visits_each_once)

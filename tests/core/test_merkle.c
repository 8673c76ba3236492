/* The tree of the log is the one of RFC 9162: proofs of all small trees hold,
 * and nothing else does. */
#include "core/merkle.h"

#include "tests/lib/harness.h"

#define N 70

static struct addr leaves[N];

/* The definition, word by word. */
static struct addr slow(size_t from, size_t n)
{
	struct addr left, right, a;
	size_t k = 1;

	if (n == 1)
		return leaves[from];
	while (2 * k < n)
		k *= 2;
	left = slow(from, k);
	right = slow(from + k, n - k);
	merkle_node(&left, &right, &a);
	return a;
}

static int whole(void *ctx, unsigned level, uint64_t pos, struct addr *ret)
{
	size_t n = (size_t)1 << level;

	ck_assert_uint_le((pos + 1) * n, *(size_t *)ctx);
	*ret = slow(pos * n, n);
	return 0;
}

static void setup(void)
{
	size_t i;

	for (i = 0; i < N; i++) {
		uint8_t byte = (uint8_t)i;

		merkle_leaf(&byte, 1, &leaves[i]);
	}
}

static const struct addr *path_of(const struct buf *b)
{
	return (const struct addr *)(const void *)b->data;
}

/* deriva-store(5) has these. */
START_TEST(merkle_roots_are_those_of_the_manual)
{
	static const struct {
		size_t n;
		const char *root;
	} golden[] = {
		{1, "f7a91402f64f567731b57d3f3b69fe808d05ff48c9d6713cb121ee1540"
		    "d88938"},
		{2, "df1dab07d7b02e9606ebba2ef1f55fabe86dc9f498e14e62972bc9aa18"
		    "bcc94b"},
		{3, "2eb79573b8936ff2613e7af7b8c029b791ad9c58f8a612818d6e0180a2"
		    "4fc22c"},
		{7, "96a69f1009ce296b9b146c267d4c27ec7fcf72f056470c8e5dfc100bd7"
		    "a06f31"},
	};
	char hex[ADDR_HEX];
	struct addr root;
	size_t i, size;

	setup();
	for (i = 0; i < ARRAY_LEN(golden); i++) {
		struct merkle m = {whole, &size};

		size = golden[i].n;
		ck_assert_int_eq(merkle_root(&m, size, &root), 0);
		addr_hex(&root, hex);
		ck_assert_str_eq(hex, golden[i].root);
	}
}
END_TEST

START_TEST(merkle_every_leaf_of_every_tree_is_proved_and_no_other)
{
	size_t size, i;

	setup();
	for (size = 1; size <= N; size++) {
		struct merkle m = {whole, &size};
		struct addr root = slow(0, size), got;

		ck_assert_int_eq(merkle_root(&m, size, &got), 0);
		ck_assert(addr_eq(&root, &got));
		for (i = 0; i < size; i++) {
			CLEANUP_BUF struct buf b = BUF_INIT;
			size_t n;

			ck_assert_int_eq(merkle_inclusion(&m, i, size, &b), 0);
			n = b.len / ADDR_LEN;
			ck_assert(merkle_is_in(&leaves[i], i, size, path_of(&b),
					       n, &root));
			ck_assert(!merkle_is_in(&leaves[(i + 1) % N], i, size,
						path_of(&b), n, &root));
			ck_assert(!merkle_is_in(&leaves[i], i + 1, size,
						path_of(&b), n, &root));
			ck_assert(!merkle_is_in(&leaves[i], i, 2 * size,
						path_of(&b), n, &root));
			ck_assert(!n ||
				  !merkle_is_in(&leaves[i], i, size,
						path_of(&b), n - 1, &root));
			if (n) {
				b.data[(i % n) * ADDR_LEN] ^= 1;
				ck_assert(!merkle_is_in(&leaves[i], i, size,
							path_of(&b), n, &root));
			}
		}
	}
}
END_TEST

START_TEST(merkle_every_tree_goes_on_from_every_smaller_one)
{
	size_t size, old;

	setup();
	for (size = 1; size <= N; size++) {
		struct merkle m = {whole, &size};
		struct addr root = slow(0, size);

		for (old = 1; old <= size; old++) {
			CLEANUP_BUF struct buf b = BUF_INIT;
			struct addr before = slow(0, old);
			size_t n;

			ck_assert_int_eq(merkle_consistency(&m, old, size, &b),
					 0);
			n = b.len / ADDR_LEN;
			ck_assert(merkle_is_before(old, &before, size, &root,
						   path_of(&b), n));
			ck_assert(!merkle_is_before(old, &leaves[N - 1], size,
						    &root, path_of(&b), n));
			ck_assert(!merkle_is_before(old, &before, size,
						    &leaves[N - 1], path_of(&b),
						    n));
			ck_assert(!n ||
				  !merkle_is_before(old, &before, size, &root,
						    path_of(&b), n - 1));
			if (n) {
				b.data[(old % n) * ADDR_LEN + 31] ^= 4;
				ck_assert(!merkle_is_before(old, &before, size,
							    &root, path_of(&b),
							    n));
			}
		}
	}
}
END_TEST

TESTS("merkle", merkle_roots_are_those_of_the_manual,
      merkle_every_leaf_of_every_tree_is_proved_and_no_other,
      merkle_every_tree_goes_on_from_every_smaller_one)

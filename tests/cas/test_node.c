#include "cas/node.h"

#include "cas/chunker.h"
#include "tests/cas/util.h"
#include "tests/lib/harness.h"

#include <errno.h>

static const struct addr hole;

/* An address that cuts no node, or one that does. */
static struct addr plain_addr(uint8_t i)
{
	struct addr a = {{1, i}};

	return a;
}

static struct addr cutting_addr(void)
{
	struct addr a = {{128, 7}};

	return a;
}

struct child {
	struct addr addr;
	uint64_t size;
};

static int decode(uint32_t height, uint32_t count, const struct child *c,
		  size_t n)
{
	struct buf b = BUF_INIT;
	struct node *node;
	size_t i;
	int rc;

	node_begin(&b);
	for (i = 0; i < n; i++)
		node_add(&b, &c[i].addr, c[i].size);
	node_end(&b, height, count);
	rc = node_decode(b.data, b.len, &node);
	if (!rc)
		free(node);
	buf_done(&b);
	return rc;
}

START_TEST(node_comes_back_with_the_places_of_its_children)
{
	struct buf b = BUF_INIT;
	struct node *n;
	struct addr a = plain_addr(1), c = plain_addr(2);

	node_begin(&b);
	node_add(&b, &a, KIB(20));
	node_add(&b, &hole, GIB(1));
	node_add(&b, &c, 5);
	node_end(&b, 1, 3);
	ck_assert_uint_eq(b.len, 8 + 3 * 40);
	ck_assert_int_eq(node_decode(b.data, b.len, &n), 0);
	ck_assert_uint_eq(n->height, 1);
	ck_assert_uint_eq(n->count, 3);
	ck_assert_uint_eq(n->size, KIB(20) + GIB(1) + 5);
	ck_assert_uint_eq(n->e[0].end, KIB(20));
	ck_assert_uint_eq(n->e[1].end, KIB(20) + GIB(1));
	ck_assert(node_is_hole(&n->e[1]) && !node_is_hole(&n->e[2]));
	ck_assert_uint_eq(node_find(n, 0), 0);
	ck_assert_uint_eq(node_find(n, KIB(20) - 1), 0);
	ck_assert_uint_eq(node_find(n, KIB(20)), 1);
	ck_assert_uint_eq(node_find(n, KIB(20) + GIB(1) - 1), 1);
	ck_assert_uint_eq(node_find(n, n->size - 1), 2);
	free(n);
	buf_done(&b);
}
END_TEST

START_TEST(node_of_wrong_length_is_ebadmsg)
{
	uint8_t bytes[8 + 2 * 40 + 1] = {0};
	struct node *n;
	size_t len;

	put_le32(bytes, 1);
	put_le32(bytes + 4, 2);
	bytes[8] = bytes[48] = 1;
	put_le64(bytes + 40, KIB(20));
	put_le64(bytes + 80, KIB(20));
	ck_assert_int_eq(node_decode(bytes, 88, &n), 0);
	free(n);
	for (len = 0; len <= sizeof(bytes); len++)
		if (len != 88)
			ck_assert_int_eq(node_decode(bytes, len, &n), -EBADMSG);
}
END_TEST

START_TEST(node_height_and_count_are_bounded)
{
	struct child c[] = {{plain_addr(1), KIB(20)}, {plain_addr(2), KIB(20)}};

	ck_assert_int_eq(decode(1, 2, c, 2), 0);
	ck_assert_int_eq(decode(63, 2, c, 2), 0);
	ck_assert_int_eq(decode(0, 2, c, 2), -EBADMSG);
	ck_assert_int_eq(decode(64, 2, c, 2), -EBADMSG);
	ck_assert_int_eq(decode(UINT32_MAX, 2, c, 2), -EBADMSG);
	ck_assert_int_eq(decode(1, 0, c, 0), -EBADMSG);
	ck_assert_int_eq(decode(1, 3, c, 2), -EBADMSG);
	ck_assert_int_eq(decode(1, UINT32_MAX, c, 2), -EBADMSG);
}
END_TEST

START_TEST(node_of_more_than_1024_children_is_ebadmsg)
{
	struct child *c = calloc(1025, sizeof(*c));
	size_t i;

	for (i = 0; i < 1025; i++)
		c[i] = (struct child){plain_addr(1), KIB(20)};
	ck_assert_int_eq(decode(1, 1024, c, 1024), 0);
	ck_assert_int_eq(decode(1, 1025, c, 1025), -EBADMSG);
	free(c);
}
END_TEST

START_TEST(node_sizes_are_what_cutting_can_give)
{
	struct child chunk[] = {{plain_addr(1), CHUNK_MAX}};
	struct child pair[] = {{plain_addr(1), CHUNK_MIN + 1},
			       {plain_addr(2), 1}};
	struct child after_hole[] = {{plain_addr(1), 1},
				     {hole, CHUNK_MAX + 1},
				     {plain_addr(2), 1}};

	ck_assert_int_eq(decode(1, 1, chunk, 1), 0);
	chunk[0].size++;
	ck_assert_int_eq(decode(1, 1, chunk, 1), -EBADMSG);
	chunk[0].size = 0;
	ck_assert_int_eq(decode(1, 1, chunk, 1), -EBADMSG);
	ck_assert_int_eq(decode(2, 1, chunk, 1), -EBADMSG);

	ck_assert_int_eq(decode(1, 2, pair, 2), 0);
	pair[0].size = CHUNK_MIN; /* only the last of a segment is so short */
	ck_assert_int_eq(decode(1, 2, pair, 2), -EBADMSG);

	ck_assert_int_eq(decode(1, 3, after_hole, 3), 0);
	after_hole[1].size = CHUNK_MAX; /* no hole */
	ck_assert_int_eq(decode(1, 3, after_hole, 3), -EBADMSG);
}
END_TEST

START_TEST(node_holes_are_alone_and_at_the_bottom)
{
	struct child c[] = {{hole, GIB(1)}, {hole, GIB(1)}};
	struct child up[] = {{plain_addr(1), GIB(1)}, {hole, GIB(1)}};

	ck_assert_int_eq(decode(1, 1, c, 1), 0);
	ck_assert_int_eq(decode(1, 2, c, 2), -EBADMSG);
	ck_assert_int_eq(decode(2, 2, up, 2), -EBADMSG);
}
END_TEST

START_TEST(node_sum_of_sizes_stays_below_two_to_the_63)
{
	struct child c[] = {{plain_addr(1), KIB(20)},
			    {hole, BLOB_SIZE_MAX - KIB(20)}};
	struct child up[] = {{plain_addr(1), UINT64_MAX}, {plain_addr(2), 2}};

	ck_assert_int_eq(decode(1, 2, c, 2), 0);
	c[1].size++;
	ck_assert_int_eq(decode(1, 2, c, 2), -EBADMSG);
	ck_assert_int_eq(decode(2, 2, up, 2), -EBADMSG);
}
END_TEST

START_TEST(node_that_should_have_been_cut_is_ebadmsg)
{
	struct child c[] = {{cutting_addr(), KIB(20)},
			    {plain_addr(1), KIB(20)},
			    {plain_addr(2), KIB(20)}};

	/* the first never cuts, the last may */
	ck_assert_int_eq(decode(1, 3, c, 3), 0);
	c[2].addr = cutting_addr();
	ck_assert_int_eq(decode(1, 3, c, 3), 0);
	c[1].addr = cutting_addr();
	ck_assert_int_eq(decode(1, 3, c, 3), -EBADMSG);
	ck_assert_int_eq(decode(2, 3, c, 3), -EBADMSG);
}
END_TEST

TESTS("node", node_comes_back_with_the_places_of_its_children,
      node_of_wrong_length_is_ebadmsg, node_height_and_count_are_bounded,
      node_of_more_than_1024_children_is_ebadmsg,
      node_sizes_are_what_cutting_can_give,
      node_holes_are_alone_and_at_the_bottom,
      node_sum_of_sizes_stays_below_two_to_the_63,
      node_that_should_have_been_cut_is_ebadmsg)

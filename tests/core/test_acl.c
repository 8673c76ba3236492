#include "core/acl.h"

#include <errno.h>
#include <unistd.h>

#include "tests/lib/harness.h"

enum {
	USER_OBJ = 1,
	USER = 2,
	GROUP_OBJ = 4,
	GROUP = 8,
	MASK = 16,
	OTHER = 32
};

struct row {
	uint16_t tag, perm;
	uint32_t id;
};

/* u::rwx u:100:rw- g::r-x g:200:-w- m::rw- o::r-- */
static const struct row full[] = {
	{USER_OBJ, 7, UINT32_MAX},  {USER, 6, 100},
	{GROUP_OBJ, 5, UINT32_MAX}, {GROUP, 2, 200},
	{MASK, 6, UINT32_MAX},	    {OTHER, 4, UINT32_MAX},
};

static size_t encode(const struct row *rows, size_t n, uint8_t *to)
{
	static const uint8_t head[] = {2, 0, 0, 0};
	size_t i;

	memcpy(to, head, sizeof(head));
	for (i = 0; i < n; i++) {
		const uint8_t e[] = {
			(uint8_t)rows[i].tag,
			0,
			(uint8_t)rows[i].perm,
			0,
			(uint8_t)rows[i].id,
			(uint8_t)(rows[i].id >> 8),
			(uint8_t)(rows[i].id >> 16),
			(uint8_t)(rows[i].id >> 24),
		};

		memcpy(to + 4 + i * 8, e, 8);
	}
	return 4 + n * 8;
}

static struct acl *parse(const struct row *rows, size_t n)
{
	uint8_t b[256];
	struct acl *a;

	ck_assert_int_eq(acl_parse(b, encode(rows, n, b), &a), 0);
	return a;
}

START_TEST(acl_is_written_as_it_was_read)
{
	CLEANUP_BUF struct buf out = BUF_INIT;
	uint8_t b[256];
	size_t n = encode(full, ARRAY_LEN(full), b);
	struct acl *a = parse(full, ARRAY_LEN(full));

	acl_write(a, &out);
	ck_assert_uint_eq(out.len, n);
	ck_assert_mem_eq(out.data, b, n);
	free(a);
}
END_TEST

/* Cut anywhere, and with each entry left out, twice, or made up. */
START_TEST(acl_that_is_none_is_einval)
{
	struct row rows[8];
	uint8_t b[256];
	struct acl *a = NULL;
	size_t n = encode(full, ARRAY_LEN(full), b), i;

	for (i = 0; i < n; i++)
		ck_assert_int_eq(acl_parse(b, i, &a), -EINVAL);
	b[0] = 1;
	ck_assert_int_eq(acl_parse(b, n, &a), -EINVAL);
	for (i = 0; i < ARRAY_LEN(full); i++) {
		bool named = full[i].tag == USER || full[i].tag == GROUP;

		memcpy(rows, full, i * sizeof(*full));
		memcpy(rows + i, full + i + 1, (5 - i) * sizeof(*full));
		n = encode(rows, 5, b);
		ck_assert_int_eq(acl_parse(b, n, &a), named ? 0 : -EINVAL);
		if (named)
			free(a);
		memcpy(rows + i + 1, full + i, (6 - i) * sizeof(*full));
		rows[i] = full[i];
		n = encode(rows, 7, b);
		ck_assert_int_eq(acl_parse(b, n, &a), named ? 0 : -EINVAL);
		if (named)
			free(a);
		memcpy(rows, full, sizeof(full));
		rows[i].perm = 8;
		n = encode(rows, 6, b);
		ck_assert_int_eq(acl_parse(b, n, &a), -EINVAL);
		rows[i] = full[i];
		rows[i].tag = 64;
		n = encode(rows, 6, b);
		ck_assert_int_eq(acl_parse(b, n, &a), -EINVAL);
	}
}
END_TEST

START_TEST(acl_and_mode_follow_each_other)
{
	static const struct row plain[] = {{USER_OBJ, 6, UINT32_MAX},
					   {GROUP_OBJ, 4, UINT32_MAX},
					   {OTHER, 0, UINT32_MAX}};
	struct acl *a = parse(full, ARRAY_LEN(full));
	uint32_t mode = 0100777;

	ck_assert(!acl_to_mode(a, &mode)); /* the group's bits: the mask */
	ck_assert_uint_eq(mode, 0100764);
	acl_chmod(a, 0100421);
	acl_to_mode(a, &mode);
	ck_assert_uint_eq(mode, 0100421);
	ck_assert_uint_eq(a->e[2].perm, 5);
	free(a);
	a = parse(full, ARRAY_LEN(full));
	mode = 040755;
	acl_inherit(a, &mode);
	ck_assert_uint_eq(mode, 040744);
	ck_assert_uint_eq(a->e[4].perm, 4);
	free(a);
	a = parse(plain, ARRAY_LEN(plain));
	ck_assert(acl_to_mode(a, &mode));
	ck_assert_uint_eq(mode, 040640);
	free(a);
}
END_TEST

static bool in(void *ctx, gid_t gid)
{
	return gid == *(gid_t *)ctx;
}

START_TEST(acl_grants_by_the_first_class_that_fits)
{
	struct acl *a = parse(full, ARRAY_LEN(full));
	gid_t none = 1, own = 50, named = 200;

	ck_assert(acl_grants(a, 100, own, in, &none, R_OK | W_OK));
	ck_assert(!acl_grants(a, 100, own, in, &own, X_OK));
	/* what the mask does not have, the group's x, is not granted */
	ck_assert(acl_grants(a, 101, own, in, &own, R_OK));
	ck_assert(!acl_grants(a, 101, own, in, &own, X_OK));
	ck_assert(acl_grants(a, 101, own, in, &named, W_OK));
	/* in a group, others' rights do not count */
	ck_assert(!acl_grants(a, 101, own, in, &named, R_OK));
	ck_assert(acl_grants(a, 101, own, in, &none, R_OK));
	ck_assert(!acl_grants(a, 101, own, in, &none, W_OK));
	free(a);
}
END_TEST

TESTS("acl", acl_and_mode_follow_each_other,
      acl_grants_by_the_first_class_that_fits, acl_is_written_as_it_was_read,
      acl_that_is_none_is_einval)

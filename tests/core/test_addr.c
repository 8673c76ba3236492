#include "core/addr.h"

#include "tests/lib/harness.h"

START_TEST(addr_of_chunk_is_what_b3sum_prints)
{
	char hex[ADDR_HEX], line[256], *dir = test_dir(), path[256], cmd[512];
	char data[5000];
	struct addr a;
	FILE *f;
	size_t i;

	for (i = 0; i < sizeof(data); i++)
		data[i] = (char)(i * 7);
	snprintf(path, sizeof(path), "%s/x", dir);
	f = fopen(path, "w");
	ck_assert_ptr_nonnull(f);
	ck_assert_uint_eq(fwrite(data, 1, sizeof(data), f), sizeof(data));
	fclose(f);
	snprintf(cmd, sizeof(cmd), "b3sum --no-names %s", path);
	f = popen(cmd, "r");
	ck_assert_ptr_nonnull(fgets(line, sizeof(line), f));
	ck_assert_int_eq(pclose(f), 0);
	addr_of(OBJ_CHUNK, data, sizeof(data), &a);
	addr_hex(&a, hex);
	ck_assert_int_eq(strncmp(hex, line, 64), 0);
	remove_tree(dir);
	free(dir);
}
END_TEST

START_TEST(addr_of_each_kind_differs)
{
	struct addr a[OBJ_JOURNAL + 1];
	int i, j;

	for (i = OBJ_CHUNK; i <= OBJ_JOURNAL; i++)
		addr_of((enum obj_kind)i, "x", 1, &a[i]);
	for (i = OBJ_CHUNK; i <= OBJ_JOURNAL; i++)
		for (j = OBJ_CHUNK; j < i; j++)
			ck_assert(!addr_eq(&a[i], &a[j]));
}
END_TEST

START_TEST(addr_parse_takes_64_digits_and_nothing_else)
{
	char hex[ADDR_HEX + 1];
	struct addr a, b;

	addr_of(OBJ_NODE, "", 0, &a);
	addr_hex(&a, hex);
	ck_assert(addr_parse(hex, &b));
	ck_assert(addr_eq(&a, &b));
	hex[64] = '0';
	hex[65] = '\0';
	ck_assert(!addr_parse(hex, &b));
	hex[63] = '\0';
	ck_assert(!addr_parse(hex, &b));
	ck_assert(!addr_parse("", &b));
}
END_TEST

TESTS("addr", addr_of_chunk_is_what_b3sum_prints, addr_of_each_kind_differs,
      addr_parse_takes_64_digits_and_nothing_else)

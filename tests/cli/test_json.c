#include "cli/json.h"

#include "tests/lib/harness.h"

static const char text[] =
	" { \"a\" : \"x\\n\\u00e9\\ud83d\\ude00\\\"\", \"skip\": "
	"{\"n\": [1, {\"a\": \"inner\"}, \"]\"], \"t\": true},\n"
	"\"n\":18446744073709551615 , \"f\":1.5e1,\"neg\":-1, \"z\":null, "
	"\"s\":\"\"}";

START_TEST(json_string_decodes_escapes)
{
	CLEANUP_BUF struct buf b = BUF_INIT;

	ck_assert_int_eq(json_string(text, "a", &b), 0);
	ck_assert_str_eq(buf_cstr(&b), "x\n\xc3\xa9\xf0\x9f\x98\x80\"");
	ck_assert_int_eq(json_string(text, "s", &b), 0);
	ck_assert_str_eq(buf_cstr(&b), "");
}
END_TEST

START_TEST(json_finds_only_outermost_keys)
{
	CLEANUP_BUF struct buf b = BUF_INIT;

	ck_assert_int_eq(json_string(text, "t", &b), -ENOENT);
	ck_assert_int_eq(json_string(text, "none", &b), -ENOENT);
	ck_assert_int_eq(json_string(text, "z", &b), -ENOENT);
}
END_TEST

START_TEST(json_numbers_are_exact)
{
	uint64_t u;
	double d;

	ck_assert_int_eq(json_u64(text, "n", &u), 0);
	ck_assert_uint_eq(u, UINT64_MAX);
	ck_assert_int_eq(json_number(text, "f", &d), 0);
	ck_assert_double_eq(d, 15);
	ck_assert_int_eq(json_u64(text, "f", &u), -EINVAL);
	ck_assert_int_eq(json_u64(text, "neg", &u), -EINVAL);
	ck_assert_int_eq(json_u64(text, "a", &u), -EINVAL);
}
END_TEST

START_TEST(json_refuses_what_is_cut_off)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	size_t n;

	/* Every beginning of it: no crash, nothing read behind the end. */
	for (n = 0; n < sizeof(text) - 4; n++) {
		char *exact = strndup(text, n);

		ck_assert_int_eq(json_string(exact, "s", &b), -EINVAL);
		free(exact);
	}
	ck_assert_int_eq(json_string("", "s", &b), -EINVAL);
	ck_assert_int_eq(json_string("[1]", "s", &b), -EINVAL);
	ck_assert_int_eq(json_string("{\"s\" \"x\"}", "s", &b), -EINVAL);
	ck_assert_int_eq(json_string("{\"s\":\"\\ud800x\"}", "s", &b), -EINVAL);
	ck_assert_int_eq(json_string("{\"s\":\"\\q\"}", "s", &b), -EINVAL);
	ck_assert_int_eq(json_string("{\"s\":]}", "t", &b), -EINVAL);
	ck_assert_int_eq(json_string("{}", "t", &b), -ENOENT);
}
END_TEST

TESTS("json", json_string_decodes_escapes, json_finds_only_outermost_keys,
      json_numbers_are_exact, json_refuses_what_is_cut_off)

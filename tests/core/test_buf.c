#include "core/buf.h"

#include "tests/lib/harness.h"

START_TEST(buf_codes_little_endian_and_reads_it_back)
{
	struct buf b = BUF_INIT;
	struct cur c;

	buf_u8(&b, 1);
	buf_u16(&b, 0x0203);
	buf_u32(&b, 0x04050607);
	buf_u64(&b, 0x08090a0b0c0d0e0f);
	ck_assert_uint_eq(b.len, 15);
	ck_assert_mem_eq(b.data, "\x01\x03\x02\x07\x06\x05\x04\x0f\x0e", 9);
	c = cur_of(b.data, b.len);
	ck_assert_uint_eq(cur_u8(&c), 1);
	ck_assert_uint_eq(cur_u16(&c), 0x0203);
	ck_assert_uint_eq(cur_u32(&c), 0x04050607);
	ck_assert_uint_eq(cur_u64(&c), 0x08090a0b0c0d0e0f);
	ck_assert(!c.bad);
	ck_assert_uint_eq(cur_u16(&c), 0);
	ck_assert(c.bad);
	ck_assert_uint_eq(cur_left(&c), 0);
	buf_done(&b);
}
END_TEST

START_TEST(buf_json_escapes_and_replaces_what_is_not_utf8)
{
	struct buf b = BUF_INIT;
	const char s[] = "a\"\\\n\x01\xc3\xa4\xff\xed\xa0\x80";

	buf_json(&b, s, sizeof(s) - 1);
	ck_assert_str_eq(buf_cstr(&b),
			 "\"a\\\"\\\\\\u000a\\u0001\xc3\xa4\xef\xbf\xbd"
			 "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
	buf_done(&b);
}
END_TEST

START_TEST(buf_over_all_memory_stays_failed)
{
	struct buf b = BUF_INIT;

	buf_str(&b, "x");
	ck_assert_ptr_null(buf_room(&b, SIZE_MAX - 4));
	buf_str(&b, "y");
	ck_assert_int_eq(buf_err(&b), -ENOMEM);
	ck_assert_str_eq(buf_cstr(&b), "x");
	buf_done(&b);
}
END_TEST

TESTS("buf", buf_codes_little_endian_and_reads_it_back,
      buf_json_escapes_and_replaces_what_is_not_utf8,
      buf_over_all_memory_stays_failed)

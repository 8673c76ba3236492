#include "core/clock.h"

#include <errno.h>
#include <time.h>

#include "tests/lib/harness.h"

static int64_t utc(int year, int mon, int day, int h, int m, int s)
{
	struct tm tm = {.tm_year = year - 1900,
			.tm_mon = mon - 1,
			.tm_mday = day,
			.tm_hour = h,
			.tm_min = m,
			.tm_sec = s};

	return timegm(&tm) * NSEC_PER_SEC;
}

static void zone(const char *tz)
{
	setenv("TZ", tz, 1);
	tzset();
}

static int64_t parsed_at(const char *text, int64_t now)
{
	struct err err = {{0}};
	int64_t ns = 1;
	uint64_t seq = 1;
	int rc = time_parse(text, now, &ns, &seq, &err);

	ck_assert_msg(rc == 0, "%s: %s", text, err.msg);
	ck_assert_uint_eq(seq, 0);
	return ns;
}

static int64_t parsed(const char *text)
{
	return parsed_at(text, utc(2026, 11, 20, 12, 0, 0));
}

static void refused(const char *text, const char *why)
{
	struct err err = {{0}};
	int64_t ns = 7;
	uint64_t seq = 7;
	int rc = time_parse(text, utc(2026, 11, 20, 12, 0, 0), &ns, &seq, &err);

	ck_assert_msg(rc == -EINVAL, "\"%s\" was taken", text);
	ck_assert_msg(strstr(err.msg, why), "\"%s\": %s", text, err.msg);
	ck_assert_int_eq(ns, 7);
	ck_assert_uint_eq(seq, 7);
}

START_TEST(time_parse_takes_every_way_to_write_a_moment)
{
	static const char *const same[] = {
		"2026-11-20T10:00:03Z",	     "2026-11-20T10:00:03.000Z",
		"2026-11-20 10:00:03Z",	     "2026-11-20_10:00:03z",
		"2026-11-20T11:00:03+01:00", "2026-11-20T11:00:03+0100",
		"2026-11-20T11:00:03+01",    "2026-11-20T04:30:03-05:30",
		"2026-11-20 11:00:03 +0100", "2026-11-20T11:00:03",
		"2026-11-20t10:00:03,0Z",    "2026-11-20T11:00:03+01:00:00",
	};
	size_t i;

	zone("Europe/Berlin");
	for (i = 0; i < ARRAY_LEN(same); i++)
		ck_assert_int_eq(parsed(same[i]), utc(2026, 11, 20, 10, 0, 3));
}
END_TEST

START_TEST(time_parse_keeps_fractions_to_the_nanosecond)
{
	int64_t t = utc(2026, 11, 20, 10, 0, 3);

	zone("UTC");
	ck_assert_int_eq(parsed("2026-11-20T10:00:03.5"), t + 500000000);
	ck_assert_int_eq(parsed("2026-11-20T10:00:03.123456789"),
			 t + 123456789);
	ck_assert_int_eq(parsed("2026-11-20T10:00:03.000000001Z"), t + 1);
	refused("2026-11-20T10:00:03.1234567891", "not a time");
	refused("2026-11-20T10:00:03.", "not a time");
}
END_TEST

START_TEST(time_parse_date_or_minute_is_its_first_instant)
{
	zone("UTC");
	ck_assert_int_eq(parsed("2026-11-20"), utc(2026, 11, 20, 0, 0, 0));
	ck_assert_int_eq(parsed("2026-11-20T10:07"),
			 utc(2026, 11, 20, 10, 7, 0));
	ck_assert_int_eq(parsed("2026-11-20+02:00"),
			 utc(2026, 11, 19, 22, 0, 0));
	ck_assert_int_eq(parsed("today"), utc(2026, 11, 20, 0, 0, 0));
	zone("Europe/Berlin");
	ck_assert_int_eq(parsed("2026-11-20"), utc(2026, 11, 19, 23, 0, 0));
}
END_TEST

START_TEST(time_parse_knows_the_calendar)
{
	zone("UTC");
	ck_assert_int_eq(parsed("2024-02-29"), utc(2024, 2, 29, 0, 0, 0));
	ck_assert_int_eq(parsed("2000-02-29"), utc(2000, 2, 29, 0, 0, 0));
	ck_assert_int_eq(parsed("1969-12-31T23:59:59Z"), -NSEC_PER_SEC);
	refused("2026-02-29", "month 2 of 2026 has no day 29");
	refused("2026-02-30", "has no day 30");
	refused("1900-02-29", "has no day 29");
	refused("2026-04-31", "has no day 31");
	refused("2026-13-01", "no month 13");
	refused("2026-00-01", "no month 0");
	refused("2026-01-00", "no day 0");
	refused("2026-01-01T24:00", "no time 24:00:00");
	refused("2026-01-01T10:60", "no time 10:60:00");
	refused("2026-01-01T10:00:60", "no time 10:00:60");
	refused("0001-01-01", "out of range");
	refused("9999-12-31", "out of range");
}
END_TEST

START_TEST(time_parse_local_time_when_clocks_change)
{
	zone("Europe/Berlin");
	/* forward: 2:00 to 3:00, 2026-03-29 */
	ck_assert_int_eq(parsed("2026-03-29T01:59:59"),
			 utc(2026, 3, 29, 0, 59, 59));
	ck_assert_int_eq(parsed("2026-03-29T03:00"), utc(2026, 3, 29, 1, 0, 0));
	refused("2026-03-29T02:30", "never showed that time");
	ck_assert_int_eq(parsed("2026-03-29T02:30Z"),
			 utc(2026, 3, 29, 2, 30, 0));
	/* back: 3:00 to 2:00, 2026-10-25; the first of the two */
	ck_assert_int_eq(parsed("2026-10-25T02:30"),
			 utc(2026, 10, 25, 0, 30, 0));
	ck_assert_int_eq(parsed("2026-10-25T03:00"),
			 utc(2026, 10, 25, 2, 0, 0));
	ck_assert_int_eq(parsed("2026-10-25T02:30:00+01:00"),
			 utc(2026, 10, 25, 1, 30, 0));
}
END_TEST

START_TEST(time_parse_day_that_does_not_begin_at_midnight)
{
	/* 2018-11-04 began at 1:00, -02:00 */
	zone("America/Sao_Paulo");
	ck_assert_int_eq(parsed("2018-11-04"), utc(2018, 11, 4, 3, 0, 0));
	ck_assert_int_eq(parsed("2018-11-05"), utc(2018, 11, 5, 2, 0, 0));
}
END_TEST

START_TEST(time_parse_relative_times)
{
	int64_t now = utc(2026, 11, 20, 12, 0, 0) + 5;

	zone("UTC");
	ck_assert_int_eq(parsed_at("now", now), now);
	ck_assert_int_eq(parsed_at("2 hours ago", now),
			 now - 7200 * NSEC_PER_SEC);
	ck_assert_int_eq(parsed_at("2-hours-ago", now),
			 now - 7200 * NSEC_PER_SEC);
	ck_assert_int_eq(parsed_at("2.hours.ago", now),
			 now - 7200 * NSEC_PER_SEC);
	ck_assert_int_eq(parsed_at("1_hour_ago", now),
			 now - 3600 * NSEC_PER_SEC);
	ck_assert_int_eq(parsed_at("90 seconds ago", now),
			 now - 90 * NSEC_PER_SEC);
	ck_assert_int_eq(parsed_at("5 minutes ago", now),
			 now - 300 * NSEC_PER_SEC);
	ck_assert_int_eq(parsed_at("0 days ago", now), now);
	ck_assert_int_eq(parsed_at("yesterday", now),
			 now - 86400 * NSEC_PER_SEC);
	ck_assert_int_eq(parsed_at("2 weeks ago", now),
			 now - 14 * 86400 * NSEC_PER_SEC);
	refused("2 hours", "not a time");
	refused("hours ago", "not a time");
	refused("2 fortnights ago", "not a time");
	refused("2 hoursago", "not a time");
	refused("-2 hours ago", "not a time");
	refused("99999999999999999999 hours ago", "out of range");
	refused("9999999999 weeks ago", "out of range");
}
END_TEST

START_TEST(time_parse_days_ago_are_those_of_the_calendar)
{
	zone("Europe/Berlin");
	/* noon on the day of the change: noon the day before, 23 h back */
	ck_assert_int_eq(parsed_at("yesterday", utc(2026, 3, 29, 10, 0, 0)),
			 utc(2026, 3, 28, 11, 0, 0));
	/* the day before has no 2:30: the first moment after */
	ck_assert_int_eq(parsed_at("1 day ago", utc(2026, 3, 30, 0, 30, 0)),
			 utc(2026, 3, 29, 1, 0, 0));
	/* nought days back is now, also in the second of a double hour */
	ck_assert_int_eq(parsed_at("0 days ago", utc(2026, 10, 25, 1, 30, 0)),
			 utc(2026, 10, 25, 1, 30, 0));
}
END_TEST

START_TEST(time_parse_change_numbers)
{
	int64_t ns = 1;
	uint64_t seq = 0;

	ck_assert_int_eq(time_parse("@1234", 5, &ns, &seq, NULL), 0);
	ck_assert_int_eq(ns, 0);
	ck_assert_uint_eq(seq, 1234);
	ck_assert_int_eq(time_parse("@18446744073709551615", 5, &ns, &seq,
				    NULL),
			 0);
	ck_assert_uint_eq(seq, UINT64_MAX);
	refused("@18446744073709551616", "too large");
	refused("@0", "begin with @1");
	refused("@", "@ and digits");
	refused("@12x", "@ and digits");
	refused("@-1", "@ and digits");
}
END_TEST

START_TEST(time_parse_garbage_is_refused_with_a_hint)
{
	static const char *const bad[] = {
		"",
		" ",
		"2026",
		"2026-11",
		"2026-11-2",
		"2026-11-20T",
		"2026-11-20T1",
		"2026-11-20T10",
		"2026-11-20T10:0",
		"2026-11-20T10:00:",
		"2026-11-20T10:00x",
		"2026-11-20T10:00+1",
		"20261120",
		"11/20/2026",
		"tomorrow",
		"nowish",
		" now",
		"2026-11-20T10:00+25:00",
		"\xff\xff",
		"2026-11-20T10:00ZZ",
	};
	size_t i;

	zone("UTC");
	for (i = 0; i < ARRAY_LEN(bad); i++)
		refused(bad[i], "write 2026-11-20T10:00");
}
END_TEST

START_TEST(time_format_and_parse_are_inverse)
{
	static const char *const zones[] = {
		"UTC",
		"Europe/Berlin",
		"America/St_Johns",
		"Asia/Kathmandu",
		"Pacific/Apia",
		"Australia/Lord_Howe",
	};
	char text[40];
	size_t z;
	int64_t t;

	for (z = 0; z < ARRAY_LEN(zones); z++) {
		zone(zones[z]);
		for (t = utc(1800, 1, 1, 0, 0, 0) + 123456789;
		     t < utc(2100, 1, 1, 0, 0, 0);
		     t += INT64_C(7654321987654321)) {
			time_format(t, text, sizeof(text));
			ck_assert_int_eq(parsed(text), t);
		}
	}
	zone("Europe/Berlin");
	time_format(utc(2026, 11, 20, 9, 0, 3) + 123456789, text, sizeof(text));
	ck_assert_str_eq(text, "2026-11-20T10:00:03.123456789+01:00");
}
END_TEST

START_TEST(time_parse_takes_what_date_prints)
{
	FILE *p;
	char text[64] = "";
	int64_t before = clock_now_ns(), t;

	zone("Asia/Kathmandu");
	p = popen("date +%FT%T.%N", "r");
	ck_assert_ptr_nonnull(p);
	ck_assert_ptr_nonnull(fgets(text, sizeof(text), p));
	pclose(p);
	text[strcspn(text, "\n")] = '\0';
	t = parsed(text);
	ck_assert_int_ge(t, before);
	ck_assert_int_le(t, clock_now_ns());
}
END_TEST

static int64_t duration(const char *text)
{
	int64_t ns = -1;
	int rc = duration_parse(text, &ns);

	return rc < 0 ? rc : ns;
}

START_TEST(duration_parse_units_and_fractions)
{
	static const char *const bad[] = {
		"",
		"s",
		"-1s",
		"1w",
		"1 s",
		"1.",
		".5s",
		"1e3",
		"1ss",
		"0x10",
		"99999999999999999999",
		"1000000000d",
	};
	size_t i;

	ck_assert_int_eq(duration("30s"), 30 * NSEC_PER_SEC);
	ck_assert_int_eq(duration("30"), 30 * NSEC_PER_SEC);
	ck_assert_int_eq(duration("5m"), 300 * NSEC_PER_SEC);
	ck_assert_int_eq(duration("2h"), 7200 * NSEC_PER_SEC);
	ck_assert_int_eq(duration("1d"), 86400 * NSEC_PER_SEC);
	ck_assert_int_eq(duration("250ms"), 250000000);
	ck_assert_int_eq(duration("1.5h"), 5400 * NSEC_PER_SEC);
	ck_assert_int_eq(duration("0"), 0);
	for (i = 0; i < ARRAY_LEN(bad); i++)
		ck_assert_int_eq(duration(bad[i]), -EINVAL);
}
END_TEST

START_TEST(size_parse_powers_of_1024)
{
	static const char *const bad[] = {
		"",	 "K",
		"-1",	 "1.5",
		"1KB",	 "1 K",
		"1X",	 "1Ki",
		"16E",	 "18446744073709551616",
		"1..5K", "17179869184G",
	};
	uint64_t v = 0;
	size_t i;

	ck_assert_int_eq(size_parse("512", &v), 0);
	ck_assert_uint_eq(v, 512);
	ck_assert_int_eq(size_parse("64K", &v), 0);
	ck_assert_uint_eq(v, KIB(64));
	ck_assert_int_eq(size_parse("2G", &v), 0);
	ck_assert_uint_eq(v, GIB(2));
	ck_assert_int_eq(size_parse("1.5M", &v), 0);
	ck_assert_uint_eq(v, KIB(1536));
	ck_assert_int_eq(size_parse("64KiB", &v), 0);
	ck_assert_uint_eq(v, KIB(64));
	ck_assert_int_eq(size_parse("15E", &v), 0);
	ck_assert_uint_eq(v, UINT64_C(15) << 60);
	ck_assert_int_eq(size_parse("18446744073709551615", &v), 0);
	ck_assert_uint_eq(v, UINT64_MAX);
	for (i = 0; i < ARRAY_LEN(bad); i++)
		ck_assert_msg(size_parse(bad[i], &v) == -EINVAL, "%s", bad[i]);
}
END_TEST

static void shows_duration(int64_t ns, const char *want)
{
	char text[64];

	duration_format(ns, text, sizeof(text));
	ck_assert_str_eq(text, want);
}

static void shows_size(uint64_t n, const char *want)
{
	char text[64];

	size_format(n, text, sizeof(text));
	ck_assert_str_eq(text, want);
}

START_TEST(formats_for_people_round_to_the_unit_they_show)
{
	shows_duration(0, "0 ns");
	shows_duration(1500, "1 µs");
	shows_duration(310000000, "310 ms");
	shows_duration(999999999, "999 ms");
	shows_duration(1240000000, "1.2 s");
	shows_duration(59960000000, "1 min 0 s");
	shows_duration(200 * NSEC_PER_SEC, "3 min 20 s");
	shows_duration(7500 * NSEC_PER_SEC, "2 h 5 min");
	shows_duration(100 * 3600 * NSEC_PER_SEC, "4 d 4 h");
	shows_duration(-2 * NSEC_PER_SEC, "-2.0 s");
	shows_size(0, "0 B");
	shows_size(1023, "1023 B");
	shows_size(1024, "1.0 KiB");
	shows_size(13002342, "12.4 MiB");
	shows_size(MIB(1) - 1, "1.0 MiB");
	shows_size(UINT64_MAX, "16.0 EiB");
}
END_TEST

START_TEST(clocks_advance)
{
	int64_t a = clock_mono_ns(), b = clock_now_ns();

	ck_assert_int_gt(b, utc(2020, 1, 1, 0, 0, 0));
	usleep(1000);
	ck_assert_int_ge(clock_mono_ns() - a, 1000000);
}
END_TEST

TESTS("clock", time_parse_takes_every_way_to_write_a_moment,
      time_parse_keeps_fractions_to_the_nanosecond,
      time_parse_date_or_minute_is_its_first_instant,
      time_parse_knows_the_calendar, time_parse_local_time_when_clocks_change,
      time_parse_day_that_does_not_begin_at_midnight, time_parse_relative_times,
      time_parse_days_ago_are_those_of_the_calendar, time_parse_change_numbers,
      time_parse_garbage_is_refused_with_a_hint,
      time_format_and_parse_are_inverse, time_parse_takes_what_date_prints,
      duration_parse_units_and_fractions, size_parse_powers_of_1024,
      formats_for_people_round_to_the_unit_they_show, clocks_advance)

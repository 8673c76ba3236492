#include "core/clock.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* Local times are looked up backwards. mktime() gives some answer for a time
 * that does not exist (clocks went forward) or exists twice (backward), and
 * which one depends on what it was asked before. Here every offset that the
 * zone has within a day of the wanted time is tried; the earliest moment that
 * reads as wanted is the answer. A day that does not begin at 0:00 begins with
 * the first moment that is not before. */

#define DAY	INT64_C(86400)
#define NO_ZONE INT_MIN
#define HOW_TO                                                      \
	"write 2026-11-20T10:00, 2026-11-20, yesterday, \"2 hours " \
	"ago\" or a change number @1234"

/* The moments that int64_t nanoseconds can say. */
#define FIRST_SEC (INT64_MIN / NSEC_PER_SEC + 1)
#define LAST_SEC  (INT64_MAX / NSEC_PER_SEC - 1)

int64_t clock_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return t.tv_sec * NSEC_PER_SEC + t.tv_nsec;
}

int64_t clock_tick_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME_COARSE, &t);
	return t.tv_sec * NSEC_PER_SEC + t.tv_nsec;
}

int64_t clock_mono_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * NSEC_PER_SEC + t.tv_nsec;
}

/* Seconds, rounded down, and what is left. */
static int64_t split_ns(int64_t ns, int64_t *ret_rest)
{
	int64_t sec = ns / NSEC_PER_SEC, rest = ns % NSEC_PER_SEC;

	if (rest < 0) {
		rest += NSEC_PER_SEC;
		sec--;
	}
	*ret_rest = rest;
	return sec;
}

/* --- local time ----------------------------------------------------------- */

/* What the clocks on the wall show, as if it were UTC. */
static bool wall_of(int64_t sec, int64_t *ret_wall, long *ret_offset)
{
	time_t t = sec;
	struct tm tm;

	if (!localtime_r(&t, &tm))
		return false;
	*ret_offset = tm.tm_gmtoff;
	*ret_wall = sec + tm.tm_gmtoff;
	return true;
}

/* The first moment at which the wall shows no less than that. */
static bool first_not_before(int64_t wall, int64_t *ret)
{
	int64_t lo = wall - 2 * DAY, hi = wall + 2 * DAY, mid, w;
	long off;

	while (hi - lo > 1) {
		mid = lo + (hi - lo) / 2;
		if (!wall_of(mid, &w, &off))
			return false;
		if (w < wall)
			lo = mid;
		else
			hi = mid;
	}
	*ret = hi;
	return true;
}

/* The first moment at which the wall shows just that. */
static bool first_exactly(int64_t wall, int64_t *ret)
{
	bool found = false;
	int64_t at, w, t;
	long off, off2;

	for (at = wall - DAY; at <= wall + DAY; at += DAY / 4) {
		if (!wall_of(at, &w, &off))
			return false;
		t = wall - off;
		if (!wall_of(t, &w, &off2) || w != wall)
			continue;
		if (!found || t < *ret)
			*ret = t;
		found = true;
	}
	return found;
}

/* --- moments -------------------------------------------------------------- */

struct moment {
	struct tm tm;
	int64_t rest_ns;
	bool day; /* no time of day */
	int zone; /* seconds east of UTC, or NO_ZONE */
};

/* Exactly n digits. */
static bool digits(const char **s, int n, int *ret)
{
	int v = 0, i;

	for (i = 0; i < n; i++) {
		if (!isdigit((unsigned char)(*s)[i]))
			return false;
		v = v * 10 + (*s)[i] - '0';
	}
	*s += n;
	*ret = v;
	return true;
}

static bool parse_fraction(const char **s, int64_t *ret_ns)
{
	int64_t ns = 0;
	int n = 0;

	for (; isdigit((unsigned char)**s); (*s)++, n++)
		if (n < 9)
			ns = ns * 10 + **s - '0';
	if (!n || n > 9)
		return false;
	for (; n < 9; n++)
		ns *= 10;
	*ret_ns = ns;
	return true;
}

/* Z, +01, +0100, +01:00, +01:00:00, or nothing. */
static bool parse_zone(const char **s, int *ret)
{
	int h, m = 0, sec = 0, sign;

	if (**s == 'Z' || **s == 'z') {
		(*s)++;
		*ret = 0;
		return true;
	}
	if (**s != '+' && **s != '-') {
		*ret = NO_ZONE;
		return true;
	}
	sign = *(*s)++ == '-' ? -1 : 1;
	if (!digits(s, 2, &h))
		return false;
	if (**s == ':') {
		(*s)++;
		if (!digits(s, 2, &m))
			return false;
		if (**s == ':') {
			(*s)++;
			if (!digits(s, 2, &sec))
				return false;
		}
	} else if (isdigit((unsigned char)**s) && !digits(s, 2, &m)) {
		return false;
	}
	if (h > 24 || m > 59 || sec > 59) /* as far as TZ goes */
		return false;
	*ret = sign * (h * 3600 + m * 60 + sec);
	return true;
}

static bool parse_hours(const char **s, struct moment *m)
{
	if (!digits(s, 2, &m->tm.tm_hour) || *(*s)++ != ':' ||
	    !digits(s, 2, &m->tm.tm_min))
		return false;
	if (**s != ':')
		return true;
	(*s)++;
	if (!digits(s, 2, &m->tm.tm_sec))
		return false;
	if (**s != '.' && **s != ',')
		return true;
	(*s)++;
	return parse_fraction(s, &m->rest_ns);
}

/* The form alone; whether there is such a day comes later. */
static bool parse_form(const char *s, struct moment *ret)
{
	struct moment m = {.day = true};

	if (!digits(&s, 4, &m.tm.tm_year) || *s++ != '-' ||
	    !digits(&s, 2, &m.tm.tm_mon) || *s++ != '-' ||
	    !digits(&s, 2, &m.tm.tm_mday))
		return false;
	if (*s && strchr("Tt _", *s)) {
		s++;
		m.day = false;
		if (!parse_hours(&s, &m))
			return false;
		if (*s == ' ' && (s[1] == '+' || s[1] == '-'))
			s++; /* as git writes it */
	}
	if (!parse_zone(&s, &m.zone) || *s)
		return false;
	*ret = m;
	return true;
}

static int days_in(int year, int month)
{
	static const int days[] = {31, 28, 31, 30, 31, 30,
				   31, 31, 30, 31, 30, 31};
	bool leap = (year % 4 == 0 && year % 100) || year % 400 == 0;

	return days[month - 1] + (month == 2 && leap);
}

static int check_fields(const char *text, const struct tm *tm, struct err *err)
{
	if (tm->tm_mon < 1 || tm->tm_mon > 12)
		return err_set(err, -EINVAL, "\"%s\": there is no month %d",
			       text, tm->tm_mon);
	if (tm->tm_mday < 1 || tm->tm_mday > days_in(tm->tm_year, tm->tm_mon))
		return err_set(err, -EINVAL,
			       "\"%s\": month %d of %d has no day %d", text,
			       tm->tm_mon, tm->tm_year, tm->tm_mday);
	if (tm->tm_hour > 23 || tm->tm_min > 59 || tm->tm_sec > 59)
		return err_set(err, -EINVAL,
			       "\"%s\": there is no time %02d:%02d:%02d", text,
			       tm->tm_hour, tm->tm_min, tm->tm_sec);
	return 0;
}

static int make_ns(const char *text, int64_t sec, int64_t rest, int64_t *ret_ns,
		   struct err *err)
{
	if (sec < FIRST_SEC || sec > LAST_SEC)
		return err_set(err, -EINVAL,
			       "\"%s\": out of range (years 1678 to 2261)",
			       text);
	*ret_ns = sec * NSEC_PER_SEC + rest;
	return 0;
}

static int resolve(const char *text, struct moment *m, int64_t *ret_ns,
		   struct err *err)
{
	int64_t wall, sec = 0;
	int rc = check_fields(text, &m->tm, err);

	if (rc < 0)
		return rc;
	m->tm.tm_year -= 1900;
	m->tm.tm_mon -= 1;
	wall = timegm(&m->tm);
	if (m->zone != NO_ZONE)
		sec = wall - m->zone;
	else if (!first_exactly(wall, &sec) &&
		 !(m->day && first_not_before(wall, &sec)))
		return err_set(err, -EINVAL,
			       "\"%s\": local clocks never showed that time "
			       "(they were put forward): add Z or an offset",
			       text);
	return make_ns(text, sec, m->rest_ns, ret_ns, err);
}

/* --- relative times ------------------------------------------------------- */

/* The same time of the day, so many days before; the start of that day when
 * start is set. */
static int days_back(const char *text, int64_t now_ns, int64_t days, bool start,
		     int64_t *ret_ns, struct err *err)
{
	int64_t rest, sec = split_ns(now_ns, &rest), wall, then;
	long off;

	if (days > LAST_SEC / DAY || !wall_of(sec, &wall, &off))
		return make_ns(text, INT64_MIN, 0, ret_ns, err);
	wall -= days * DAY;
	if (start) {
		wall -= (wall % DAY + DAY) % DAY;
		rest = 0;
	}
	if (!first_exactly(wall, &then) && !first_not_before(wall, &then))
		return make_ns(text, INT64_MIN, 0, ret_ns, err);
	/* of a time that was there twice, today's may be the second */
	return make_ns(text, days || start ? then : sec, rest, ret_ns, err);
}

static const char *skip_separators(const char *s)
{
	return s + strspn(s, "-._ ");
}

/* Seconds of a unit, 0 for none; *s moves behind it. */
static int64_t parse_unit(const char **s)
{
	static const struct {
		const char *name;
		int64_t sec;
	} units[] = {
		{"second", 1}, {"minute", 60},	  {"hour", 3600},
		{"day", DAY},  {"week", 7 * DAY},
	};
	size_t i, n;

	for (i = 0; i < ARRAY_LEN(units); i++) {
		n = strlen(units[i].name);
		if (strncmp(*s, units[i].name, n))
			continue;
		*s += n + ((*s)[n] == 's');
		return units[i].sec;
	}
	return 0;
}

/* False: not of the form at all. */
static bool parse_ago(const char *s, int64_t *ret_n, int64_t *ret_unit)
{
	int64_t n = 0, unit;
	const char *p;

	if (!isdigit((unsigned char)*s))
		return false;
	for (; isdigit((unsigned char)*s); s++)
		if (__builtin_mul_overflow(n, 10, &n) ||
		    __builtin_add_overflow(n, *s - '0', &n))
			n = INT64_MAX;
	s = skip_separators(s);
	unit = parse_unit(&s);
	p = skip_separators(s);
	if (!unit || p == s || strcmp(p, "ago") != 0)
		return false;
	*ret_n = n;
	*ret_unit = unit;
	return true;
}

static int resolve_ago(const char *text, int64_t now_ns, int64_t n,
		       int64_t unit, int64_t *ret_ns, struct err *err)
{
	int64_t rest, sec = split_ns(now_ns, &rest), back;

	if (__builtin_mul_overflow(n, unit, &back))
		return make_ns(text, INT64_MIN, 0, ret_ns, err);
	if (unit >= DAY)
		return days_back(text, now_ns, back / DAY, false, ret_ns, err);
	if (__builtin_sub_overflow(sec, back, &sec))
		sec = INT64_MIN;
	return make_ns(text, sec, rest, ret_ns, err);
}

static int parse_seq(const char *text, uint64_t *ret, struct err *err)
{
	const char *s = text + 1;
	uint64_t v = 0;

	for (; isdigit((unsigned char)*s); s++)
		if (__builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(*s - '0'), &v))
			return err_set(err, -EINVAL,
				       "\"%s\": the number is too large", text);
	if (*s || s == text + 1)
		return err_set(err, -EINVAL,
			       "\"%s\": a change number is @ and digits", text);
	if (!v)
		return err_set(err, -EINVAL,
			       "\"%s\": change numbers begin with @1", text);
	*ret = v;
	return 0;
}

static int parse_moment(const char *text, int64_t now_ns, int64_t *ret_ns,
			struct err *err)
{
	struct moment m;
	int64_t n, unit;

	if (!strcmp(text, "now")) {
		*ret_ns = now_ns;
		return 0;
	}
	if (!strcmp(text, "today"))
		return days_back(text, now_ns, 0, true, ret_ns, err);
	if (!strcmp(text, "yesterday"))
		return days_back(text, now_ns, 1, false, ret_ns, err);
	if (parse_ago(text, &n, &unit))
		return resolve_ago(text, now_ns, n, unit, ret_ns, err);
	if (parse_form(text, &m))
		return resolve(text, &m, ret_ns, err);
	return err_set(err, -EINVAL, "\"%s\": not a time: " HOW_TO, text);
}

int time_parse(const char *text, int64_t now_ns, int64_t *ret_ns,
	       uint64_t *ret_seq, struct err *err)
{
	uint64_t seq = 0;
	int64_t ns = 0;
	int rc;

	tzset();
	if (*text == '@')
		rc = parse_seq(text, &seq, err);
	else
		rc = parse_moment(text, now_ns, &ns, err);
	if (rc < 0)
		return rc;
	*ret_ns = ns;
	*ret_seq = seq;
	return 0;
}

void time_format(int64_t ns, char *ret, size_t size)
{
	int64_t rest;
	time_t sec = split_ns(ns, &rest);
	struct tm tm = {0};
	char text[80];
	long off;
	int n;

	tzset();
	if (!localtime_r(&sec, &tm))
		gmtime_r(&sec, &tm);
	off = labs(tm.tm_gmtoff);
	n = snprintf(text, sizeof(text),
		     "%04d-%02d-%02dT%02d:%02d:%02d.%09lld%c%02ld:%02ld",
		     tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour,
		     tm.tm_min, tm.tm_sec, (long long)rest,
		     tm.tm_gmtoff < 0 ? '-' : '+', off / 3600, off / 60 % 60);
	if (off % 60) /* of the times before time zones */
		snprintf(text + n, sizeof(text) - (size_t)n, ":%02ld",
			 off % 60);
	snprintf(ret, size, "%s", text);
}

void time_format_utc(int64_t ns, char *ret, size_t size)
{
	int64_t rest;
	time_t sec = split_ns(ns, &rest);
	struct tm tm = {0};

	gmtime_r(&sec, &tm);
	snprintf(ret, size, "%04d-%02d-%02dT%02d:%02d:%02d.%09lldZ",
		 tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour,
		 tm.tm_min, tm.tm_sec, (long long)rest);
}

/* --- durations and sizes -------------------------------------------------- */

/* A decimal number in billionths; *s moves behind it. */
static int parse_decimal(const char **s, unsigned __int128 *ret)
{
	unsigned __int128 v = 0;
	int64_t rest = 0;

	if (!isdigit((unsigned char)**s))
		return -EINVAL;
	for (; isdigit((unsigned char)**s); (*s)++) {
		v = v * 10 + (unsigned)(**s - '0');
		if (v > UINT64_MAX)
			return -EINVAL;
	}
	if (**s == '.') {
		(*s)++;
		if (!parse_fraction(s, &rest))
			return -EINVAL;
	}
	*ret = v * NSEC_PER_SEC + (unsigned __int128)rest;
	return 0;
}

int duration_parse(const char *text, int64_t *ret_ns)
{
	static const struct {
		const char *name;
		int64_t sec;
	} units[] = {
		{"", 1}, {"s", 1}, {"m", 60}, {"h", 3600}, {"d", DAY},
	};
	unsigned __int128 v;
	size_t i;
	int rc = parse_decimal(&text, &v);

	if (rc < 0)
		return rc;
	if (!strcmp(text, "ms")) {
		v /= 1000;
	} else {
		for (i = 0; i < ARRAY_LEN(units); i++)
			if (!strcmp(text, units[i].name))
				break;
		if (i == ARRAY_LEN(units))
			return -EINVAL;
		v *= (unsigned __int128)units[i].sec;
	}
	if (v > INT64_MAX)
		return -EINVAL;
	*ret_ns = (int64_t)v;
	return 0;
}

static const char size_letters[] = "KMGTPE";

int size_parse(const char *text, uint64_t *ret)
{
	unsigned __int128 v;
	const char *letter;
	int shift, rc = parse_decimal(&text, &v);

	if (rc < 0)
		return rc;
	if (*text) {
		letter = strchr(size_letters, toupper((unsigned char)*text));
		if (!letter || (text[1] && strcmp(text + 1, "iB") != 0))
			return -EINVAL;
		/* at most 2^94, then shifted by 60: refuse before it is lost */
		shift = 10 * (int)(letter - size_letters + 1);
		if (v > (((unsigned __int128)UINT64_MAX + 1) * NSEC_PER_SEC) >>
		    shift)
			return -EINVAL;
		v <<= shift;
	} else if (v % NSEC_PER_SEC) {
		return -EINVAL; /* a part of a byte */
	}
	v /= NSEC_PER_SEC;
	if (v > UINT64_MAX)
		return -EINVAL;
	*ret = (uint64_t)v;
	return 0;
}

/* In the two units that say most. */
static void format_long(int64_t sec, const char *sign, char *ret, size_t size)
{
	if (sec < 3600)
		snprintf(ret, size, "%s%lld min %lld s", sign,
			 (long long)(sec / 60), (long long)(sec % 60));
	else if (sec < DAY)
		snprintf(ret, size, "%s%lld h %lld min", sign,
			 (long long)(sec / 3600), (long long)(sec / 60 % 60));
	else
		snprintf(ret, size, "%s%lld d %lld h", sign,
			 (long long)(sec / DAY), (long long)(sec / 3600 % 24));
}

void duration_format(int64_t ns, char *ret, size_t size)
{
	const char *sign = ns < 0 ? "-" : "";
	uint64_t n = ns < 0 ? -(uint64_t)ns : (uint64_t)ns;
	uint64_t tenths = (n + 50000000) / 100000000;

	if (n < 1000)
		snprintf(ret, size, "%s%llu ns", sign, (unsigned long long)n);
	else if (n < 1000000)
		snprintf(ret, size, "%s%llu µs", sign,
			 (unsigned long long)(n / 1000));
	else if (n < (uint64_t)NSEC_PER_SEC)
		snprintf(ret, size, "%s%llu ms", sign,
			 (unsigned long long)(n / 1000000));
	else if (tenths < 600)
		snprintf(ret, size, "%s%llu.%llu s", sign,
			 (unsigned long long)(tenths / 10),
			 (unsigned long long)(tenths % 10));
	else
		format_long((int64_t)((n + 500000000) / 1000000000), sign, ret,
			    size);
}

void size_format(uint64_t bytes, char *ret, size_t size)
{
	unsigned __int128 tenths, unit = 1;
	int i = -1;

	if (bytes < 1024) {
		snprintf(ret, size, "%llu B", (unsigned long long)bytes);
		return;
	}
	do {
		unit <<= 10;
		i++;
		tenths = ((unsigned __int128)bytes * 10 + unit / 2) / unit;
	} while (tenths >= 10240 && size_letters[i + 1]);
	snprintf(ret, size, "%llu.%llu %ciB", (unsigned long long)tenths / 10,
		 (unsigned long long)tenths % 10, size_letters[i]);
}

/* core/clock.h - clocks, and moments as people write them. */
#ifndef CORE_CLOCK_H
#define CORE_CLOCK_H

#include "core/err.h"

int64_t clock_now_ns(void);  /* since 1970 */
int64_t clock_mono_ns(void); /* for durations */
/* As of the last tick of the kernel, at most some milliseconds ago: what it
 * stamps files with. */
int64_t clock_tick_ns(void);

/* 2026-11-20T10:00:03.5, with seconds and fraction to 9 digits optional, and
 * Z or an offset (+01:00, +0100, +01) or local time; a date alone is its
 * first instant, and so is `today`; "T" may be a blank or "_"; `now`;
 * `N (seconds|minutes|hours|days|weeks) ago` with - . _ or blanks between;
 * `yesterday` is 1 day ago. Days are those of the local calendar: the same
 * time of the day. `@N` is a change number, from 1.
 * Of a local time that was there twice, the first; one that clocks left out is
 * refused.
 * ret_seq is set and ret_ns 0 for a change number, else the other way round.
 * -EINVAL with a message. now_ns is what relative times count from. */
int time_parse(const char *text, int64_t now_ns, int64_t *ret_ns,
	       uint64_t *ret_seq, struct err *err) MUST_USE;

/* Local time with nanoseconds and offset: 2026-11-20T10:00:03.123456789+01:00
 * (40 bytes are enough for all). */
void time_format(int64_t ns, char *ret, size_t size);
/* 2026-11-20T10:00:03.500000000Z: the same wherever it is read. */
void time_format_utc(int64_t ns, char *ret, size_t size);

/* "30s", "5m", "2h", "1d", "250ms", "1.5h"; a number alone is seconds. */
int duration_parse(const char *text, int64_t *ret_ns) MUST_USE;
/* "512", "64K", "2G", "1.5M"; powers of 1024. */
int size_parse(const char *text, uint64_t *ret) MUST_USE;
/* For people: "1.2 s", "310 ms"; "12.4 MiB". */
void duration_format(int64_t ns, char *ret, size_t size);
void size_format(uint64_t bytes, char *ret, size_t size);

#endif

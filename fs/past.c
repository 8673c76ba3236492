/* .deriva/at: moments, as people name them.
 *
 * A name leads to a change number, and from there on everything is a PAST node
 * at that number, which never changes. Whether the name will always lead to the
 * same number is another question: `2 hours ago` will not, and neither will a
 * time that has not passed yet or at which a change may still come. Only what
 * is fixed is kept by the kernel for ever.
 */
#include "fs/fs.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "core/clock.h"
#include "core/keepsakes.h"

#define DAYS_LISTED 30
#define DAY_NS	    (86400 * NSEC_PER_SEC)
#define SLACK_NS    NSEC_PER_SEC /* from a look-up until what it is for */

/* Now, and never before the last change: clocks are set back. */
static int64_t now_ns(struct fs *fs, int64_t *ret_last)
{
	struct ns_change c = {0};
	int64_t now = clock_now_ns();

	if (ns_change(fs->ns, ns_last_change(fs->ns), &c) < 0)
		c.time_ns = 0;
	*ret_last = c.time_ns;
	return MAX(now, c.time_ns);
}

/* The same in two days: not told from the time of the asking. */
static bool is_absolute(const char *name, int64_t now, int64_t ns)
{
	int64_t then;
	uint64_t seq;

	return time_parse(name, now + 2 * DAY_NS, &then, &seq, NULL) >= 0 &&
	       then == ns;
}

static int find_time(struct fs *fs, const char *name, int64_t now, int64_t last,
		     int64_t ns, uint64_t *ret_seq, bool *ret_fixed)
{
	int r;

	if (ns > now) {
		log_warn(".deriva/at/%s: that is in the future", name);
		return -ENOENT;
	}
	r = ns_change_at(fs->ns, ns, ret_seq);
	if (r < 0)
		return r;
	if (!*ret_seq) {
		log_warn(".deriva/at/%s: that is before the store was made",
			 name);
		return -ENOENT;
	}
	*ret_fixed = ns < last && is_absolute(name, now, ns);
	return 0;
}

int past_find(struct fs *fs, const char *name, uint64_t *ret_seq,
	      bool *ret_fixed)
{
	int64_t last, now = now_ns(fs, &last), ns;
	struct err err;
	uint64_t seq;
	int r = snapshot_find(fs->db, name, &seq);

	if (r != -ENOENT) {
		if (r >= 0) {
			*ret_seq = seq;
			*ret_fixed = true;
		}
		return r;
	}
	r = time_parse(name, now, &ns, &seq, &err);
	if (r < 0) {
		log_warn(".deriva/at/%s: no snapshot has that name, and %s",
			 name, err.msg);
		return -ENOENT;
	}
	if (!seq)
		return find_time(fs, name, now, last, ns, ret_seq, ret_fixed);
	if (seq > ns_last_change(fs->ns)) {
		log_warn(".deriva/at/%s: the last change is @%llu", name,
			 (unsigned long long)ns_last_change(fs->ns));
		return -ENOENT;
	}
	*ret_seq = seq;
	*ret_fixed = true;
	return 0;
}

/* Whether `2 seconds ago` meant that change when somebody began to wait. */
static bool meant(struct fs *fs, const char *name, int64_t since_ns,
		  uint64_t at, uint64_t now)
{
	int64_t ns;
	uint64_t seq, from;

	return at <= now &&
	       time_parse(name, since_ns - SLACK_NS, &ns, &seq, NULL) >= 0 &&
	       !seq && ns_change_at(fs->ns, ns, &from) >= 0 && from <= at;
}

int past_lookup(struct fs *fs, const char *name, int pid, struct node **ret)
{
	uint64_t seq, at;
	int64_t since_ns;
	bool fixed;
	int r = past_find(fs, name, &seq, &fixed);

	if (r < 0)
		return r;
	/* who was sent back to a name goes by the same moment again, which is
	 * another one by now */
	if (!fixed && grace_moment(fs, pid, &at, &since_ns) &&
	    meant(fs, name, since_ns, at, seq))
		seq = at;
	*ret = node_past(fs, seq, NS_ROOT);
	return *ret ? 0 : -ENOMEM;
}

bool past_is_fixed(struct fs *fs, const char *name)
{
	uint64_t seq;
	bool fixed;

	return past_find(fs, name, &seq, &fixed) >= 0 && fixed;
}

/* --- the listing ---------------------------------------------------------- */

struct names {
	int (*fn)(void *ctx, const char *name, uint32_t mode);
	void *ctx;
};

static int on_snapshot(void *ctx, const char *name, uint64_t seq,
		       int64_t time_ns)
{
	const struct names *n = ctx;

	(void)seq;
	(void)time_ns;
	return n->fn(n->ctx, name, S_IFDIR);
}

/* A day's name and first instant, of the day that holds a moment. */
static int day_of(int64_t ns, char name[16], int64_t *ret_start)
{
	time_t sec = (time_t)(ns / NSEC_PER_SEC);
	struct tm tm = {0};
	uint64_t seq;

	if (!localtime_r(&sec, &tm) || !strftime(name, 16, "%Y-%m-%d", &tm))
		return -EINVAL;
	return time_parse(name, ns, ret_start, &seq, NULL);
}

/* A date is its first instant: those of the last month at which something was
 * there, and something had changed since the date before. */
static int list_days(struct fs *fs, const struct names *n)
{
	char name[16], before[16];
	int64_t last, now = now_ns(fs, &last), start, former;
	uint64_t seq, older;
	int i, r = day_of(now, name, &start);

	for (i = 0; r >= 0 && i < DAYS_LISTED; i++) {
		r = ns_change_at(fs->ns, start, &seq);
		if (r < 0 || !seq)
			return r;
		r = day_of(start - DAY_NS / 2, before, &former);
		if (r >= 0)
			r = ns_change_at(fs->ns, former, &older);
		if (r >= 0 && older != seq)
			r = n->fn(n->ctx, name, S_IFDIR);
		memcpy(name, before, sizeof(name));
		start = former;
	}
	return r;
}

int past_list(struct fs *fs,
	      int (*fn)(void *ctx, const char *name, uint32_t mode), void *ctx)
{
	struct names n = {fn, ctx};
	int r = snapshots_each(fs->db, on_snapshot, &n);

	return r < 0 ? r : list_days(fs, &n);
}

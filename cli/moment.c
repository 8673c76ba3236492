#include "cli/moment.h"

#include <errno.h>
#include <inttypes.h>

#include "cli/output.h"
#include "core/clock.h"
#include "core/keepsakes.h"

static int none(const char *text, const char *why)
{
	complain("%s: %s", text, why);
	return -ENOENT;
}

int moment_find(struct history *h, const char *text, uint64_t *ret_seq)
{
	uint64_t seq, last = ns_last_change(h->ns);
	int64_t ns, now = clock_now_ns();
	struct ns_change c;
	struct err err;
	int rc;

	rc = snapshot_find(h->db, text, ret_seq);
	if (rc != -ENOENT)
		return rc;
	if (ns_change(h->ns, last, &c) >= 0) /* clocks are set back */
		now = MAX(now, c.time_ns);
	rc = time_parse(text, now, &ns, &seq, &err);
	if (rc < 0) {
		complain("there is no snapshot of that name, and %s", err.msg);
		return rc;
	}
	if (!seq && ns > now)
		return none(text, "that has not come yet");
	if (!seq)
		rc = ns_change_at(h->ns, ns, &seq);
	if (rc < 0)
		return rc;
	if (seq > last)
		return none(text, "there has been no such change yet");
	if (!seq)
		return none(text, "the store was not there then");
	*ret_seq = seq;
	return 0;
}

#include "cli/joining.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/json.h"
#include "cli/mountpoint.h"
#include "cli/output.h"

static const char *const whats[] = {
	[MERGE_TAKEN] = "taken",
	[MERGE_MERGED] = "merged",
	[MERGE_CONFLICT] = "conflict",
};

int joining_branch(const char *root, struct buf *ret)
{
	CLEANUP_BUF struct buf status = BUF_INIT;
	int rc = ctl_read(root, "status", &status);

	if (rc < 0)
		return rc;
	rc = json_string(buf_cstr(&status), "branch", ret);
	if (rc == -ENOENT) {
		buf_reset(ret);
		buf_str(ret, "main");
		rc = buf_err(ret);
	}
	return rc;
}

struct ns_by joining_by(const char *program)
{
	return (struct ns_by){.uid = (uint32_t)getuid(),
			      .pid = (uint32_t)getpid(),
			      .program = program};
}

static void print_json(const struct join *j, const struct join_result *r)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	const struct merge_note *n;
	size_t i;

	buf_str(&b, "{\"from\":");
	buf_json(&b, j->from, strlen(j->from));
	buf_str(&b, ",\"into\":");
	buf_json(&b, j->into, strlen(j->into));
	buf_fmt(&b, ",\"dry\":%s,\"up_to_date\":%s", j->dry ? "true" : "false",
		r->known ? "true" : "false");
	if (r->seq)
		buf_fmt(&b, ",\"change\":%" PRIu64, r->seq);
	buf_fmt(&b, ",\"conflicts\":%zu,\"paths\":[", r->notes.conflicts);
	for (i = 0; i < r->notes.n; i++) {
		n = &r->notes.list[i];
		buf_fmt(&b, "%s{\"what\":\"%s\",\"path\":", i ? "," : "",
			whats[n->what]);
		buf_json(&b, n->path, strlen(n->path));
		buf_str(&b, ",\"how\":");
		buf_json(&b, n->why, strlen(n->why));
		if (n->beside) {
			buf_str(&b, ",\"beside\":");
			buf_json(&b, n->beside, strlen(n->beside));
		}
		buf_str(&b, "}");
	}
	buf_str(&b, "]}\n");
	print_buf(&b);
}

static void print_note(const struct merge_note *n)
{
	if (n->what == MERGE_CONFLICT)
		printf("CONFLICT (%s): ", n->why);
	else
		printf("%s: ", n->what == MERGE_MERGED ? "merged" : n->why);
	print_name(*n->path ? n->path : "/");
	if (n->beside) {
		printf(", theirs is in ");
		print_name(n->beside);
	}
	putchar('\n');
}

void joining_print(const struct join *j, const struct join_result *r, bool json)
{
	size_t i, c = r->notes.conflicts;

	if (json) {
		print_json(j, r);
		return;
	}
	if (r->known) {
		printf("Already up to date.\n");
		return;
	}
	for (i = 0; i < r->notes.n; i++)
		print_note(&r->notes.list[i]);
	if (j->dry)
		printf("nothing was changed (-n)\n");
	else if (r->seq)
		printf("%s is in %s: change %" PRIu64 "%s\n", j->from, j->into,
		       r->seq, c ? "; look at what is in conflict" : "");
}

#include "cli/command.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cas/forget.h"
#include "cli/gone.h"
#include "cli/history.h"
#include "cli/moment.h"
#include "cli/output.h"
#include "cli/where.h"
#include "core/clock.h"

struct job {
	const char *path, *before;
	bool names, dry, json;
	char *rel, *store;
	uint64_t seq; /* that moment */
	struct forget_plan plan;
	struct forget_report report;
};

static void job_done(struct job *j)
{
	free(j->rel);
	free(j->store);
	forget_plan_done(&j->plan);
}

/* What was begun is ended, and nothing more begun. */
static bool stop(void *ctx)
{
	sigset_t set;

	(void)ctx;
	return !sigpending(&set) &&
	       (sigismember(&set, SIGINT) || sigismember(&set, SIGTERM) ||
		sigismember(&set, SIGHUP));
}

static void block_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

/* Old versions on other branches stay until those are removed. */
static int check_branch(const struct cli *cli, const char *mounted)
{
	CLEANUP_BUF struct buf name = BUF_INIT;
	int rc = where_branch(cli, mounted, &name);

	if (rc < 0)
		return fail("%s: %s", mounted, err_name(rc)), rc;
	if (!strcmp(buf_cstr(&name), "main"))
		return 0;
	return fail("this is branch %s, and what is forgotten is what main "
		    "held: give a path of a mount of main, or --store; what a "
		    "branch alone holds goes when it is removed (deriva "
		    "branch -D)",
		    buf_cstr(&name)),
	       -EXDEV;
}

static int find_store(const struct cli *cli, struct job *j)
{
	CLEANUP_FREE char *root = NULL, *mounted = NULL;
	size_t n;
	int rc;

	if (!cli->store) {
		rc = gone_find(j->path, &root, &j->rel);
		if (rc < 0)
			return rc;
	} else {
		j->rel = strdup(j->path + strspn(j->path, "/"));
	}
	if (!j->rel)
		return -ENOMEM;
	for (n = strlen(j->rel); n && j->rel[n - 1] == '/'; n--)
		j->rel[n - 1] = '\0';
	rc = where_mount(cli, root ? root : ".", &mounted, &j->store);
	return rc < 0 ? rc : check_branch(cli, mounted);
}

static int make_plan(struct job *j)
{
	CLEANUP(history_close) struct history h = {0};
	int rc = history_open(j->store, &h);

	if (rc < 0)
		return rc;
	db_lock(h.db);
	rc = moment_find(&h, j->before, &j->seq);
	db_unlock(h.db);
	if (rc < 0)
		return rc;
	rc = forget_plan(h.ns, j->rel, j->seq, j->names, &j->plan);
	if (rc < 0)
		complain("%s: %s", j->path, err_name(rc));
	else if (!j->plan.found)
		rc = fail("%s: there never was such a path", j->path),
		rc = -ENOENT;
	return rc < 0 ? rc : 0;
}

static int carry_out(struct job *j)
{
	const struct forget_options o = {.stop = stop};
	struct store *s;
	struct err err;
	int rc, end;

	if (j->dry || !j->plan.items.len)
		return 0;
	if (store_open(j->store, 0, &s, &err) < 0)
		return fail("%s", err.msg), -EIO;
	block_signals();
	rc = forget_run(s, &j->plan, &o, &j->report, &err);
	end = store_close(s);
	if (rc < 0)
		complain("%s", rc == -ECANCELED
				       ? "stopped; what was forgotten by then "
					 "is, and the same again goes on"
				       : err.msg);
	else if (end < 0)
		complain("%s: %s", j->store, err_name(end));
	return rc < 0 ? rc : end;
}

static void print_text(const struct job *j)
{
	const struct forget_plan *p = &j->plan;
	char bytes[32];

	if (p->kept.len)
		fwrite(p->kept.data, 1, p->kept.len, stdout);
	if (p->n_kept > 10)
		printf("... and %" PRIu64 " more are kept\n", p->n_kept - 10);
	if (!p->items.len) {
		printf("nothing to forget: no version or name had gone by "
		       "@%" PRIu64 "%s\n",
		       j->seq, p->n_kept ? " but what is kept" : "");
		return;
	}
	size_format(p->bytes, bytes, sizeof(bytes));
	printf("%s %" PRIu64 " versions (%s)",
	       j->dry ? "would forget" : "forgot", p->versions, bytes);
	if (p->attributes)
		printf(", %" PRIu64 " extended attributes", p->attributes);
	if (j->names)
		printf(", %" PRIu64 " names", p->names);
	printf(" from before @%" PRIu64 "\n", j->seq);
	if (!j->dry)
		printf("the bytes go with the next: deriva gc\n");
}

static void print_json(const struct job *j)
{
	const struct forget_plan *p = &j->plan;

	printf("{\"dry\":%s,\"before\":%" PRIu64 ",\"versions\":%" PRIu64
	       ",\"bytes\":%" PRIu64 ",\"attributes\":%" PRIu64
	       ",\"names\":%" PRIu64 ",\"kept\":%" PRIu64 "}\n",
	       j->dry ? "true" : "false", j->seq, p->versions, p->bytes,
	       p->attributes, p->names, p->n_kept);
}

/* What is kept by a snapshot or a pin was asked for, too: that is no success.
 */
static int forget(const struct cli *cli, struct job *j)
{
	int rc = find_store(cli, j);

	if (rc >= 0)
		rc = make_plan(j);
	if (rc >= 0)
		rc = carry_out(j);
	if (rc < 0)
		return EXIT_FAILURE;
	if (j->json)
		print_json(j);
	else
		print_text(j);
	if (!j->plan.n_kept)
		return EXIT_SUCCESS;
	return fail(
		"%s: snapshots or pins still show some of it (deriva unpin; "
		"what a snapshot shows stays), or branches do (deriva branch "
		"-d)",
		j->path);
}

static int run(struct cli *cli, int argc, char **argv)
{
	CLEANUP(job_done) struct job j = {0};
	int o;

	while ((o = next_option(&cmd_forget, cli, argc, argv)) != -1)
		if (o == 'b')
			j.before = optarg;
		else if (o == 'N')
			j.names = true;
		else
			j.dry = true;
	count_operands(&cmd_forget, argc, 1, 1);
	if (!j.before)
		usage_error(&cmd_forget, "--before TIME is missing: what every "
					 "moment since then shows stays");
	j.path = argv[optind];
	j.json = cli->json;
	return forget(cli, &j);
}

static const struct option longs[] = {
	{"before", required_argument, NULL, 'b'},
	{"names", no_argument, NULL, 'N'},
	{"dry-run", no_argument, NULL, 'n'},
	OPT_JSON,
	OPT_STORE,
	OPT_END,
};

const struct command cmd_forget = {
	.name = "forget",
	.args = "[-n] [--names] [--json] [--store DIR] --before TIME PATH",
	.summary = "let go of old versions, for good",
	.help = "What PATH (also one that is gone, and of a directory all that "
		"ever was below)\nheld before TIME, and at no moment since, "
		"is forgotten: contents with their\naddresses, under whatever "
		"names the files had, targets of links, and values of\n"
		"extended attributes. The log keeps that there was something, "
		"when, how large,\nand by whom, and can be proved as before. "
		"What a snapshot or a pin shows stays,\nand is named. The "
		"bytes go with the next deriva gc.\n\n"
		"  --before TIME  now, 2026-11-20T10:00, yesterday, @1234, a "
		"snapshot\n"
		"  --names        names that had gone by then, too, and "
		"messages "
		"of their changes\n"
		"  -n, --dry-run  change nothing, say what would be forgotten\n"
		"  --json         for programs: one object\n"
		"  --store DIR    of that store, PATH from its root\n",
	.shorts = "n",
	.longs = longs,
	.run = run,
};

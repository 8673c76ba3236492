#include "cli/command.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>

#include "cas/gc.h"
#include "cli/output.h"
#include "cli/where.h"
#include "core/clock.h"

#define PATIENCE (5 * NSEC_PER_SEC)
#define PERCENT	 10 /* of waste, from which on a pack is rewritten */
#define QUIET	 NSEC_PER_SEC
#define REDRAW	 (NSEC_PER_SEC / 10)

struct line {
	bool terminal, shown;
	int64_t started_ns, drawn_ns;
};

/* Signals that end it are blocked meanwhile, and looked for here. */
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

static void progress(void *ctx, const char *what, uint64_t done, uint64_t of)
{
	int64_t now = clock_mono_ns();
	struct line *l = ctx;

	if (!l->terminal || now - l->started_ns < QUIET ||
	    now - l->drawn_ns < REDRAW)
		return;
	l->drawn_ns = now;
	l->shown = true;
	if (of)
		fprintf(stderr, "\r\033[K%s: %" PRIu64 " of %" PRIu64, what,
			MIN(done, of), of);
	else
		fprintf(stderr, "\r\033[K%s", what);
	fflush(stderr);
}

static void clear(struct line *l)
{
	if (l->shown)
		fputs("\r\033[K", stderr);
	l->shown = false;
}

static void print_json(const struct gc_report *r, bool dry)
{
	printf("{\"dry\":%s,\"versions\":%" PRIu64 ",\"results\":%" PRIu64
	       ",\"result_bytes\":%" PRIu64 ",\"over\":%" PRIu64
	       ",\"objects\":%" PRIu64 ",\"bytes\":%" PRIu64
	       ",\"live\":%" PRIu64 ",\"packs_removed\":%" PRIu64
	       ",\"packs_rewritten\":%" PRIu64 ",\"freed\":%" PRIu64
	       ",\"waste\":%" PRIu64 ",\"busy\":%u,\"forgotten_left\":%s}\n",
	       dry ? "true" : "false", r->versions, r->results, r->result_bytes,
	       r->over, r->objects, r->bytes, r->live, r->packs_removed,
	       r->packs_rewritten, r->freed, r->left, r->busy,
	       r->held ? "true" : "false");
}

static void print_text(const struct gc_report *r, bool dry)
{
	char freed[32], bytes[32], left[32], results[32], over[32];

	size_format(r->freed, freed, sizeof(freed));
	size_format(r->bytes, bytes, sizeof(bytes));
	size_format(r->left, left, sizeof(left));
	size_format(r->result_bytes, results, sizeof(results));
	size_format(r->over, over, sizeof(over));
	printf("%s%s: %" PRIu64 " objects (%s) that nothing needs; packs: "
	       "%" PRIu64 " removed, %" PRIu64 " rewritten\n",
	       dry ? "would free " : "freed ", freed, r->objects, bytes,
	       r->packs_removed, r->packs_rewritten);
	if (r->versions)
		printf("%s%" PRIu64 " old versions, beyond what the setting "
		       "keeps\n",
		       dry ? "would let go of " : "let go of ", r->versions);
	if (r->results)
		printf("%s%" PRIu64 " results (%s), over the budget: they are "
		       "computed again when somebody reads them\n",
		       dry ? "would drop " : "dropped ", r->results, results);
	if (r->over)
		printf("%s over the budget %s: pinned, open, or not known to "
		       "be reproducible\n",
		       over, dry ? "would stay" : "stay");
	printf("%s%" PRIu64 " objects, and %s of waste that %s worth "
	       "rewriting yet\n",
	       dry ? "would keep " : "kept ", r->live, left,
	       dry ? "would not be" : "is not");
	if (r->held)
		printf("something of what was forgotten is still open or being "
		       "written: run it again when that is closed\n");
	if (r->busy)
		printf("%u process%s been writing all the while: what %s is "
		       "kept; run it again\n",
		       r->busy, r->busy == 1 ? " has" : "es have",
		       r->busy == 1 ? "it uses" : "they use");
}

static int collect(const char *path, bool dry, bool json)
{
	struct line line = {.terminal = isatty(STDERR_FILENO),
			    .started_ns = clock_mono_ns()};
	const struct gc_options o = {
		.dry = dry,
		.percent = PERCENT,
		.patience_ns = PATIENCE,
		.stop = stop,
		.progress = progress,
		.ctx = &line,
	};
	struct gc_report r = {0};
	struct store *s;
	struct err err;
	int rc, end;

	if (store_open(path, 0, &s, &err) < 0)
		return fail("%s", err.msg);
	block_signals();
	rc = gc_run(s, &o, &r, &err);
	clear(&line);
	end = store_close(s);
	if (rc < 0 && rc != -ECANCELED)
		return fail("%s", err.msg);
	if (end < 0)
		return fail("%s: %s", path, err_name(end));
	if (json)
		print_json(&r, dry);
	else
		print_text(&r, dry);
	return rc < 0 ? fail("stopped; what was freed by then is free, and the "
			     "next time goes on")
		      : EXIT_SUCCESS;
}

static int run(struct cli *cli, int argc, char **argv)
{
	CLEANUP_FREE char *root = NULL, *store = NULL;
	bool dry = false;
	int c;

	while ((c = next_option(&cmd_gc, cli, argc, argv)) != -1)
		dry = dry || c == 'n';
	count_operands(&cmd_gc, argc, 0, 0);
	if (where_mount(cli, ".", &root, &store) < 0)
		return EXIT_FAILURE;
	return collect(store, dry, cli->json);
}

static const struct option longs[] = {{"dry-run", no_argument, NULL, 'n'},
				      OPT_JSON,
				      OPT_STORE,
				      OPT_END};

const struct command cmd_gc = {
	.name = "gc",
	.args = "[-n] [--json] [--store DIR]",
	.summary = "free what nothing needs any more",
	.help = "Removes the objects that no file, no kept version, no "
		"snapshot, no pin and no\nopen file needs, and says what that "
		"freed. Others may go on working meanwhile;\nit can be "
		"stopped at any moment.\n\n"
		"  -n, --dry-run  change nothing, say what would be freed\n"
		"  --json         for programs: one object\n"
		"  --store DIR    of that store (default: that of the mount "
		"which holds the\n"
		"                 working directory)\n",
	.shorts = "n",
	.longs = longs,
	.run = run,
};

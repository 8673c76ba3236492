#include "cli/command.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "cas/bell.h"
#include "cas/feed.h"
#include "cli/output.h"
#include "cli/where.h"
#include "core/clock.h"

struct watch {
	const char *since; /* as it was said; NULL: from now on */
	bool no_wait;
	char *root, *store;
	char *path; /* below the root */
	struct peek *peek;
	struct feed *feed;
};

static void watch_done(struct watch *w)
{
	feed_close(w->feed);
	peek_close(w->peek);
	free(w->root);
	free(w->store);
	free(w->path);
}

/* The store, and the path below its root; the last component need not be there.
 */
static int find(const struct cli *cli, const char *path, struct watch *w)
{
	CLEANUP_PLACE struct place p = {0};
	struct err err;
	int rc;

	rc = where_mount(cli, path ? path : ".", &w->root, &w->store);
	if (rc < 0)
		return rc;
	if (cli->store || !path) {
		path = path ? path + strspn(path, "/") : "";
		w->path = strdup(path);
	} else {
		rc = place_find(path, false, &p, &err);
		if (rc < 0) {
			complain("%s", err.msg);
			return rc;
		}
		w->path = steal(&p.rel);
	}
	if (!w->path)
		return -ENOMEM;
	for (rc = (int)strlen(w->path); rc && w->path[rc - 1] == '/'; rc--)
		w->path[rc - 1] = '\0';
	return 0;
}

/* A change's number, with or without @, or a moment: 0 and *ret. */
static int parse_since(struct watch *w, uint64_t newest, uint64_t *ret)
{
	char *end;
	uint64_t seq = strtoull(w->since, &end, 10);
	struct err err = {{0}};
	int64_t ns;
	int rc = 0;

	if (*end || end == w->since || *w->since == '-')
		rc = time_parse(w->since, clock_now_ns(), &ns, &seq, &err);
	if (rc < 0)
		usage_error(&cmd_watch,
			    "--since: \"%s\" is neither the number of a "
			    "change nor a time: %s",
			    w->since, err.msg);
	if (!seq && (*end || end == w->since)) {
		rc = ns_change_at(peek_ns(w->peek), ns, &seq);
		if (rc < 0)
			return fail("%s: %s", w->store, err_name(rc)), rc;
	}
	if (seq > newest) {
		complain("--since %s: the last change of this store is "
			 "%" PRIu64,
			 w->since, newest);
		return -ENOENT;
	}
	*ret = seq;
	return 0;
}

static int start(struct watch *w)
{
	struct tip newest = {0};
	struct err err;
	uint64_t since;
	int rc;

	rc = peek_open(w->store, &w->peek, &err);
	if (rc < 0) {
		complain("%s", err.msg);
		return rc;
	}
	db_lock(peek_db(w->peek));
	rc = tips_newest(peek_tips(w->peek), &newest);
	since = newest.seq;
	if (rc >= 0 && w->since)
		rc = parse_since(w, newest.seq, &since);
	else if (rc < 0)
		complain("%s: %s", w->store, err_name(rc));
	db_unlock(peek_db(w->peek));
	return rc < 0 ? rc : feed_open(w->peek, since, w->path, &w->feed);
}

/* The database was made anew (fsck --repair). */
static int start_again(struct watch *w)
{
	CLEANUP(peek_closep) struct peek *p = NULL;
	uint64_t after = feed_at(w->feed);
	struct err err;
	int rc = peek_open(w->store, &p, &err);

	if (rc < 0) {
		complain("%s", err.msg);
		return rc;
	}
	feed_close(w->feed);
	w->feed = NULL;
	peek_close(w->peek);
	w->peek = steal(&p);
	return feed_open(w->peek, after, w->path, &w->feed);
}

/* All there is now. 0, or -errno: a message is given, but for a reader that
 * went away. */
static int print_new(struct watch *w)
{
	const char *line;
	uint64_t seq;
	size_t n;
	int rc;

	while ((rc = feed_next(w->feed, &line, &n, &seq)) > 0)
		if (fwrite(line, 1, n, stdout) != n)
			return -EPIPE;
	if (rc < 0) {
		complain("%s: the changes after %" PRIu64 " cannot be read: "
			 "%s (deriva fsck says more)",
			 w->store, feed_at(w->feed), err_name(rc));
		return rc;
	}
	peek_rest(w->peek);
	return fflush(stdout) ? -EPIPE : 0;
}

static int follow(struct watch *w)
{
	struct pollfd reader = {.fd = STDOUT_FILENO};
	struct bell bell;
	int rc;

	/* before the first look, so that nothing falls in between */
	bell_open(w->store, &bell);
	while ((rc = print_new(w)) >= 0 && !w->no_wait) {
		bell_wait(&bell, &reader);
		if (reader.revents & (POLLERR | POLLHUP | POLLNVAL))
			break; /* nobody reads any more */
		if (!peek_replaced(w->peek))
			continue;
		rc = start_again(w);
		if (rc < 0)
			break;
		bell_close(&bell);
		bell_open(w->store, &bell);
	}
	bell_close(&bell);
	return rc < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int run(struct cli *cli, int argc, char **argv)
{
	CLEANUP(watch_done) struct watch w = {0};
	const char *path;
	int opt;

	while ((opt = next_option(&cmd_watch, cli, argc, argv)) != -1)
		if (opt == 's')
			w.since = optarg;
		else
			w.no_wait = true;
	count_operands(&cmd_watch, argc, 0, 1);
	path = optind < argc ? argv[optind] : NULL;
	if (find(cli, path, &w) < 0 || start(&w) < 0)
		return EXIT_FAILURE;
	return follow(&w);
}

static const struct option longs[] = {
	{"since", required_argument, NULL, 's'},
	{"no-wait", no_argument, NULL, 'n'},
	OPT_JSON,
	OPT_STORE,
	OPT_END,
};

const struct command cmd_watch = {
	.name = "watch",
	.args = "[--since CHANGE] [--no-wait] [--store DIR] [PATH]",
	.summary = "every change and result as it happens",
	.help = "Prints a line of JSON for each change of the store and each "
		"result of a derived\nfile, as soon as it is committed, and "
		"waits for more until it is interrupted.\nWith PATH only for "
		"what concerns that file, or lies below that directory.\n"
		"deriva-events(5) has the fields.\n\n"
		"  --since CHANGE  first what came after that change (a "
		"number, as "
		"in each line)\n"
		"                  or that time: go on where another watch "
		"ended, and nothing\n"
		"                  is lost or told twice; 0 is all there ever "
		"was\n"
		"  --no-wait       end when all that is there is told\n"
		"  --store DIR     of that store, PATH from its root; no mount "
		"is needed\n"
		"                  (default: that of the mount which holds "
		"PATH, "
		"or the\n"
		"                  working directory)\n",
	.shorts = "",
	.longs = longs,
	.run = run,
};

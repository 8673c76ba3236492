#include "cli/command.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/joining.h"
#include "cli/output.h"
#include "cli/secluded.h"
#include "cli/where.h"
#include "core/branch.h"
#include "core/journal.h"
#include "core/runs.h"

struct job {
	const char *store;
	char *name; /* of its branch */
	struct join join;
};

/* --- the branch ---------------------------------------------------------- */

static int put_journal(void *ctx, enum obj_kind kind, const void *p, size_t n,
		       struct addr *ret)
{
	return store_put(ctx, kind, p, n, ret);
}

typedef int (*branch_fn)(struct ns *ns, const struct job *j);

static int make(struct ns *ns, const struct job *j)
{
	struct branch b;
	int rc = runs_sweep(ns, &j->join.by);

	return rc < 0 ? rc : branch_make(ns, &j->join.by, j->name, NS_NOW, &b);
}

static int drop(struct ns *ns, const struct job *j)
{
	return branch_remove(ns, &j->join.by, j->name);
}

/* Under a name that people can write. */
static int keep(struct ns *ns, const struct job *j)
{
	char name[64];
	int rc;

	snprintf(name, sizeof(name), "run-%" PRIu64, ns_last_change(ns));
	rc = branch_rename(ns, &j->join.by, j->name, name);
	if (rc >= 0)
		complain("what it did is kept as branch %s: deriva merge %s "
			 "brings it in and leaves what is in conflict beside "
			 "the files; deriva branch -d %s drops it",
			 name, name, name);
	return rc;
}

/* With the namespace of the branch that it began from. */
static int with_branch(struct store *s, const struct job *j, branch_fn fn,
		       struct err *err)
{
	CLEANUP(ns_closep) struct ns *ns = NULL;
	struct journal *journal = NULL;
	struct db *db = store_db(s);
	struct branch into;
	int rc;

	db_lock(db);
	rc = branch_find(db, j->join.into, &into);
	if (rc == 0)
		rc = ns_open_branch(db, into.id, (uint32_t)geteuid(),
				    (uint32_t)getegid(), &ns, err);
	if (rc == 0)
		rc = journal_open(db, &journal);
	if (rc == 0) {
		journal_set_put(journal, put_journal, s);
		ns_set_journal(ns, journal);
		rc = fn(ns, j);
	}
	if (rc >= 0)
		rc = db_commit(db);
	else
		db_rollback(db);
	db_unlock(db);
	ns_close(steal(&ns));
	journal_close(journal);
	return rc < 0 ? err_set(err, rc, "%s: %s", j->store, err_name(rc)) : 0;
}

static int in_store(const struct job *j, branch_fn fn)
{
	struct store *s;
	struct err err;
	int rc, end;

	if (store_open(j->store, 0, &s, &err) < 0) {
		complain("%s", err.msg);
		return -EIO;
	}
	rc = with_branch(s, j, fn, &err);
	end = store_close(s);
	if (rc < 0)
		complain("%s", err.msg);
	else if (end < 0)
		complain("%s: %s", j->store, err_name(end));
	return rc < 0 ? rc : end;
}

/* --- the end ------------------------------------------------------------- */

/* 1: there are conflicts, which are told. */
static int bring_in(const struct job *j)
{
	struct join_result r = {0};
	struct store *s;
	struct err err;
	int rc, end;

	if (store_open(j->store, 0, &s, &err) < 0) {
		complain("%s", err.msg);
		return -EIO;
	}
	rc = join_branches(s, &j->join, &r, &err);
	if (rc < 0)
		complain("%s", err.msg);
	end = store_close(s);
	if (rc >= 0 && end < 0)
		complain("%s: %s", j->store, err_name(end));
	if (rc >= 0 && r.notes.conflicts) {
		size_t i;

		for (i = 0; i < r.notes.n; i++)
			if (r.notes.list[i].what == MERGE_CONFLICT)
				complain("conflict (%s): %s",
					 r.notes.list[i].why,
					 r.notes.list[i].path);
		complain("others changed the same meanwhile: nothing was "
			 "changed");
		rc = 1;
	}
	merge_notes_done(&r.notes);
	return rc < 0 ? rc : end < 0 ? end : rc;
}

static int finish(const struct job *j, int status)
{
	int rc;

	if (status) {
		rc = in_store(j, drop);
		return status;
	}
	rc = bring_in(j);
	if (rc == 0) {
		/* it is done: what is left of the branch goes later, too */
		rc = in_store(j, drop);
		return rc < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
	}
	rc = in_store(j, keep);
	return EXIT_FAILURE;
}

static void join_words(char **argv, struct buf *ret)
{
	for (; *argv; argv++) {
		if (ret->len)
			buf_u8(ret, ' ');
		buf_str(ret, *argv);
	}
}

static int run_there(const struct place *p, struct job *j, char **argv)
{
	struct secluded s = {.store = j->store,
			     .branch = j->name,
			     .root = p->root,
			     .rel = p->rel,
			     .argv = argv};
	struct err err;
	int status = in_store(j, make);

	if (status < 0)
		return EXIT_FAILURE;
	status = secluded_run(&s, &err);
	if (status >= 0)
		return finish(j, status);
	complain("%s", err.msg);
	if (in_store(j, drop) < 0)
		complain("its branch goes when the store is mounted next");
	return EXIT_FAILURE;
}

static int run(struct cli *cli, int argc, char **argv)
{
	CLEANUP_FREE char *root = NULL, *store = NULL;
	CLEANUP_BUF struct buf into = BUF_INIT, words = BUF_INIT;
	CLEANUP_PLACE struct place p = {0};
	struct job j = {.join = {.op = NS_OP_RUN,
				 .clean = true,
				 .by = joining_by("deriva run")}};
	struct err err;
	int c, status;

	while ((c = next_option(&cmd_run, cli, argc, argv)) != -1)
		j.join.message = optarg;
	count_operands(&cmd_run, argc, 1, -1);
	if (cli->store)
		usage_error(&cmd_run, "it works in a mount: change into one, "
				      "without --store");
	if (where_mount(cli, ".", &root, &store) < 0)
		return EXIT_FAILURE;
	if (place_find(".", true, &p, &err) < 0)
		return fail("%s", err.msg);
	if (joining_branch(p.root, &into) < 0 || run_name(&j.name) < 0)
		return fail("%s: %s", p.root, err_name(-EIO));
	join_words(argv + optind, &words);
	if (!j.join.message)
		j.join.message = buf_cstr(&words);
	j.store = store;
	j.join.into = buf_cstr(&into);
	j.join.from = j.name;
	j.join.by.program = argv[optind];
	status = run_there(&p, &j, argv + optind);
	free(j.name);
	return status;
}

static const struct option longs[] = {
	{"message", required_argument, NULL, 'm'},
	OPT_END,
};

const struct command cmd_run = {
	.name = "run",
	.args = "[-m MESSAGE] [--] COMMAND [ARGUMENT...]",
	.summary = "all that a command changes as one change",
	.help = "Runs COMMAND in the working directory, which is in a mount. "
		"What it\n"
		"changes there only it sees, until it ends with status 0: then "
		"all\n"
		"of it is there at once, as one change. If it ends otherwise "
		"nothing\n"
		"was changed, and its status is the one of this command (127: "
		"there\n"
		"is no such program, 126: it cannot be run, 128 + N: signal "
		"N).\n"
		"\n"
		"What others change meanwhile stays. If they changed the same "
		"files\n"
		"in another way, nothing is changed, the exit status is 1, and "
		"what\n"
		"COMMAND did is kept as a branch that can be merged.\n"
		"\n"
		"  -m MESSAGE  kept with the change (default: the command "
		"line)\n",
	.shorts = "+m:",
	.longs = longs,
	.run = run,
};

#include "cli/command.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/explain.h"
#include "cli/json.h"
#include "cli/output.h"
#include "cli/where.h"

enum what { LIST, MAKE, REMOVE, RENAME };

struct job {
	enum what what;
	bool force;
	const char *at;
	const char *name, *to;
	const char *root; /* of the mount that is told */
};

/* --- listing ------------------------------------------------------------- */

static void print_line(const char *line)
{
	CLEANUP_BUF struct buf name = BUF_INIT, from = BUF_INIT;
	uint64_t fork = 0, changes = 0;
	bool present = strstr(line, ",\"present\":true") != NULL;

	if (json_string(line, "branch", &name) < 0)
		return;
	printf("%c %s", present ? '*' : ' ', buf_cstr(&name));
	if (json_string(line, "from", &from) >= 0 &&
	    json_u64(line, "fork", &fork) >= 0 &&
	    json_u64(line, "changes", &changes) >= 0)
		printf("  (from %s @%" PRIu64 ", %" PRIu64 " change%s)",
		       buf_cstr(&from), fork, changes, changes == 1 ? "" : "s");
	putchar('\n');
}

static int print_all(struct buf *text, bool json)
{
	char *rest = (char *)text->data, *line;
	const char *comma = "";

	if (json)
		putchar('[');
	while (rest && (line = strsep(&rest, "\n"))) {
		if (!*line)
			continue;
		if (json)
			printf("%s%s", comma, line);
		else
			print_line(line);
		comma = ",\n";
	}
	if (json)
		puts("]");
	return EXIT_SUCCESS;
}

static int read_all(const struct job *j, struct buf *ret)
{
	int rc = ctl_read(j->root, "branches", ret);

	return rc < 0 ? fail("%s/.deriva/branches: %s", j->root, err_name(rc))
		      : EXIT_SUCCESS;
}

/* --- changing ------------------------------------------------------------ */

static int complain_about(const struct job *j, int rc)
{
	bool new = j->what == RENAME &&rc != -ENOENT &&rc != -EBUSY;
	const char *name = new ? j->to : j->name;

	switch (rc) {
	case -EEXIST:
		return fail("there is a branch %s already", name);
	case -ENOENT:
		return fail("there is no branch %s (deriva branch lists those "
			    "there are)",
			    name);
	case -ESTALE:
		return fail("%s is no moment of this store: a time, a change "
			    "(@N) or the name of a snapshot",
			    j->at);
	case -EBUSY:
		if (!strcmp(name, "main"))
			return fail("main stays, and keeps its name");
		return fail("branch %s is mounted: unmount it first", name);
	case -EINVAL:
		return fail("`%s` cannot name a branch: it begins with none of "
			    "- . @ and has no blanks and none of , : \\ \" ' "
			    "* ?",
			    name);
	default:
		return fail("%s: %s", name, err_name(rc));
	}
}

/* How many changes of it are in no other branch. */
static int unmerged(const struct job *j, uint64_t *ret)
{
	CLEANUP_BUF struct buf text = BUF_INIT, name = BUF_INIT;
	char *rest, *line;

	if (read_all(j, &text))
		return -EIO;
	rest = (char *)text.data;
	while (rest && (line = strsep(&rest, "\n"))) {
		buf_reset(&name);
		if (json_string(line, "branch", &name) >= 0 &&
		    !strcmp(buf_cstr(&name), j->name))
			return json_u64(line, "changes", ret) < 0 ? -ENOENT : 0;
	}
	return -ENOENT;
}

static int check_merged(const struct job *j)
{
	uint64_t n = 0;
	int rc = j->force ? 0 : unmerged(j, &n);

	if (rc == -EIO)
		return EXIT_FAILURE;
	if (rc == 0 && n)
		return fail("branch %s has %" PRIu64 " change%s that no other "
			    "branch has: deriva merge it, or remove it with "
			    "-D",
			    j->name, n, n == 1 ? "" : "s");
	return EXIT_SUCCESS; /* what is wrong else is told */
}

static int change(const struct job *j)
{
	CLEANUP_BUF struct buf line = BUF_INIT;
	int rc;

	if (j->what == REMOVE && check_merged(j))
		return EXIT_FAILURE;
	if (j->what == REMOVE)
		buf_fmt(&line, "-%s", j->name);
	else if (j->what == RENAME)
		buf_fmt(&line, "=%s %s", j->name, j->to);
	else
		buf_fmt(&line, "+%s%s%s", j->name, j->at ? " " : "",
			j->at ? j->at : "");
	if (strpbrk(j->name, " \n") || (j->to && strpbrk(j->to, " \n")))
		return complain_about(j, -EINVAL);
	rc = buf_err(&line);
	if (rc >= 0)
		rc = ctl_tell(j->root, "branch", buf_cstr(&line));
	return rc < 0 ? complain_about(j, rc) : EXIT_SUCCESS;
}

static int act(struct cli *cli, struct job *j, const char *path)
{
	CLEANUP_BUF struct buf text = BUF_INIT;
	CLEANUP_PLACE struct place p = {0};
	struct where w;
	int status;

	if (where_open(cli, &w) < 0)
		return EXIT_FAILURE;
	if (where_place(&w, w.root ? "/" : path, true, &p) < 0) {
		status = EXIT_FAILURE;
	} else {
		j->root = p.root;
		status = j->what == LIST ? read_all(j, &text) : change(j);
		if (!status && j->what == LIST)
			status = print_all(&text, cli->json);
	}
	return where_close(&w) ? EXIT_FAILURE : status;
}

static int run(struct cli *cli, int argc, char **argv)
{
	struct job j = {.what = MAKE};
	int c, n, names;

	while ((c = next_option(&cmd_branch, cli, argc, argv)) != -1)
		switch (c) {
		case 'a':
			j.at = optarg;
			break;
		case 'd':
		case 'D':
			j.what = REMOVE;
			j.force = c == 'D';
			break;
		case 'm':
			j.what = RENAME;
			break;
		case 'l':
			j.what = LIST;
			break;
		}
	n = argc - optind;
	if (!n && j.what == MAKE)
		j.what = LIST;
	names = j.what == LIST ? 0 : j.what == RENAME ? 2 : 1;
	count_operands(&cmd_branch, argc, names, names + !cli->store);
	if (j.at && j.what != MAKE)
		usage_error(&cmd_branch, "--at goes with a new branch");
	j.name = names ? argv[optind] : NULL;
	j.to = names > 1 ? argv[optind + 1] : NULL;
	return act(cli, &j, n > names ? argv[optind + names] : ".");
}

static const struct option longs[] = {
	{"at", required_argument, NULL, 'a'},
	{"delete", no_argument, NULL, 'd'},
	{"list", no_argument, NULL, 'l'},
	{"move", no_argument, NULL, 'm'},
	OPT_JSON,
	OPT_STORE,
	OPT_END,
};

const struct command cmd_branch = {
	.name = "branch",
	.args = "[--at TIME] [-d|-D|-m|-l] [NAME [NEW]] [PATH|--store DIR]",
	.summary = "make, list and remove branches",
	.help = "A branch is a line of work of its own: it shows the tree as "
		"it "
		"was when it was\nmade, but for its own changes. It costs "
		"nothing "
		"until it differs, and all share\nwhat was computed. deriva "
		"mount "
		"-o branch=NAME STORE DIR shows it.\n\n"
		"With no operand the branches are listed; * is that of the "
		"mount.\n\n"
		"  NAME           make it, from the branch of the mount (main "
		"with --store)\n"
		"  --at TIME      as that was then: a time, @CHANGE or a "
		"snapshot's name\n"
		"  -d NAME        remove it, with what it alone holds; not "
		"while "
		"it is mounted,\n"
		"                 nor when it has changes that no other branch "
		"has\n"
		"  -D NAME        also then\n"
		"  -m NAME NEW    give it another name\n"
		"  -l, --list     list them (of the mount that holds PATH)\n"
		"  --json         for programs: a list of objects\n"
		"  --store DIR    of that store (default: that of the mount "
		"which holds PATH or\n"
		"                 the working directory)\n"
		"  --branch NAME  with --store: work on that branch\n",
	.shorts = "dDml",
	.longs = longs,
	.run = run,
};

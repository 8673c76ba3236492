#include "cli/command.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "cli/output.h"
#include "cli/prover.h"
#include "cli/where.h"
#include "core/clock.h"
#include "core/keepsakes.h"

struct prove {
	const char *at, *since;
	struct prover p;
	char *rel;
	uint64_t seq; /* the moment */
};

static void prove_done(struct prove *v)
{
	prover_done(&v->p);
	free(v->rel);
}

static int find_rel(const struct cli *cli, const char *path, struct prove *v)
{
	CLEANUP_PLACE struct place p = {0};
	struct err err;
	size_t n;
	int rc;

	if (cli->store) {
		v->rel = strdup(path + strspn(path, "/"));
	} else {
		rc = place_find(path, false, &p, &err);
		if (rc < 0) {
			complain("%s", err.msg);
			return rc;
		}
		v->rel = steal(&p.rel);
	}
	if (!v->rel)
		return -ENOMEM;
	for (n = strlen(v->rel); n && v->rel[n - 1] == '/'; n--)
		v->rel[n - 1] = '\0';
	return 0;
}

/* A time, @NUMBER, or a snapshot's name. */
static int find_moment(struct prove *v)
{
	struct peek *p = v->p.peek;
	struct err err = {{0}};
	uint64_t seq = 0;
	int64_t ns = 0;
	int rc;

	v->seq = v->p.head.seq;
	if (!v->at)
		return 0;
	db_lock(peek_db(p));
	rc = time_parse(v->at, clock_now_ns(), &ns, &seq, &err);
	if (rc < 0)
		rc = snapshot_find(peek_db(p), v->at, &seq);
	else if (!seq)
		rc = ns_change_at(peek_ns(p), ns, &seq);
	db_unlock(peek_db(p));
	if (rc < 0)
		complain("--at %s: neither a moment nor a snapshot: %s", v->at,
			 err.msg[0] ? err.msg : err_name(rc));
	else if (!seq || seq > v->p.head.seq)
		rc = fail("--at %s: %s", v->at,
			  seq ? "there is no such change yet"
			      : "there was nothing yet"),
		rc = -ENOENT;
	v->seq = seq;
	return rc < 0 ? rc : 0;
}

static int read_head(const char *path, struct tile_head *ret)
{
	CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	char text[1024];
	struct lines l = {text};
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (n < 0)
		return fail("%s: %s", path, err_name(errno)), -EIO;
	text[n] = '\0';
	if (head_parse(&l, ret) < 0 || *l.p)
		return fail("%s: is no head (as deriva head prints it)", path),
		       -EBADMSG;
	if (!head_is_signed(ret))
		return fail("%s: its signature is wrong", path), -EBADMSG;
	return 0;
}

static int prove(const struct cli *cli, const char *path, struct prove *v,
		 struct buf *ret)
{
	struct err err = {{0}};
	struct tile_head old;
	int rc;

	if (v->since) {
		rc = read_head(v->since, &old);
		if (rc < 0)
			return rc;
		rc = proof_of_consistency(v->p.log, &v->p.head, &old, ret,
					  &err);
	} else {
		rc = find_rel(cli, path, v);
		if (rc >= 0)
			rc = find_moment(v);
		if (rc < 0)
			return rc;
		rc = proof_of_path(v->p.peek, v->p.log, &v->p.head, v->seq,
				   v->rel, ret, &err);
	}
	if (rc < 0)
		complain("%s", err.msg[0] ? err.msg : err_name(rc));
	return rc;
}

static int run(struct cli *cli, int argc, char **argv)
{
	CLEANUP(prove_done) struct prove v = {0};
	CLEANUP_BUF struct buf text = BUF_INIT;
	const char *path;
	int opt;

	while ((opt = next_option(&cmd_prove, cli, argc, argv)) != -1)
		if (opt == 'a')
			v.at = optarg;
		else
			v.since = optarg;
	if (v.at && v.since)
		usage_error(&cmd_prove, "--at and --since are two different "
					"proofs");
	count_operands(&cmd_prove, argc, v.since ? 0 : 1, 1);
	path = optind < argc ? argv[optind] : NULL;
	if (prover_open(cli, path, &v.p) < 0 || prove(cli, path, &v, &text) < 0)
		return EXIT_FAILURE;
	print_buf(&text);
	return EXIT_SUCCESS;
}

static const struct option longs[] = {
	{"at", required_argument, NULL, 'a'},
	{"since", required_argument, NULL, 's'},
	OPT_STORE,
	OPT_END,
};

const struct command cmd_prove = {
	.name = "prove",
	.args = "[--at TIME] [--store DIR] PATH, --since HEAD [PATH]",
	.summary = "a proof that a path had its content, for others to check",
	.help = "Prints a small text that proves, to anybody who trusts the "
		"store's key or a\nroot, which change gave PATH its name and "
		"which its content. deriva verify-proof\nchecks it, without "
		"the store; deriva-proof(5) says how others can. Other "
		"names,\ncontents and programs stay hidden.\n\n"
		"  --at TIME     as it was then: a time, @NUMBER, a snapshot\n"
		"  --since HEAD  that the log now begins with all that it had "
		"when that file was\n"
		"                printed by deriva head: nothing of it was "
		"changed or removed\n"
		"  --store DIR   of that store, PATH from its root; no mount "
		"is "
		"needed\n",
	.shorts = "",
	.longs = longs,
	.run = run,
};

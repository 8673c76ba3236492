#include "cli/command.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cas/proof.h"
#include "cli/output.h"
#include "core/clock.h"

static int read_all(const char *path, struct buf *ret)
{
	bool in = !strcmp(path, "-");
	int fd = in ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : 1;
	void *p;

	while (n > 0 && ret->len <= PROOF_MAX) {
		p = buf_room(ret, KIB(64));
		if (!p) {
			errno = ENOMEM;
			n = -1;
			break;
		}
		n = read(fd, p, KIB(64));
		if (n > 0)
			ret->len += (size_t)n;
	}
	if (n < 0)
		complain("%s: %s", path, err_name(errno));
	else if (ret->len > PROOF_MAX)
		complain("%s: is no proof: it is too long", path);
	if (!in && fd >= 0)
		close(fd);
	return n < 0 || ret->len > PROOF_MAX ? -EIO : 0;
}

static const char *when(int64_t ns, char time[48])
{
	time_format(ns, time, 48);
	return time;
}

static void print_hex(const char *title, const void *p, size_t n)
{
	CLEANUP_BUF struct buf b = BUF_INIT;

	hex_add(&b, p, n);
	printf("%s%s\n", title, buf_cstr(&b));
}

static void print_head(const struct tile_head *h)
{
	char time[48];

	printf("The log of a store, %" PRIu64 " records up to change %" PRIu64
	       ", as it was signed at %s\n",
	       h->size, h->seq, when(h->time_ns, time));
	print_hex("  with the key  ", h->key, sizeof(h->key));
	print_hex("  under root    ", h->root.b, ADDR_LEN);
}

static void print_what(const struct proof_facts *f)
{
	if (f->derived && S_ISDIR(f->mode)) {
		print_hex("  derived directory ", f->addr.b, ADDR_LEN);
	} else if (f->has_addr) {
		printf("  %s of %" PRIu64 " bytes\n",
		       f->derived ? "derived file" : "file", f->size);
		print_hex("  content ", f->addr.b, ADDR_LEN);
	} else if (f->target) {
		printf("  symbolic link to %s\n", f->target);
	} else {
		printf("  %s\n",
		       S_ISDIR(f->mode) ? "directory" : "special file");
	}
}

static void print_path(const struct proof_facts *f)
{
	char time[48];

	print_head(&f->head);
	printf("has in it that /%s became this at change %" PRIu64 ", %s:\n",
	       f->path, f->seq, when(f->time_ns, time));
	print_what(f);
	if (f->name_seq)
		printf("and that it, and the directories above, got these "
		       "names by change %" PRIu64 ", %s.\n",
		       f->name_seq, when(f->name_time_ns, time));
	printf("What later changes made of name and content this does not "
	       "say.\n");
}

static void print_facts(const struct proof_facts *f)
{
	switch (f->kind) {
	case PROOF_HEAD:
		print_head(&f->head);
		printf("is what the key says; nothing else is proven.\n");
		break;
	case PROOF_PATH:
		print_path(f);
		break;
	case PROOF_CONSISTENCY:
		print_head(&f->head);
		printf("begins with all %" PRIu64
		       " records of this, in their order and unchanged:\n",
		       f->old.size);
		print_head(&f->old);
		break;
	}
}

/* Of two heads the older one is what somebody has kept. */
static bool is_root(const struct proof_facts *f, const struct addr *root)
{
	return addr_eq(root, f->kind == PROOF_CONSISTENCY ? &f->old.root
							  : &f->head.root);
}

static int verify(const char *path, const char *hex)
{
	CLEANUP(proof_facts_done) struct proof_facts facts = {.path = NULL};
	CLEANUP_BUF struct buf text = BUF_INIT;
	struct addr root;
	struct err err = {{0}};

	if (hex && !addr_parse(hex, &root))
		usage_error(&cmd_verify_proof,
			    "\"%s\" is no root: that is 64 "
			    "hexadecimal digits",
			    hex);
	if (read_all(path, &text) < 0)
		return EXIT_FAILURE;
	if (proof_check(buf_cstr(&text), text.len, &facts, &err) < 0)
		return fail("%s: proves nothing: %s", path, err.msg);
	if (hex && !is_root(&facts, &root))
		return fail("%s: proves nothing about that root: it is about "
			    "another",
			    path);
	print_facts(&facts);
	return EXIT_SUCCESS;
}

static int run(struct cli *cli, int argc, char **argv)
{
	while (next_option(&cmd_verify_proof, cli, argc, argv) != -1)
		;
	count_operands(&cmd_verify_proof, argc, 1, 2);
	return verify(argv[optind],
		      optind + 1 < argc ? argv[optind + 1] : NULL);
}

static const struct option longs[] = {OPT_END};

const struct command cmd_verify_proof = {
	.name = "verify-proof",
	.args = "FILE [ROOT]",
	.summary = "check a proof, without the store",
	.help = "Checks what deriva prove (or deriva head) printed, and says "
		"what it proves; exit\nstatus 1 when it proves nothing. "
		"\"-\" is standard input. Nothing but the text is\nneeded.\n\n"
		"The key stands in the proof, and is shown: compare it with "
		"the one you know. Or\ngive the ROOT that you know: of a "
		"proof of a path, of its head; of a proof\nwith --since, of "
		"the older of its two heads.\n",
	.shorts = "",
	.longs = longs,
	.run = run,
};

#include "recipes/sandbox_remedy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#define UNSAFE                                                     \
	"; or mount with -o unsafe-no-sandbox, which gives every " \
	"recipe all of your rights"

/* A number under /proc/sys; -1 where there is none. */
static long setting(const char *name)
{
	char path[128], text[32] = "";
	CLEANUP_CLOSE int fd = -1;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/sys/%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	return n <= 0 ? -1 : strtol(text, NULL, 10);
}

static bool in_container(void)
{
	const char *kind = getenv("container");

	return !access("/.dockerenv", F_OK) ||
	       !access("/run/.containerenv", F_OK) || (kind && *kind);
}

static bool is_about_namespaces(const struct sandbox_status *st)
{
	static const char *const texts[] = {"namespace", "uid map", "proc",
					    "loopback", "oot mount"};
	size_t i;

	if (st->error == -EPERM || st->error == -EACCES)
		return true;
	for (i = 0; i < ARRAY_LEN(texts); i++)
		if (strstr(st->message, texts[i]))
			return true;
	return false;
}

static const char *namespace_remedy(void)
{
	if (!setting("user/max_user_namespaces"))
		return "user namespaces are switched off: sysctl -w "
		       "user.max_user_namespaces=10000";
	if (!setting("kernel/unprivileged_userns_clone"))
		return "user namespaces are forbidden for ordinary users: "
		       "sysctl -w kernel.unprivileged_userns_clone=1";
	if (setting("kernel/apparmor_restrict_unprivileged_userns") > 0)
		return "AppArmor restricts user namespaces: install a profile "
		       "for bwrap (package apparmor-profiles), or sysctl -w "
		       "kernel.apparmor_restrict_unprivileged_userns=0";
	if (in_container())
		return "this container forbids namespaces: start it with "
		       "--privileged, or with --security-opt "
		       "seccomp=unconfined --security-opt apparmor=unconfined "
		       "--security-opt systempaths=unconfined";
	return "namespaces are forbidden here by the system's policy";
}

int sandbox_remedy(const struct sandbox_status *st, struct err *err)
{
	int rc = st->error ? st->error : -EIO;

	if (rc == -ENOENT && !strcmp(st->message, "bwrap is not in PATH"))
		return err_set(err, rc,
			       "bubblewrap is not installed (no bwrap in "
			       "PATH): apt-get install bubblewrap" UNSAFE);
	if (strstr(st->message, "Unknown option"))
		return err_set(err, rc,
			       "%s: bubblewrap 0.8 or newer is needed" UNSAFE,
			       st->message);
	if (is_about_namespaces(st))
		return err_set(err, rc,
			       "bubblewrap does not work: %s: %s" UNSAFE,
			       st->message, namespace_remedy());
	if (st->error)
		return err_set(err, rc, "bubblewrap does not work: %s" UNSAFE,
			       *st->message ? st->message : err_name(rc));
	return err_set(
		err, rc,
		"a command in the sandbox failed: true: exit %d %s" UNSAFE,
		st->exit_code, st->message);
}

package verbs

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/term"
	"pss/config"
	"pss/remote/api"
	"pss/remote/identity"
)

func init() { register("Host passwd", nil, newHostPasswd) }

func newHostPasswd() *command {
	return &command{
		name: "Host passwd", synopsis: "Changes the password with which this computer's host lets a user in.",
		notes: "It reads a new password twice on a terminal, or one line of standard input, and keeps its argon2id hash in host/passwords of the state folder. " +
			"A running host needs no restart (pss help about_Identity). Root changes that of the daemon of the computer, once pss enable-psremoting has set one up.",
		sets: []paramSet{{"User", []string{"User"}}},
		params: []param{
			value("User", "a user of this computer").takes(notEmpty("USER")),
			flag("Delete", "take the user's password away"),
		},
		positional: [][]string{{"User"}},
		examples: []example{
			{command: "pss host passwd alice", says: "let alice in with a password"},
			{command: "pss host passwd alice --delete", says: "and no longer"},
		},
		run: runHostPasswd,
	}
}

// runHostPasswd gives a user the password with which the host lets them in, or takes it
// away. A host that runs takes it at once.
func runHostPasswd(ctx context.Context, rt *Runtime, in *input) error {
	user := in.String("user")
	if !identity.ValidName(user) {
		return api.Errorf(api.CodeInvalidArgument, "%q is no user's name", user).WithID("UserNotFound").Hint("name a user of this computer")
	}
	paths, err := config.OfDaemon()
	if err != nil {
		return err
	}
	if err := paths.Prepare(); err != nil {
		return err
	}
	file := identity.Passwords{Path: paths.PasswordFile()}
	if in.Bool("delete") {
		had, err := file.Delete(user)
		if err == nil && !had {
			err = api.Errorf(api.CodeInvalidArgument, "%s has no password at this host", user).WithID("UserNotFound").On(user).
				Hint("the users are in %s", file.Path)
		}
		return err
	}
	if _, err := identity.Lookup(ctx, user); errors.Is(err, identity.ErrNoAccount) {
		return api.Errorf(api.CodeInvalidArgument, "this computer has no user %q", user).WithID("UserNotFound").On(user).
			Hint("a password is for a user that the computer knows: getent passwd lists them")
	} else if err != nil {
		return err
	}
	password, err := rt.newPassword(user)
	if err != nil {
		return err
	}
	return file.Set(user, password)
}

// newPassword reads a new password: twice on a terminal, or one line of standard input.
func (rt *Runtime) newPassword(user string) (string, error) {
	fd := int(rt.Stdin.Fd())
	if !rt.canAsk() {
		line, err := bufio.NewReader(io.LimitReader(rt.Stdin, identity.MaxPassword+2)).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return "", err
		}
		return checkedPassword(strings.TrimRight(line, "\r\n"))
	}
	var typed [2]string
	for i, prompt := range []string{"New password for " + user + ": ", "Once more: "} {
		fmt.Fprint(rt.Stderr, prompt)
		b, err := term.ReadPassword(fd)
		fmt.Fprintln(rt.Stderr)
		if err != nil {
			return "", err
		}
		typed[i] = string(b)
	}
	if typed[0] != typed[1] {
		return "", api.Errorf(api.CodeInvalidArgument, "the two passwords differ").WithID("PasswordsDiffer").Hint("nothing was changed; try again")
	}
	return checkedPassword(typed[0])
}

func checkedPassword(text string) (string, error) {
	if text == "" || len(text) > identity.MaxPassword {
		return "", api.Errorf(api.CodeInvalidArgument, "a password has 1 to %d bytes, not %d", identity.MaxPassword, len(text)).
			WithID("PasswordNotTaken").Hint("type it on a terminal, or give it as one line of standard input")
	}
	return text, nil
}

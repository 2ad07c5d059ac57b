package sshlink

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"pss/remote/api"
)

// pace is how often a start that is under way is looked at.
const pace = 50 * time.Millisecond

// begun is what a started ssh leads to.
type begun struct {
	hello hello
	noise string
	err   error
}

// launch starts ssh and waits for the far side's line; alone see arguments.
func (l *Link) launch(ctx context.Context, c *Caller, alone bool) (*process, hello, error) {
	sum, err := ownChecksum()
	if err != nil {
		return nil, hello{}, err
	}
	ssh, err := lookPath("ssh", c.Env)
	if err != nil {
		return nil, hello{}, api.Errorf(api.CodeUnreachable, "[%s] there is no ssh in the PATH", l.s.Name).WithID("SSHNotFound").On(l.s.Name).
			Hint("install an OpenSSH client")
	}
	env := c.Env
	if c.Prompt != nil {
		more, end := c.Prompt()
		defer end()
		env = append(append([]string(nil), env...), more...)
	}
	nonce := newNonce()
	p, err := start(l.s.Name, nonce, ssh, arguments(l.s.Target, script(nonce, l.s.Heartbeat, sum, !c.Copy), l.s.Heartbeat, alone), env)
	if err != nil {
		return nil, hello{}, err
	}
	said := make(chan begun, 1)
	go func() {
		h, noise, err := readHello(p.pipes.r, nonce)
		said <- begun{h, noise, err}
	}()
	b := l.await(ctx, c, p, said)
	if b.err != nil {
		p.end(b.err)
		return nil, hello{}, b.err
	}
	if b.noise != "" && l.s.Log != nil {
		l.s.Log.Debug("the far side printed before it answered", "computer", l.s.Name, "text", reasonIn(b.noise))
	}
	return p, b.hello, nil
}

// await waits for the far side's line, as long as ssh may take to connect.
func (l *Link) await(ctx context.Context, c *Caller, p *process, said <-chan begun) begun {
	limit := l.limit(c)
	t := time.NewTicker(pace)
	defer t.Stop()
	for waited := time.Duration(0); ; {
		select {
		case b := <-said:
			if b.err == nil {
				return b
			}
			if errors.Is(b.err, io.EOF) {
				select { // it has ended, or does so now
				case <-p.exit:
				case <-time.After(endTime):
				}
				p.settle()
			}
			b.err = startFailed(l.s.Name, p.words.String(), b.noise, b.err, p.state())
			return b
		case <-ctx.Done():
			return begun{err: ctx.Err()}
		case <-t.C:
			if c.Asking == nil || !c.Asking() {
				waited += pace
			}
			if waited > limit {
				return begun{err: startLate(l.s.Name, limit, p.words.String())}
			}
		}
	}
}

func newNonce() string {
	b := make([]byte, 8)
	rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

// lookPath finds a program in the PATH of env.
func lookPath(name string, env []string) (string, error) {
	path := os.Getenv("PATH")
	for _, v := range env {
		if p, ok := strings.CutPrefix(v, "PATH="); ok {
			path = p
		}
	}
	for _, dir := range filepath.SplitList(path) {
		file := filepath.Join(dir, name)
		if st, err := os.Stat(file); err == nil && filepath.IsAbs(file) && !st.IsDir() && st.Mode()&0o111 != 0 {
			return file, nil
		}
	}
	return "", errors.New("not found")
}

package sshlink

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"runtime"
	"sync"
	"time"

	"pss/remote/api"
	"pss/remote/platform"
)

// sumOnce is this binary's SHA-256: it names the copies, and it does not change while
// the process runs.
var sumOnce = sync.OnceValues(func() (string, error) {
	f, err := platform.OpenSelf()
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
})

func ownChecksum() (string, error) { return sumOnce() }

// WriteChecksum writes this binary's SHA-256 in hexadecimal digits: a copy tells by it
// that it is whole and can run.
func WriteChecksum(w io.Writer) error {
	sum, err := ownChecksum()
	if err == nil {
		_, err = fmt.Fprintln(w, sum)
	}
	return err
}

// ownBuild names the build of this binary as buildFor does.
const ownBuild = runtime.GOOS + "/" + runtime.GOARCH

// install copies this binary to the far side, which waits for that, and starts it there:
// if that is wanted, and if it can run there.
func (l *Link) install(ctx context.Context, c *Caller, p *process, h hello) error {
	if build := buildFor(h); build != ownBuild {
		return wrongBuild(l.s.Name, build)
	}
	if !c.Copy && (c.Confirm == nil || !c.Confirm(ctx, copyQuestion(l.s.Name, h))) {
		return missing(l.s.Name, h)
	}
	self, err := platform.OpenSelf()
	if err != nil {
		return err
	}
	defer self.Close()
	st, err := self.Stat()
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(p.pipes, "copy %d\n", st.Size()); err != nil {
		return l.notCopied(p, err)
	}
	return l.send(ctx, c, p, self, st.Size())
}

// tellPace is how often somebody who waits for a copy is told how far it is.
const tellPace = 2 * time.Second

// copyTime bounds how long a copy may stand still.
const copyTime = 30 * time.Second

// send copies the binary and waits until the far side runs it.
func (l *Link) send(ctx context.Context, c *Caller, p *process, self io.Reader, size int64) error {
	tell := func(format string, args ...any) {
		if c.Tell != nil {
			c.Tell(fmt.Sprintf(format, args...))
		}
	}
	tell("Copying pss (%.1f MB) to %s", float64(size)/1e6, l.s.Name)
	stop := context.AfterFunc(ctx, func() { p.end(ctx.Err()) })
	defer stop()
	stuck := time.AfterFunc(copyTime, func() { p.end(fmt.Errorf("it stood still for %v", copyTime)) })
	defer stuck.Stop()
	told := time.Now()
	for sent := int64(0); sent < size; {
		n, err := io.CopyN(p.pipes, self, min(size-sent, 256<<10))
		sent += n
		if err != nil {
			return l.notCopied(p, err)
		}
		stuck.Reset(copyTime)
		if time.Since(told) > tellPace {
			told = time.Now()
			tell("Copying pss to %s: %d %%", l.s.Name, 100*sent/size)
		}
	}
	h, _, err := readHello(p.pipes.r, p.nonce)
	if err == nil && h.Failed {
		err = fmt.Errorf("the copy cannot be run there")
	}
	if err != nil {
		return l.notCopied(p, err)
	}
	tell("Copied pss to %s", l.s.Name)
	return nil
}

// notCopied says in the far side's words why there is no copy.
func (l *Link) notCopied(p *process, err error) error {
	p.settle()
	reason := err.Error()
	if said := reasonIn(p.words.String()); said != "" {
		reason = said
	}
	return api.Errorf(api.CodeUnreachable, "[%s] pss could not be copied: %s", l.s.Name, reason).WithID("CopyBinaryFailed").On(l.s.Name).
		Hint("the copy goes to the folder pss of $XDG_CACHE_HOME or ~/.cache there: see that it can be written and may hold programs")
}

// copyQuestion asks whether this binary may be copied.
func copyQuestion(name string, h hello) string {
	return fmt.Sprintf("pss is not on %s (%s %s). Copy this pss into your cache folder there?", name, h.System, h.Machine)
}

// missing is the error of a computer without pss.
func missing(name string, h hello) error {
	return api.Errorf(api.CodeUnreachable, "[%s] ssh works, but there is no pss (%s %s)", name, h.System, h.Machine).WithID("PssNotFound").On(name).
		Hint("--copy-binary copies this one into your cache folder there; or install pss in the PATH that ssh gives")
}

// wrongBuild is the error of a computer without pss on which this one cannot run.
func wrongBuild(name, build string) error {
	return api.Errorf(api.CodeUnreachable, "[%s] there is no pss, and this one (%s) does not run there: it needs the build for %s", name, ownBuild, build).
		WithID("PssWrongBuild").On(name).Hint("install the build for %s there, in the PATH that ssh gives, for example as ~/.local/bin/pss", build)
}

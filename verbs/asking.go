package verbs

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"golang.org/x/term"
	"pss/format"
	"pss/remote/api"
	"pss/remote/client"
)

// An ssh that the agent starts on behalf of a cmdlet may have to ask: for a password, a
// passphrase, a touch, or whether a computer's key is right. The agent has no terminal;
// so the cmdlet, while it waits, fetches what is asked and asks it in its own.

const (
	// askAfter is how long a cmdlet waits before it looks for questions: most are over
	// by then, and need no second connection.
	askAfter = 200 * time.Millisecond
	// askTimeout bounds a request while somebody may be asked. The agent bounds each
	// question, and everything else.
	askTimeout = 10 * time.Minute
	// maxVariable is the longest variable in bytes that a request carries; ssh has the
	// agent's own instead of a longer one.
	maxVariable = 8 << 10
)

// asking is what a cmdlet needs to be asked.
type asking struct {
	mu    sync.Mutex // guards what follows
	timer *time.Timer
	stop  context.CancelFunc
	tty   *os.File // while a question is on it
	state *term.State
}

// introduce tells the agent with each request on whose behalf it is made.
func (rt *Runtime) introduce() {
	me := api.Caller{Env: map[string]string{}, Copy: rt.copyBinary}
	for _, name := range api.CallerVariables {
		if v := rt.Getenv(name); v != "" && len(v) <= maxVariable {
			me.Env[name] = v
		}
	}
	for _, name := range api.CallerFiles {
		if path, err := filepath.Abs(rt.Getenv(name)); err == nil && rt.Getenv(name) != "" {
			me.Env[name] = path
		}
	}
	rt.tellTrust(&me)
	tty := rt.openTerminal()
	if tty != nil {
		tty.Close()
		me.Ask = true
		rt.agent.Timeout = askTimeout
	}
	if me.Ask || me.Copy {
		me.ID = uuid.NewString()
	}
	text, err := json.Marshal(&me)
	if err != nil {
		return // strings always can
	}
	rt.agent.Header.Set(api.HeaderCaller, string(text))
	if me.ID != "" {
		cl := &client.Client{Dial: rt.agent.Dial, Host: rt.agent.Host, Timeout: askTimeout}
		rt.asks.begin(func(ctx context.Context) { rt.answerQuestions(ctx, cl, me.ID) })
	}
}

// openTerminal opens the terminal at which somebody sits, also where standard input and
// output lead elsewhere; nil: there is none, or nobody wants to be asked.
func (rt *Runtime) openTerminal() *os.File {
	if rt.noInput {
		return nil
	}
	tty, err := os.OpenFile(terminalFile, os.O_RDWR, 0)
	if err != nil {
		return nil
	}
	return tty
}

// begin calls look after a while, until end.
func (a *asking) begin(look func(context.Context)) {
	ctx, stop := context.WithCancel(context.Background())
	a.mu.Lock()
	defer a.mu.Unlock()
	a.stop = stop
	a.timer = time.AfterFunc(askAfter, func() { look(ctx) })
}

// end takes a question off the terminal that is not answered any more.
func (a *asking) end() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.timer == nil {
		return
	}
	a.timer.Stop()
	a.stop()
	a.restoreLocked()
}

func (a *asking) restoreLocked() {
	if a.tty == nil {
		return
	}
	onTerminal(a.tty, func(fd int) { _ = term.Restore(fd, a.state) })
	fmt.Fprint(a.tty, "\r\n")
	a.tty = nil
}

// onTerminal calls f with the descriptor of a terminal, and leaves it one of which a read
// ends when it is closed: Fd would not, and a read that nobody waits for any more would
// swallow the next line that is typed.
func onTerminal(tty *os.File, f func(fd int)) {
	if raw, err := tty.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { f(int(fd)) })
	}
}

// take makes the terminal ours for a question.
func (a *asking) take(tty *os.File) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	onTerminal(tty, func(fd int) {
		if state, err := term.MakeRaw(fd); err == nil {
			a.tty, a.state = tty, state
		}
	})
	return a.tty != nil
}

// leave gives the terminal back.
func (a *asking) leave() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.tty != nil {
		onTerminal(a.tty, func(fd int) { _ = term.Restore(fd, a.state) })
		a.tty = nil
	}
}

// answerQuestions asks what the agent has to ask, until ctx ends.
func (rt *Runtime) answerQuestions(ctx context.Context, cl *client.Client, me string) {
	for ctx.Err() == nil {
		q, err := cl.Question(ctx, me)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil || q.ID == "" && q.Text == "":
			select { // nothing is asked of a request that has ended, or of no agent
			case <-ctx.Done():
			case <-time.After(askAfter):
			}
		case q.ID == "":
			rt.tell("%s", format.Sanitize(q.Text))
		default:
			answer := rt.answerTo(ctx, cl, me, &q)
			if answer != nil && cl.Answer(ctx, me, q.ID, answer) != nil {
				return
			}
		}
	}
}

// answerTo asks a question; nil is the answer to one that was withdrawn.
func (rt *Runtime) answerTo(ctx context.Context, cl *client.Client, me string, q *api.Question) *api.Answer {
	tty := rt.openTerminal()
	if tty == nil {
		return &api.Answer{Cancelled: true}
	}
	defer tty.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	withdrawn := make(chan struct{})
	go func() {
		_ = cl.Withdrawn(ctx, me, q.ID)
		close(withdrawn)
	}()
	lines := strings.Split(strings.TrimRight(q.Text, "\r\n"), "\n")
	for i := range lines {
		lines[i] = format.Sanitize(lines[i])
	}
	if q.Kind == api.QuestionNotice {
		fmt.Fprintln(tty, strings.Join(lines, "\n"))
		<-withdrawn
		return nil
	}
	for _, line := range lines[:len(lines)-1] {
		fmt.Fprintln(tty, line)
	}
	if !rt.asks.take(tty) {
		return &api.Answer{Cancelled: true}
	}
	defer rt.asks.leave()
	typed := make(chan api.Answer, 1)
	go func() { typed <- readAnswer(tty, lines[len(lines)-1], q.Kind) }()
	select {
	case answer := <-typed:
		return &answer
	case <-withdrawn:
		fmt.Fprint(tty, "\r\n")
		return nil
	}
}

// readAnswer reads a line from a terminal in raw mode; Ctrl-C and Ctrl-D cancel.
func readAnswer(tty *os.File, prompt string, kind api.QuestionKind) api.Answer {
	if kind == api.QuestionConfirm {
		prompt += " [y/N]"
	}
	t := term.NewTerminal(tty, "")
	onTerminal(tty, func(fd int) {
		if w, h, err := term.GetSize(fd); err == nil && w > 0 {
			_ = t.SetSize(w, h) // without it lines are broken sooner, no more
		}
	})
	var text string
	var err error
	if prompt = strings.TrimRight(prompt, " ") + " "; kind == api.QuestionSecret {
		text, err = t.ReadPassword(prompt)
	} else {
		t.SetPrompt(prompt)
		text, err = t.ReadLine()
	}
	if err != nil {
		fmt.Fprint(tty, "\r\n")
		return api.Answer{Cancelled: true}
	}
	return api.Answer{Text: text}
}
